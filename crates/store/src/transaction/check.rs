//! Checks for conflicts: against a snapshot while staging, and against the locked records in a
//! commit.

use layerhold_ids::ImageId;
use layerhold_json_store::Record;
use layerhold_schema::Flags;

use super::{NewContainer, NewLayer, Transaction};
use crate::catalog::error::Conflict;
use crate::catalog::locks::Locks;
use crate::catalog::lookup;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::Records;
use crate::records::BY_LAYER;
use crate::records::kinds::{ItemId, ItemKind};
use crate::records::reserved_flag::reserved_flag;
use crate::spec::error::StageError;
use crate::spec::{ImageIfPresent, NameConflict};

/// Refuses reserved flags.
pub(super) fn refuse_reserved(flags: &Flags) -> Result<(), StageError> {
    match reserved_flag(flags) {
        Some(flag) => Err(StageError::ReservedFlag { flag }),
        None => Ok(()),
    }
}

/// Refuses a name that a record of this store has. If an additional store has it, this store comes
/// first.
pub(super) fn name_is_free<R: ItemRecord>(
    records: &impl Records<R>,
    name: &str,
) -> Result<(), Conflict> {
    match records.holder_of(name).and_then(item_id::<R>) {
        Some(holder) => Err(Conflict::Name {
            name: name.to_owned(),
            holder,
        }),
        None => Ok(()),
    }
}

/// Refuses an ID that a record has, in an additional store too: its children there would change.
pub(super) fn id_is_free<R: ItemRecord>(
    records: &impl Records<R>,
    id: &str,
) -> Result<(), Conflict> {
    match records.contains(id).then(|| item_id::<R>(id)).flatten() {
        Some(id) => Err(Conflict::Id { id }),
        None => Ok(()),
    }
}

/// Returns the typed ID of a record. Records with an invalid ID are set aside, so this never fails
/// for others.
pub(crate) fn item_id<R: Record + ItemRecord>(id: &str) -> Option<ItemId> {
    Some(match R::ITEM {
        ItemKind::Layer => ItemId::Layer(id.parse().ok()?),
        ItemKind::Image => ItemId::Image(id.parse().ok()?),
        ItemKind::Container => ItemId::Container(id.parse().ok()?),
    })
}

/// Refuses a commit that conflicts with the locked records.
pub(super) fn all(transaction: &Transaction, locks: &Locks) -> Result<(), Conflict> {
    check_layers(transaction, locks)?;
    check_images(transaction, locks)?;
    check_containers(transaction, locks)
}

fn check_layers(transaction: &Transaction, locks: &Locks) -> Result<(), Conflict> {
    for new in &transaction.layers {
        id_is_free(&locks.layers, new.record.id().as_str())?;
        for name in new.record.names() {
            name_is_free(&locks.layers, name)?;
        }
        let Some(parent) = new
            .record
            .parent()
            .filter(|parent| transaction.new_layer(parent).is_none())
        else {
            continue;
        };
        let known = lookup::by_id(&locks.layers, parent.as_str()).ok().flatten();
        let known = known.ok_or_else(|| Conflict::ParentGone {
            parent: parent.clone(),
        })?;
        if new
            .parent_maps
            .as_ref()
            .is_some_and(|maps| *maps != known.id_maps())
        {
            return Err(Conflict::ParentMapsChanged {
                parent: parent.clone(),
            });
        }
        let users = lookup::by_key(&locks.containers, BY_LAYER, parent.as_str());
        if let Some(container) = users.first().filter(|_| !is_of_container(transaction, new)) {
            return Err(Conflict::ParentIsContainer {
                parent: parent.clone(),
                container: container.id().clone(),
            });
        }
    }
    Ok(())
}

/// Tells whether the layer belongs to a container of the same commit.
fn is_of_container(transaction: &Transaction, new: &NewLayer) -> bool {
    transaction
        .containers
        .iter()
        .any(|container| container.record.layer() == new.record.id())
}

fn check_images(transaction: &Transaction, locks: &Locks) -> Result<(), Conflict> {
    for new in &transaction.images {
        let id = new.record.id();
        let known = lookup::own_by_id(&locks.images, id.as_str()).ok().flatten();
        match (&known, new.if_present) {
            (Some(_), ImageIfPresent::Refuse) => {
                return Err(Conflict::Id {
                    id: ItemId::Image(id.clone()),
                });
            }
            (Some(known), ImageIfPresent::Update)
                if known.top_layer() != new.record.top_layer() =>
            {
                return Err(Conflict::OtherTopLayer { image: id.clone() });
            }
            _ => {}
        }
        if new.name_conflict == NameConflict::Refuse {
            for name in new
                .record
                .names()
                .iter()
                .filter(|name| locks.images.holder_of(name) != Some(id.as_str()))
            {
                name_is_free(&locks.images, name)?;
            }
        }
        for layer in new
            .record
            .top_layer()
            .into_iter()
            .chain(new.record.mapped_layers())
        {
            if transaction.new_layer(layer).is_none() && !locks.layers.contains(layer.as_str()) {
                return Err(Conflict::LayerGone {
                    layer: layer.clone(),
                });
            }
        }
    }
    for mapped in &transaction.mapped {
        image_is_there(transaction, locks, &mapped.image)?;
    }
    Ok(())
}

fn check_containers(transaction: &Transaction, locks: &Locks) -> Result<(), Conflict> {
    for NewContainer { record, .. } in &transaction.containers {
        id_is_free(&locks.containers, record.id().as_str())?;
        for name in record.names() {
            name_is_free(&locks.containers, name)?;
        }
        if let Some(image) = record.image() {
            image_is_there(transaction, locks, image)?;
        }
        if let Some(other) =
            lookup::by_key(&locks.containers, BY_LAYER, record.layer().as_str()).pop()
        {
            return Err(Conflict::LayerTaken {
                layer: record.layer().clone(),
                container: other.id().clone(),
            });
        }
    }
    Ok(())
}

fn image_is_there(
    transaction: &Transaction,
    locks: &Locks,
    image: &ImageId,
) -> Result<(), Conflict> {
    if transaction.new_image(image).is_some() || locks.images.contains(image.as_str()) {
        return Ok(());
    }
    Err(Conflict::ImageGone {
        image: image.clone(),
    })
}
