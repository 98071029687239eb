//! Finds what is to be deleted: the record that a key names, and the layers that go with an image.

use std::collections::BTreeSet;
use std::sync::Arc;

use layerhold_ids::LayerId;

use crate::catalog::error::LookupError;
use crate::catalog::key::Key;
use crate::catalog::locks::Locks;
use crate::catalog::lookup::{ItemRecord, by_id, find_to_change};
use crate::catalog::record_stores::Records;
use crate::catalog::transient::OtherRecords;
use crate::delete::error::DeleteError;
use crate::records::{BY_LAYER, BY_PARENT, BY_TOP_LAYER, Image};

/// A record to be deleted.
#[derive(Debug)]
pub(crate) enum DeleteTarget<R> {
    /// A record that can be read.
    Usable(Arc<R>),
    /// A record of which only the ID can be read. The ID may be invalid, even as a file name.
    Damaged(String),
}

impl<R: ItemRecord> DeleteTarget<R> {
    /// The ID as the record states it.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Usable(record) => record.id(),
            Self::Damaged(id) => id,
        }
    }
}

/// Finds the record that a key names, even when it is damaged.
pub(crate) fn find_target<R: ItemRecord>(
    records: &impl Records<R>,
    key: &Key<'_, R::Id>,
) -> Result<Option<DeleteTarget<R>>, LookupError> {
    match find_to_change(records, key) {
        Ok(Some(found)) => Ok(Some(DeleteTarget::Usable(found))),
        // There may be a part of a record that states this ID.
        Ok(None) => {
            let mut own = records.own();
            let known = own.any(|(_, part)| !part.damaged_with_id(key.as_str()).is_empty());
            Ok(known.then(|| DeleteTarget::Damaged(key.to_text())))
        }
        Err(error @ LookupError::Damaged { .. }) => {
            let mut own = records.own();
            let damaged = own.find_map(|(_, part)| {
                let id = part.resolve(key.as_str()).one()?;
                part.get(id).is_err().then(|| id.to_owned())
            });
            damaged
                .map(|id| Some(DeleteTarget::Damaged(id)))
                .ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// As [`find_target`], for one of several kinds: a key that is ambiguous in one kind may still name
/// a record of the next.
pub(crate) fn find_target_unless_ambiguous<R: ItemRecord>(
    records: &impl Records<R>,
    key: &Key<'_, R::Id>,
) -> Result<Option<DeleteTarget<R>>, LookupError> {
    match find_target(records, key) {
        Err(LookupError::Ambiguous { .. }) => Ok(None),
        other => other,
    }
}

/// As [`find_target`], for a key that must name a record.
pub(crate) fn require_target<R: ItemRecord>(
    records: &impl Records<R>,
    key: &Key<'_, R::Id>,
) -> Result<DeleteTarget<R>, DeleteError> {
    find_target(records, key)?.ok_or_else(|| DeleteError::NotA {
        kind: R::ITEM,
        key: key.to_text(),
    })
}

/// Lists the layers that only an image needs, children before parents: first its mapped layers
/// (copies of its top layer for other ID maps), then down its chain as long as nothing else uses
/// them (Go: store.go, `DeleteImage`) and they are in this store.
pub(crate) fn removable(
    image: &Image,
    locks: &Locks,
    other_records: &OtherRecords,
) -> Vec<LayerId> {
    let mapped: BTreeSet<&LayerId> = image.mapped_layers().iter().collect();
    let mut removable: Vec<LayerId> = Vec::new();
    let is_removed =
        |id: &str, removable: &[LayerId]| removable.iter().any(|removed| removed == id);
    let is_used = |id: &LayerId, removable: &[LayerId]| {
        let images = locks.images.ids_by_key(BY_TOP_LAYER, id.as_str());
        let children = locks.layers.ids_by_key(BY_PARENT, id.as_str());
        images.into_iter().any(|other| other != image.id().as_str())
            || !locks
                .containers
                .ids_by_key(BY_LAYER, id.as_str())
                .is_empty()
            || locks.layers.additional_root(id.as_str()).is_some()
            || other_records.child_of_layer(id.as_str()).is_some()
            || children
                .into_iter()
                .any(|child| !is_removed(child, removable))
    };
    for id in &mapped {
        // Go removes these even when they are in use.
        let is_there = !matches!(by_id(&locks.layers, id.as_str()), Ok(None));
        if is_there && !is_used(id, &removable) {
            removable.push((*id).clone());
        }
    }
    let mut next = image.top_layer().cloned();
    while let Some(id) = next {
        if is_used(&id, &removable) || is_removed(id.as_str(), &removable) {
            break;
        }
        next = match by_id(&locks.layers, id.as_str()) {
            // No layer has this ID, so the chain ends here.
            Ok(None) => break,
            Ok(Some(layer)) => layer.parent().cloned(),
            Err(_) => None,
        };
        removable.push(id);
    }
    removable
}
