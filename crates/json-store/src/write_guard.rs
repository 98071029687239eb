use std::ops::Deref;
use std::sync::Arc;

use layerhold_lockfile::Protection;

use crate::damage::Damaged;
use crate::error::{ChangeError, ReadError};
use crate::load::load;
use crate::location::LocationSet;
use crate::names::{NameChange, deduplicated};
use crate::options::{Access, LocationId};
use crate::record::Record;
use crate::set_aside::SetAside;
use crate::snapshot::{Place, Snapshot};
use crate::store::{Known, Shared, may_stay_unsaved, token_error};

/// The records of a store while nobody else reads or writes.
///
/// Dereferences to [`Snapshot`], in which changes are seen at once. They reach the
/// files with [`save`](Self::save); a guard that is dropped before takes them along.
#[derive(Debug)]
#[must_use = "the lock is released, and unsaved changes are dropped, as soon as the guard is dropped"]
pub struct WriteGuard<R: Record> {
    pub(crate) shared: Arc<Shared<R>>,
    pub(crate) draft: Snapshot<R>,
    /// Locations whose files differ from the draft.
    pub(crate) dirty: LocationSet,
    /// Bytes that the next save puts into side files.
    pub(crate) set_aside: Vec<SetAside>,
    /// False after a failed save until the records could be loaded again.
    pub(crate) is_known: bool,
    // Last, so that it is released last.
    pub(crate) lock: layerhold_lockfile::WriteGuard,
}

impl<R: Record> Deref for WriteGuard<R> {
    type Target = Snapshot<R>;

    fn deref(&self) -> &Snapshot<R> {
        &self.draft
    }
}

impl<R: Record> WriteGuard<R> {
    /// Loads under the lock, and saves what needs a repair.
    pub(crate) fn begin(
        shared: Arc<Shared<R>>,
        lock: layerhold_lockfile::WriteGuard,
    ) -> Result<Self, ReadError> {
        let (draft, dirty) = fresh(&shared, &lock)?;
        let mut guard = Self {
            shared,
            draft,
            dirty,
            set_aside: Vec::new(),
            is_known: true,
            lock,
        };
        if guard.dirty.is_empty() {
            return Ok(guard);
        }
        match guard.save() {
            Err(error) if !may_stay_unsaved(&error) => Err(ReadError::Repair {
                record_kind: R::KIND,
                source: Box::new(error),
            }),
            _ => Ok(guard),
        }
    }

    /// Loads again after a failed save, so that memory says what the disk says.
    pub(crate) fn reload(&mut self) -> Result<(), ReadError> {
        self.is_known = false;
        self.set_aside.clear();
        *self.shared.known() = None;
        let (draft, dirty) = fresh(&self.shared, &self.lock)?;
        self.draft = draft;
        self.dirty = dirty;
        self.is_known = true;
        Ok(())
    }

    /// Whether there are changes that are not saved yet.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The current content, to be kept beyond the guard; unsaved changes included.
    #[must_use]
    pub fn to_snapshot(&self) -> Arc<Snapshot<R>> {
        Arc::new(self.draft.clone())
    }

    /// Adds a record at the end of a location. Repeated names are kept once.
    pub fn insert(&mut self, mut record: R, location: LocationId) -> Result<(), ChangeError> {
        self.check_known()?;
        self.check_writable(location)?;
        let id = record.id().to_owned();
        if id.is_empty() {
            return Err(id_changed::<R>("", ""));
        }
        if self.draft.contains(&id) {
            return Err(ChangeError::IdInUse {
                record_kind: R::KIND,
                id,
            });
        }
        for name in record.names() {
            if let Some(holder) = self.draft.by_name(name) {
                return Err(ChangeError::NameInUse {
                    record_kind: R::KIND,
                    name: name.clone(),
                    id: holder.to_owned(),
                });
            }
        }
        if let Some(names) = deduplicated(record.names()) {
            record.set_names(names);
        }
        let _record = Arc::make_mut(&mut self.draft.overlay).put(record, location, None);
        self.dirty.insert(location);
        Ok(())
    }

    /// Changes a record and returns it. Names that it has afterwards are taken
    /// from whoever had them. A change that leaves the JSON text as it was needs no save.
    pub fn update(&mut self, id: &str, change: impl FnOnce(&mut R)) -> Result<Arc<R>, ChangeError> {
        self.check_known()?;
        let place = self.place(id)?;
        let location = self.draft.location(place);
        self.check_writable(location)?;
        let before = self.draft.record(place).map_err(damaged::<R>)?;
        let mut record = before.as_ref().clone();
        change(&mut record);
        if record.id() != id {
            return Err(id_changed::<R>(id, record.id()));
        }
        if let Some(names) = deduplicated(record.names()) {
            record.set_names(names);
        }
        if is_same(before.as_ref(), &record) {
            return Ok(before);
        }
        let losers = self.losers(place, &record)?;
        for (loser, location, changed) in losers {
            self.replace(loser, location, changed);
        }
        let record = self.replace(place, location, record);
        Ok(record)
    }

    /// Replaces, adds or removes names; returns the record as it is then.
    /// Added names come before those it has, as Go orders them (Go: utils.go).
    pub fn change_names(
        &mut self,
        id: &str,
        change: NameChange,
        names: &[String],
    ) -> Result<Arc<R>, ChangeError> {
        self.update(id, |record| {
            let names = change.apply(record.names(), names);
            record.assign_names(names);
        })
    }

    /// Removes a record. Its side files stay.
    ///
    /// Damaged records are removed by the identifier under which they are found or that their bytes
    /// begin with (see [`Snapshot::damaged_id`]); their bytes are kept, as by
    /// [`set_aside`](Self::set_aside). Where a record can be read, damaged ones with its identifier
    /// stay, but for those that would take its place.
    pub fn remove(&mut self, id: &str) -> Result<(), ChangeError> {
        self.check_known()?;
        let readable = self
            .draft
            .find_id(id)
            .filter(|place| self.draft.record(*place).is_ok());
        let Some(place) = readable else {
            return self.remove_damaged(id);
        };
        let location = self.draft.location(place);
        self.check_writable(location)?;
        let overlay = Arc::make_mut(&mut self.draft.overlay);
        match place {
            Place::Loaded(entry) => overlay.remove_entry(entry),
            Place::Put(place) => overlay.remove(place),
        }
        self.dirty.insert(location);
        self.set_all_aside(&self.draft.base.duplicates_of(id))
    }

    fn remove_damaged(&mut self, id: &str) -> Result<(), ChangeError> {
        let damage = self.draft.damaged_with_id(id);
        let found = self
            .draft
            .find_id(id)
            .map(|place| self.draft.location(place));
        let Some(location) = found.or_else(|| damage.first().map(|damage| damage.location)) else {
            return Err(ChangeError::NotFound {
                record_kind: R::KIND,
                id: id.to_owned(),
            });
        };
        self.check_writable(location)?;
        self.set_all_aside(&damage)
    }

    /// Sets damage aside where that is possible.
    fn set_all_aside(&mut self, damage: &[Damaged]) -> Result<(), ChangeError> {
        for damage in damage {
            if self.check_writable(damage.location).is_ok() {
                self.set_aside(damage)?;
            }
        }
        Ok(())
    }

    /// Takes damaged bytes out of their file. The next save first puts them into
    /// a side file (see [`JsonStore::set_aside_files`](crate::JsonStore::set_aside_files)).
    /// The torn end of a file is set aside by every save without being asked to.
    pub fn set_aside(&mut self, damage: &Damaged) -> Result<(), ChangeError> {
        self.check_known()?;
        self.check_writable(damage.location)?;
        if let Some(entry) = self.draft.base.entry_of(damage) {
            if self.draft.overlay.is_replaced(entry) {
                return Ok(());
            }
            let bytes = self.draft.base.raw(entry).to_vec();
            self.set_aside.push(SetAside::new(damage.location, bytes));
            let hidden = self.draft.base.is_hidden(entry);
            let overlay = Arc::make_mut(&mut self.draft.overlay);
            if hidden {
                overlay.remove_hidden(entry);
            } else {
                overlay.remove_entry(entry);
            }
        }
        self.dirty.insert(damage.location);
        Ok(())
    }

    /// Whether the record is there and may be changed.
    pub(crate) fn check_can_change(&self, id: &str) -> Result<(), ChangeError> {
        self.check_known()?;
        let place = self.place(id)?;
        self.check_writable(self.draft.location(place))?;
        self.draft.record(place).map_err(damaged::<R>)?;
        Ok(())
    }

    fn check_known(&self) -> Result<(), ChangeError> {
        if self.is_known {
            return Ok(());
        }
        Err(ChangeError::Unknown {
            record_kind: R::KIND,
        })
    }

    fn check_writable(&self, location: LocationId) -> Result<(), ChangeError> {
        let options = &self.shared.options;
        let path = match options.locations.get(location.position()) {
            Some(location) if location.access == Access::ReadWrite => return Ok(()),
            Some(location) => location.path(),
            None => options.lock.clone(),
        };
        Err(ChangeError::ReadOnly {
            record_kind: R::KIND,
            path,
        })
    }

    fn place(&self, id: &str) -> Result<Place, ChangeError> {
        self.draft.find_id(id).ok_or_else(|| ChangeError::NotFound {
            record_kind: R::KIND,
            id: id.to_owned(),
        })
    }

    /// The records that lose names to `record`, without these names.
    fn losers(&self, place: Place, record: &R) -> Result<Vec<(Place, LocationId, R)>, ChangeError> {
        let mut losers: Vec<(Place, LocationId, R)> = Vec::new();
        for name in record.names() {
            let Some(holder) = self.draft.find_name(name).filter(|holder| *holder != place) else {
                continue;
            };
            if losers.iter().any(|(known, ..)| *known == holder) {
                continue;
            }
            let location = self.draft.location(holder);
            self.check_writable(location)?;
            let held = self.draft.record(holder).map_err(damaged::<R>)?;
            let mut loser = held.as_ref().clone();
            let kept = held
                .names()
                .iter()
                .filter(|name| !record.names().contains(name));
            loser.set_names(kept.cloned().collect());
            losers.push((holder, location, loser));
        }
        Ok(losers)
    }

    fn replace(&mut self, place: Place, location: LocationId, record: R) -> Arc<R> {
        let overlay = Arc::make_mut(&mut self.draft.overlay);
        let record = match place {
            Place::Loaded(entry) => overlay.put(record, location, Some(entry)),
            Place::Put(place) => overlay.change(place, record),
        };
        self.dirty.insert(location);
        record
    }
}

/// What is on the disk: as it is known, or loaded now.
fn fresh<R: Record>(
    shared: &Shared<R>,
    lock: &layerhold_lockfile::WriteGuard,
) -> Result<(Snapshot<R>, LocationSet), ReadError> {
    let token = lock.token().map_err(token_error::<R>)?;
    let stamps = shared.stamps(Protection::Locked)?;
    let mut known = shared.known();
    if let Some(known) = known
        .as_ref()
        .filter(|known| known.is_fresh(&token, &stamps))
    {
        return Ok((known.snapshot.as_ref().clone(), known.repairs.clone()));
    }
    let loaded = load::<R>(&shared.options, &shared.fields)?;
    *known = Some(Known {
        snapshot: Arc::new(loaded.snapshot.clone()),
        token,
        stamps,
        repairs: loaded.repairs.clone(),
    });
    Ok((loaded.snapshot, loaded.repairs))
}

fn is_same<R: Record>(one: &R, other: &R) -> bool {
    let (mut one_json, mut other_json) = (Vec::new(), Vec::new());
    one.write(&mut one_json);
    other.write(&mut other_json);
    one_json == other_json
}

fn damaged<R: Record>(source: Damaged) -> ChangeError {
    ChangeError::Damaged {
        record_kind: R::KIND,
        source: Box::new(source),
    }
}

fn id_changed<R: Record>(from: &str, to: &str) -> ChangeError {
    ChangeError::IdChanged {
        record_kind: R::KIND,
        from: from.to_owned(),
        to: to.to_owned(),
    }
}
