//! Finds records by key: an ID, a name or a prefix of an ID.

use std::sync::Arc;

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_json_store::{Damaged, Record, Snapshot as RecordSnapshot};
use layerhold_truncindex::Resolution;

use crate::catalog::error::{AccessError, LookupError};
use crate::catalog::key::Key;
use crate::catalog::record_stores::{RecordStores, Records, read_error};
use crate::records::kinds::ItemKind;
use crate::records::{Container, Image, Layer};

/// A record of one of the three kinds.
pub(crate) trait ItemRecord: Record {
    /// The kind.
    const ITEM: ItemKind;

    /// The type of its ID.
    type Id: AsRef<str> + Clone;

    /// Tells whether the item may be shown. An incomplete layer may not.
    fn is_present(&self) -> bool {
        true
    }
}

impl ItemRecord for Layer {
    const ITEM: ItemKind = ItemKind::Layer;
    type Id = LayerId;

    fn is_present(&self) -> bool {
        !self.is_incomplete()
    }
}

impl ItemRecord for Image {
    const ITEM: ItemKind = ItemKind::Image;
    type Id = ImageId;
}

impl ItemRecord for Container {
    const ITEM: ItemKind = ItemKind::Container;
    type Id = ContainerId;
}

/// Finds the record that a key names; `None` when there is none.
///
/// Each record store is searched for IDs, names and prefixes before the next one, as in Go: a
/// prefix of an ID in this store wins over a name in an additional one.
pub(crate) fn find<R: ItemRecord>(
    records: &impl Records<R>,
    key: &Key<'_, R::Id>,
) -> Result<Option<Arc<R>>, LookupError> {
    let key = match key {
        Key::Id(id) => return by_id(records, id.as_ref()),
        Key::Text(text) => *text,
    };
    let mut is_ambiguous = false;
    for (position, (_, snapshot)) in records.stores().enumerate() {
        match snapshot.lookup(key) {
            Ok(Resolution::One(found)) => {
                let record = found.into_record();
                if record.is_present() && !is_hidden(records, position, record.id()) {
                    return Ok(Some(record));
                }
            }
            Ok(Resolution::None) => {}
            Ok(Resolution::Ambiguous) => is_ambiguous = true,
            Err(damage) => return Err(damaged::<R>(key, damage)),
        }
    }
    if is_ambiguous {
        return Err(LookupError::Ambiguous {
            kind: R::ITEM,
            key: key.to_owned(),
        });
    }
    Ok(None)
}

/// Tells whether a key is the ID, a name or the layer ID of a container, and not only a prefix.
pub(crate) fn is_exactly_container(container: &Container, key: &str) -> bool {
    is_exactly(container, key) || container.layer().as_str() == key
}

/// Tells whether a key is the ID or a name of a record, and not only a prefix.
pub(crate) fn is_exactly<R: Record>(record: &R, key: &str) -> bool {
    record.id() == key || record.names().iter().any(|name| name == key)
}

/// Finds the record that a key names.
pub(crate) fn lookup<R: ItemRecord>(
    records: &impl Records<R>,
    key: &Key<'_, R::Id>,
) -> Result<Arc<R>, LookupError> {
    find(records, key)?.ok_or_else(|| LookupError::Unknown {
        kind: R::ITEM,
        key: key.to_text(),
    })
}

/// Tells whether a key names a record. A damaged record counts, an ambiguous prefix does not, as in
/// Go.
pub(crate) fn is_known<R: ItemRecord>(records: &impl Records<R>, key: &Key<'_, R::Id>) -> bool {
    !matches!(
        find(records, key),
        Ok(None) | Err(LookupError::Ambiguous { .. })
    )
}

/// Tells whether a key names a record now. If the first store settles it, nothing that was read is
/// kept.
pub(crate) fn is_recorded<R: ItemRecord>(
    stores: &RecordStores<R>,
    key: &Key<'_, R::Id>,
) -> Result<bool, AccessError> {
    // Later stores never hide a record of the first one.
    if let Some((store, is_only)) = stores.first() {
        match store.store.lookup(key.as_str()) {
            Ok(Resolution::One(found)) if found.is_present() => return Ok(true),
            Ok(_) if is_only => return Ok(false),
            Ok(_) => {}
            Err(layerhold_json_store::LookupError::Read(source)) => {
                return Err(read_error::<R>(source));
            }
            Err(_) => return Ok(true),
        }
    }
    Ok(is_known(&stores.read_all()?, key))
}

/// Finds the record that a key names, for changing it; `None` when there is none.
pub(crate) fn find_to_change<R: ItemRecord>(
    records: &impl Records<R>,
    key: &Key<'_, R::Id>,
) -> Result<Option<Arc<R>>, LookupError> {
    let found = find(records, key)?;
    if let Some(record) = &found {
        refuse_additional(records, record.id())?;
    }
    Ok(found)
}

/// Finds the record that a key names, for changing it.
pub(crate) fn lookup_to_change<R: ItemRecord>(
    records: &impl Records<R>,
    key: &Key<'_, R::Id>,
) -> Result<Arc<R>, LookupError> {
    let record = lookup(records, key)?;
    refuse_additional(records, record.id())?;
    Ok(record)
}

/// Refuses a record that is in an additional store.
pub(crate) fn refuse_additional<R: ItemRecord>(
    records: &impl Records<R>,
    id: &str,
) -> Result<(), LookupError> {
    match records.additional_root(id) {
        Some(store) => Err(LookupError::ReadOnly {
            kind: R::ITEM,
            id: id.to_owned(),
            store: store.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Finds a record by its whole ID; `None` when there is none.
pub(crate) fn by_id<R: ItemRecord>(
    records: &impl Records<R>,
    id: &str,
) -> Result<Option<Arc<R>>, LookupError> {
    let mut snapshots = records.stores().map(|(_, snapshot)| snapshot);
    snapshots
        .find(|snapshot| snapshot.contains(id))
        .map_or(Ok(None), |snapshot| get(snapshot, id))
}

/// Finds a record of this store by its whole ID; `None` when there is none.
pub(crate) fn own_by_id<R: ItemRecord>(
    records: &impl Records<R>,
    id: &str,
) -> Result<Option<Arc<R>>, LookupError> {
    let mut own = records.own().map(|(_, snapshot)| snapshot);
    own.find(|snapshot| snapshot.contains(id))
        .map_or(Ok(None), |snapshot| get(snapshot, id))
}

/// Finds a record by its whole ID.
pub(crate) fn require<R: ItemRecord>(
    records: &impl Records<R>,
    id: &str,
) -> Result<Arc<R>, LookupError> {
    by_id(records, id)?.ok_or_else(|| LookupError::Unknown {
        kind: R::ITEM,
        key: id.to_owned(),
    })
}

/// Finds the usable records whose index `key` has a value.
pub(crate) fn by_key<R: ItemRecord>(
    records: &impl Records<R>,
    key: &str,
    value: &str,
) -> Vec<Arc<R>> {
    let mut found = Vec::new();
    for (position, (_, snapshot)) in records.stores().enumerate() {
        let ids = snapshot.by_key(key, value).into_iter();
        let shown = ids.filter(|id| !is_hidden(records, position, id));
        found.extend(shown.filter_map(|id| get(snapshot, id).ok().flatten()));
    }
    found
}

/// Goes through the usable records in the order of the stores.
pub(crate) fn all<R: ItemRecord>(records: &impl Records<R>) -> impl Iterator<Item = Arc<R>> {
    let snapshots = records.stores().enumerate();
    snapshots.flat_map(move |(position, (_, snapshot))| {
        let usable = snapshot
            .iter()
            .filter_map(Result::ok)
            .map(|stored| stored.into_record());
        usable
            .filter(move |record| record.is_present() && !is_hidden(records, position, record.id()))
    })
}

/// Tells whether an earlier store hides a record, by having one with the same ID.
fn is_hidden<R: ItemRecord>(records: &impl Records<R>, position: usize, id: &str) -> bool {
    let mut before = records.stores().take(position);
    before.any(|(_, snapshot)| snapshot.contains(id))
}

fn get<R: ItemRecord>(
    snapshot: &RecordSnapshot<R>,
    id: &str,
) -> Result<Option<Arc<R>>, LookupError> {
    match snapshot.get(id) {
        Ok(found) => Ok(found
            .map(|found| found.into_record())
            .filter(|record| record.is_present())),
        Err(damage) => Err(damaged::<R>(id, damage)),
    }
}

fn damaged<R: ItemRecord>(key: &str, damage: Damaged) -> LookupError {
    LookupError::Damaged {
        kind: R::ITEM,
        key: key.to_owned(),
        source: Box::new(damage),
    }
}
