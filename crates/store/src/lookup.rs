//! Finding records by what people type.

use std::sync::Arc;

use layerhold_json_store::{Damaged, Record, Snapshot as Records};
use layerhold_truncindex::Resolution;

use crate::error::LookupError;
use crate::item::ItemKind;
use crate::records::{Container, Image, Layer};

/// A record of one of the three kinds.
pub(crate) trait Item: Record {
    /// Which kind it is.
    const ITEM: ItemKind;

    /// Tells whether the record stands for something that is there. An incomplete layer does not.
    fn is_present(&self) -> bool {
        true
    }
}

impl Item for Layer {
    const ITEM: ItemKind = ItemKind::Layer;

    fn is_present(&self) -> bool {
        !self.is_incomplete()
    }
}

impl Item for Image {
    const ITEM: ItemKind = ItemKind::Image;
}

impl Item for Container {
    const ITEM: ItemKind = ItemKind::Container;
}

/// Finds what a text means; `None` when it means nothing.
pub(crate) fn find<R: Item>(
    records: &Records<R>,
    key: &str,
) -> Result<Option<Arc<R>>, LookupError> {
    match records.lookup(key) {
        Ok(Resolution::One(found)) => {
            Ok(Some(found.into_record()).filter(|record| record.is_present()))
        }
        Ok(Resolution::None) => Ok(None),
        Ok(Resolution::Ambiguous) => Err(LookupError::Ambiguous {
            kind: R::ITEM,
            key: key.to_owned(),
        }),
        Err(damage) => Err(damaged::<R>(key, damage)),
    }
}

/// Finds what a text means.
pub(crate) fn lookup<R: Item>(records: &Records<R>, key: &str) -> Result<Arc<R>, LookupError> {
    find(records, key)?.ok_or_else(|| LookupError::Unknown {
        kind: R::ITEM,
        key: key.to_owned(),
    })
}

/// Finds a record by its whole ID; `None` when there is none.
pub(crate) fn by_id<R: Item>(
    records: &Records<R>,
    id: &str,
) -> Result<Option<Arc<R>>, LookupError> {
    match records.get(id) {
        Ok(found) => Ok(found
            .map(|found| found.into_record())
            .filter(|record| record.is_present())),
        Err(damage) => Err(damaged::<R>(id, damage)),
    }
}

/// Finds a record by its whole ID.
pub(crate) fn require<R: Item>(records: &Records<R>, id: &str) -> Result<Arc<R>, LookupError> {
    by_id(records, id)?.ok_or_else(|| LookupError::Unknown {
        kind: R::ITEM,
        key: id.to_owned(),
    })
}

/// Finds the usable records with a value of a key.
pub(crate) fn by_key<R: Item>(records: &Records<R>, key: &str, value: &str) -> Vec<Arc<R>> {
    let ids = records.by_key(key, value).into_iter();
    ids.filter_map(|id| by_id(records, id).ok().flatten())
        .collect()
}

/// Goes through the usable records in the order of the store.
pub(crate) fn all<R: Item>(records: &Records<R>) -> impl Iterator<Item = Arc<R>> {
    records
        .iter()
        .filter_map(Result::ok)
        .map(|stored| stored.into_record())
        .filter(|record| record.is_present())
}

fn damaged<R: Item>(key: &str, damage: Damaged) -> LookupError {
    LookupError::Damaged {
        kind: R::ITEM,
        key: key.to_owned(),
        source: Box::new(damage),
    }
}
