//! Changing records under the write lock.

use std::collections::{BTreeSet, HashSet};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use layerhold_lockfile::{Protection, Token, TokenError};
use layerhold_sys::best_effort;

use crate::damage::Damaged;
use crate::location::LocationSet;
use crate::names::{NameChange, deduplicated};
use crate::options::{Access, LocationId};
use crate::record::Record;
use crate::save::{Changes, SaveError, Saved, SetAside};
use crate::shared::{Cached, ReadError, Shared};
use crate::snapshot::{Slot, Snapshot};

/// Why a change was not made. The records are as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// No record has this ID.
    #[error("cannot find a {record_kind} with the ID {id}")]
    NotFound {
        /// What the store keeps.
        record_kind: &'static str,
        /// The ID.
        id: String,
    },
    /// A record with this ID exists.
    #[error("cannot add the {record_kind} {id}: the ID is in use")]
    IdInUse {
        /// What the store keeps.
        record_kind: &'static str,
        /// The ID.
        id: String,
    },
    /// A new record may not take the name of another one.
    #[error("cannot use the name {name:?}: the {record_kind} {id} has it")]
    NameInUse {
        /// What the store keeps.
        record_kind: &'static str,
        /// The name.
        name: String,
        /// The record that has it.
        id: String,
    },
    /// The ID of a new record cannot name the directory of its big data items.
    #[error(
        "cannot add a {record_kind} with the ID {id:?}: an ID has 1 to 255 bytes, no slash and no NUL byte, and is not . or .."
    )]
    InvalidId {
        /// What the store keeps.
        record_kind: &'static str,
        /// The ID.
        id: String,
    },
    /// The change replaced the ID.
    #[error("cannot change the ID of a {record_kind} from {from:?} to {to:?}")]
    IdChanged {
        /// What the store keeps.
        record_kind: &'static str,
        /// The ID before.
        from: String,
        /// The ID after.
        to: String,
    },
    /// The store has no such location, or it is read-only.
    #[error("cannot write {record_kind} records to {}: it is read-only", path.display())]
    ReadOnly {
        /// What the store keeps.
        record_kind: &'static str,
        /// The file, or the lock file if there is no such location.
        path: PathBuf,
    },
    /// The record is damaged.
    #[error("cannot change a damaged {record_kind}")]
    Damaged {
        /// What the store keeps.
        record_kind: &'static str,
        /// What is wrong with it.
        source: Box<Damaged>,
    },
    /// An earlier save failed and the records could not be loaded again.
    #[error(
        "cannot change {record_kind} records: they could not be loaded again after a failed save"
    )]
    Unknown {
        /// What the store keeps.
        record_kind: &'static str,
    },
}

impl ChangeError {
    /// Whether no record has the ID.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether another record has the ID or the name.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::IdInUse { .. } | Self::NameInUse { .. })
    }
}

/// With more changes than this on top of what was loaded, the files are read
/// again, so that looking through the changes stays cheap.
const MOST_CHANGES: usize = 512;

/// The records of a store while no other process or thread reads or writes.
///
/// Dereferences to [`Snapshot`], which shows changes at once. They reach the files with
/// [`save`](Self::save); dropping the guard before that discards them.
#[derive(Debug)]
#[must_use = "the lock is released, and unsaved changes are dropped, as soon as the guard is dropped"]
pub struct WriteGuard<R: Record> {
    pub(crate) shared: Arc<Shared<R>>,
    pub(crate) draft: Snapshot<R>,
    /// Locations whose files differ from the draft.
    pub(crate) dirty: LocationSet,
    /// Bytes that the next save records into side files.
    pub(crate) set_aside: Vec<SetAside>,
    /// False after a failed save until the records could be loaded again.
    pub(crate) is_loaded: bool,
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
        let (draft, dirty) = shared.loaded(&lock)?;
        let mut guard = Self {
            shared,
            draft,
            dirty,
            set_aside: Vec::new(),
            is_loaded: true,
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

    /// Loads again after a failed save, so that memory agrees with the disk.
    pub(crate) fn reload(&mut self) -> Result<(), ReadError> {
        self.is_loaded = false;
        self.set_aside.clear();
        *self.shared.cached() = None;
        let (draft, dirty) = self.shared.loaded(&self.lock)?;
        self.draft = draft;
        self.dirty = dirty;
        self.is_loaded = true;
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

    /// Adds a record at the end of a location. A repeated name is kept once.
    ///
    /// # Errors
    ///
    /// [`ChangeError::InvalidId`] if the ID has not 1 to 255 bytes, has a slash or a NUL byte, or
    /// is `.` or `..`; ID and names must not be in use, and the location must be writable.
    pub fn insert(&mut self, mut record: R, location: LocationId) -> Result<(), ChangeError> {
        self.check_loaded()?;
        self.check_writable(location)?;
        let id = record.id().to_owned();
        if !is_valid_id(&id) {
            return Err(ChangeError::InvalidId {
                record_kind: R::KIND,
                id,
            });
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
        let _record = Arc::make_mut(&mut self.draft.pending).put(record, location, None);
        self.dirty.insert(location);
        Ok(())
    }

    /// Changes a record and returns it. Names that it has afterwards are taken from the records
    /// that had them. A change that leaves the JSON text as it was needs no save.
    pub fn update(&mut self, id: &str, change: impl FnOnce(&mut R)) -> Result<Arc<R>, ChangeError> {
        self.try_update(id, |record| {
            change(record);
            Ok(())
        })
    }

    /// Like [`update`](Self::update), with a change that may fail. Then the record is as before.
    ///
    /// # Errors
    ///
    /// The error of the change, or a [`ChangeError`] as of `update`, converted.
    pub fn try_update<E: From<ChangeError>>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut R) -> Result<(), E>,
    ) -> Result<Arc<R>, E> {
        let (slot, location, before) = self.to_change(id)?;
        let mut record = before.as_ref().clone();
        change(&mut record)?;
        Ok(self.put_changed(id, (slot, location), before, record)?)
    }

    /// The record to be changed, and where it is.
    fn to_change(&self, id: &str) -> Result<(Slot, LocationId, Arc<R>), ChangeError> {
        self.check_loaded()?;
        let slot = self.slot(id)?;
        let location = self.draft.location(slot);
        self.check_writable(location)?;
        let before = self.draft.record(slot).map_err(damaged::<R>)?;
        Ok((slot, location, before))
    }

    fn put_changed(
        &mut self,
        id: &str,
        (slot, location): (Slot, LocationId),
        before: Arc<R>,
        mut record: R,
    ) -> Result<Arc<R>, ChangeError> {
        if record.id() != id {
            return Err(id_changed::<R>(id, record.id()));
        }
        if let Some(names) = deduplicated(record.names()) {
            record.set_names(names);
        }
        if is_same(before.as_ref(), &record) {
            return Ok(before);
        }
        let losers = self.losers(slot, &record)?;
        for (loser, location, changed) in losers {
            self.replace(loser, location, changed);
        }
        let record = self.replace(slot, location, record);
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

    /// Removes a record. The files of its big data items stay.
    ///
    /// Damaged records are removed by the ID under which they are found or that their bytes
    /// begin with (see [`Damaged::id`]); their bytes are kept, as by
    /// [`set_aside`](Self::set_aside). Where a record can be read, damaged ones with its ID
    /// stay, but for those that would take its place.
    pub fn remove(&mut self, id: &str) -> Result<(), ChangeError> {
        self.check_loaded()?;
        let readable = self
            .draft
            .find_id(id)
            .filter(|slot| self.draft.record(*slot).is_ok());
        let Some(slot) = readable else {
            return self.remove_damaged(id);
        };
        let location = self.draft.location(slot);
        self.check_writable(location)?;
        let pending = Arc::make_mut(&mut self.draft.pending);
        match slot {
            Slot::Loaded(entry) => pending.remove_entry(entry),
            Slot::Pending(position) => pending.remove(position),
        }
        self.dirty.insert(location);
        self.set_all_aside(&self.draft.loaded.duplicates_of(id))
    }

    fn remove_damaged(&mut self, id: &str) -> Result<(), ChangeError> {
        let damage = self.draft.damaged_with_id(id);
        let found = self.draft.find_id(id).map(|slot| self.draft.location(slot));
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

    /// Takes damaged bytes out of their file. The next save first writes them to a side file (see
    /// [`JsonStore::set_aside_files`](crate::JsonStore::set_aside_files)). Every save sets the torn
    /// end of a file aside without being asked to.
    pub fn set_aside(&mut self, damage: &Damaged) -> Result<(), ChangeError> {
        self.check_loaded()?;
        self.check_writable(damage.location)?;
        if let Some(entry) = self.draft.loaded.entry_of(damage) {
            if self.draft.pending.is_replaced(entry) {
                return Ok(());
            }
            let bytes = self.draft.loaded.raw(entry).to_vec();
            self.set_aside.push(SetAside::new(damage.location, bytes));
            let hidden = self.draft.loaded.is_hidden(entry);
            let pending = Arc::make_mut(&mut self.draft.pending);
            if hidden {
                pending.remove_hidden(entry);
            } else {
                pending.remove_entry(entry);
            }
        }
        self.dirty.insert(damage.location);
        Ok(())
    }

    /// Writes the changes since the last save, only to the locations they are in.
    /// Records that did not change are written byte for byte as they were.
    ///
    /// # Errors
    ///
    /// After a failure the changes since the last save are gone: what is on the
    /// disk, which may be a part of them if there are several locations, was loaded
    /// again. The guard can be used on.
    pub fn save(&mut self) -> Result<(), SaveError> {
        if !self.is_loaded {
            return Err(SaveError::Unknown {
                record_kind: R::KIND,
            });
        }
        self.dirty.retain_writable(&self.shared.options);
        if self.dirty.is_empty() {
            return Ok(());
        }
        self.shared.sweep(&self.lock);
        // Whatever happens below, a panic included: what was loaded is not used again.
        *self.shared.cached() = None;
        let changes = Changes {
            options: &self.shared.options,
            fields: &self.shared.fields,
            draft: &self.draft,
            dirty: &self.dirty,
            set_aside: &self.set_aside,
        };
        match changes.write_out(&mut self.lock) {
            Ok(saved) => {
                self.after_save(saved);
                Ok(())
            }
            Err(error) => {
                // A failure to load shows in every later use of the guard.
                best_effort(self.reload());
                Err(error)
            }
        }
    }

    fn after_save(&mut self, (token, saved): (Token, Saved)) {
        self.dirty.clear();
        self.set_aside.clear();
        if saved == Saved::Rearranged || self.draft.pending.size() > MOST_CHANGES {
            // The save itself worked; a failure to load shows in later uses.
            best_effort(self.reload());
            return;
        }
        let stamps = self.shared.stamps(Protection::Locked);
        // Without stamps the next use loads everything, which is right as well.
        let Ok(stamps) = stamps else { return };
        *self.shared.cached() = Some(Cached {
            snapshot: Arc::new(self.draft.clone()),
            token,
            stamps,
            repairs: self.dirty.clone(),
        });
    }

    /// Whether the record is there and may be changed.
    pub(crate) fn check_can_change(&self, id: &str) -> Result<(), ChangeError> {
        self.check_loaded()?;
        let slot = self.slot(id)?;
        self.check_writable(self.draft.location(slot))?;
        self.draft.record(slot).map_err(damaged::<R>)?;
        Ok(())
    }

    fn check_loaded(&self) -> Result<(), ChangeError> {
        if self.is_loaded {
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

    fn slot(&self, id: &str) -> Result<Slot, ChangeError> {
        self.draft.find_id(id).ok_or_else(|| ChangeError::NotFound {
            record_kind: R::KIND,
            id: id.to_owned(),
        })
    }

    /// The records that lose names to `record`, without these names.
    fn losers(&self, slot: Slot, record: &R) -> Result<Vec<(Slot, LocationId, R)>, ChangeError> {
        let holders: BTreeSet<Slot> = record
            .names()
            .iter()
            .filter_map(|name| self.draft.find_name(name))
            .filter(|holder| *holder != slot)
            .collect();
        if holders.is_empty() {
            return Ok(Vec::new());
        }
        let taken: HashSet<&String> = record.names().iter().collect();
        let mut losers: Vec<(Slot, LocationId, R)> = Vec::with_capacity(holders.len());
        for holder in holders {
            let location = self.draft.location(holder);
            self.check_writable(location)?;
            let held = self.draft.record(holder).map_err(damaged::<R>)?;
            let mut loser = held.as_ref().clone();
            let kept = held.names().iter().filter(|name| !taken.contains(name));
            loser.set_names(kept.cloned().collect());
            losers.push((holder, location, loser));
        }
        Ok(losers)
    }

    fn replace(&mut self, slot: Slot, location: LocationId, record: R) -> Arc<R> {
        let pending = Arc::make_mut(&mut self.draft.pending);
        let record = match slot {
            Slot::Loaded(entry) => pending.put(record, location, Some(entry)),
            Slot::Pending(position) => pending.change(position, record),
        };
        self.dirty.insert(location);
        record
    }
}

/// Whether an ID can be the name of a directory, as that of its big data items.
fn is_valid_id(id: &str) -> bool {
    const LONGEST: usize = 255;
    (1..=LONGEST).contains(&id.len()) && !matches!(id, "." | "..") && !id.contains(['/', '\0'])
}

fn is_same<R: Record>(one: &R, other: &R) -> bool {
    let (mut one_json, mut other_json) = (Vec::new(), Vec::new());
    one.write(&mut one_json);
    other.write(&mut other_json);
    one_json == other_json
}

/// Whether a repair may stay in memory: nothing on this disk can be changed now, which must not
/// prevent reading.
pub(crate) fn may_stay_unsaved(error: &SaveError) -> bool {
    let io = match error {
        _ if error.is_out_of_space() => return true,
        SaveError::File(source) | SaveError::SetAside { source, .. } => source.kind(),
        SaveError::Token {
            source: TokenError::Write { source, .. },
            ..
        } => source.kind(),
        _ => return false,
    };
    matches!(
        io,
        std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied
    )
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
