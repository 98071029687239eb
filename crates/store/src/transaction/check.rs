//! What stands against a change, asked of a snapshot before and of the locked records when it counts.

use layerhold_json_store::{Record, Snapshot as Records};

use crate::error::Conflict;
use crate::item::{ItemId, ItemKind};
use crate::lookup::Item;

/// Refuses a name that belongs to a record.
pub(super) fn name_is_free<R: Item>(records: &Records<R>, name: &str) -> Result<(), Conflict> {
    match records.by_name(name).and_then(item_id::<R>) {
        Some(holder) => Err(Conflict::Name {
            name: name.to_owned(),
            holder,
        }),
        None => Ok(()),
    }
}

/// Refuses an ID that belongs to a record.
pub(super) fn id_is_free<R: Item>(records: &Records<R>, id: &str) -> Result<(), Conflict> {
    match records.contains(id).then(|| item_id::<R>(id)).flatten() {
        Some(id) => Err(Conflict::Id { id }),
        None => Ok(()),
    }
}

/// The typed ID of a record. Records whose ID is none are never served.
pub(crate) fn item_id<R: Record + Item>(id: &str) -> Option<ItemId> {
    Some(match R::ITEM {
        ItemKind::Layer => ItemId::Layer(id.parse().ok()?),
        ItemKind::Image => ItemId::Image(id.parse().ok()?),
        ItemKind::Container => ItemId::Container(id.parse().ok()?),
    })
}
