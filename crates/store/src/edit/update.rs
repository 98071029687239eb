//! Changes names, metadata and flags of records.
//!
//! A key is looked up among the layers, then the images, then the containers, each under its own
//! write lock and no other, as in Go. Items of additional stores cannot be changed. But an image
//! there can be given names: it is first copied into this store.

use std::sync::Arc;

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_json_store::NameChange;
use layerhold_schema::{Flags, Value};

use crate::catalog::error::{AccessError, LookupError};
use crate::catalog::key::Key;
use crate::catalog::locked::Locked;
use crate::catalog::locks::WithKind;
use crate::catalog::lookup::{ItemRecord, find, lookup, refuse_additional};
use crate::catalog::record_stores::{MergedRecords, Records};
use crate::engine::Engine;
use crate::records::error_kind::{ErrorKind, error_kind};
use crate::records::kinds::{ItemId, ItemKind};
use crate::records::reserved_flag::RESERVED;
use crate::spec::ImageSpec;
use crate::transaction::begin;
use crate::transaction::error::TransactionError;

/// A record whose metadata and flags can be changed.
pub(crate) trait EditableRecord: ItemRecord {
    fn metadata_mut(&mut self) -> &mut String;
    fn flags_mut(&mut self) -> &mut Flags;
}

/// A change that applies to all kinds of records.
enum Change<'a> {
    Names(NameChange, &'a [String]),
    Metadata(&'a str),
    SetFlag(&'a str, Value),
    ClearFlag(&'a str),
}

pub(crate) fn resolve(engine: &Engine, key: &Key<'_, ItemId>) -> Result<ItemId, UpdateError> {
    Ok(engine.snapshot()?.find(key.clone())?.id())
}

pub(crate) fn resolve_layer(
    engine: &Engine,
    key: &Key<'_, LayerId>,
) -> Result<LayerId, UpdateError> {
    Ok(lookup(&engine.catalog.read_layers()?, key)?.id().clone())
}

pub(crate) fn resolve_image(
    engine: &Engine,
    key: &Key<'_, ImageId>,
) -> Result<ImageId, UpdateError> {
    Ok(lookup(&engine.catalog.read_images()?, key)?.id().clone())
}

pub(crate) fn resolve_container(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
) -> Result<ContainerId, UpdateError> {
    Ok(lookup(&engine.catalog.read_containers()?, key)?
        .id()
        .clone())
}

pub(crate) fn names(engine: &Engine, key: &Key<'_, ItemId>) -> Result<Vec<String>, UpdateError> {
    Ok(engine.snapshot()?.find(key.clone())?.names().to_vec())
}

pub(crate) fn set_names(
    engine: &Arc<Engine>,
    key: &Key<'_, ItemId>,
    names: &[String],
) -> Result<(), UpdateError> {
    change_names(engine, key, NameChange::Set, names)
}

pub(crate) fn add_names(
    engine: &Arc<Engine>,
    key: &Key<'_, ItemId>,
    names: &[String],
) -> Result<(), UpdateError> {
    change_names(engine, key, NameChange::Add, names)
}

pub(crate) fn remove_names(
    engine: &Arc<Engine>,
    key: &Key<'_, ItemId>,
    names: &[String],
) -> Result<(), UpdateError> {
    change_names(engine, key, NameChange::Remove, names)
}

fn change_names(
    engine: &Arc<Engine>,
    key: &Key<'_, ItemId>,
    how: NameChange,
    names: &[String],
) -> Result<(), UpdateError> {
    let change = Change::Names(how, names);
    match apply_change(engine, key, &change) {
        Err(UpdateError::Lookup(LookupError::ReadOnly {
            kind: ItemKind::Image,
            id,
            ..
        })) => {
            let image = engine.snapshot()?.image(&id)?.id().clone();
            copy_from_additional(engine, &image)?;
            apply_change(engine, &Key::Id(ItemId::Image(image)), &change)
        }
        other => other,
    }
}

/// Copies an image from an additional store.
fn copy_from_additional(engine: &Arc<Engine>, image: &ImageId) -> Result<(), UpdateError> {
    let failed = |source: TransactionError| UpdateError::CopyFromAdditional {
        image: image.to_string(),
        source: Box::new(source),
    };
    let mut transaction = begin(engine).map_err(|error| failed(error.into()))?;
    let created = transaction.create_image(ImageSpec::new().without_manifest().id(image.clone()));
    let committed = created
        .map_err(TransactionError::from)
        .and_then(|_| Ok(transaction.commit()?));
    match committed {
        // Another process copied it first.
        Err(error) if error.kind() == Some(ErrorKind::DuplicateId) => Ok(()),
        other => other.map(drop).map_err(failed),
    }
}

pub(crate) fn metadata(engine: &Engine, key: &Key<'_, ItemId>) -> Result<String, UpdateError> {
    Ok(engine.snapshot()?.find(key.clone())?.metadata().to_owned())
}

pub(crate) fn set_metadata(
    engine: &Engine,
    key: &Key<'_, ItemId>,
    metadata: &str,
) -> Result<(), UpdateError> {
    apply_change(engine, key, &Change::Metadata(metadata))
}

pub(crate) fn set_flag(
    engine: &Engine,
    key: &Key<'_, ItemId>,
    flag: &str,
    value: impl Into<Value>,
) -> Result<(), UpdateError> {
    refuse_reserved(flag)?;
    apply_change(engine, key, &Change::SetFlag(flag, value.into()))
}

pub(crate) fn clear_flag(
    engine: &Engine,
    key: &Key<'_, ItemId>,
    flag: &str,
) -> Result<(), UpdateError> {
    refuse_reserved(flag)?;
    apply_change(engine, key, &Change::ClearFlag(flag))
}

fn refuse_reserved(flag: &str) -> Result<(), UpdateError> {
    if flag == RESERVED {
        return Err(UpdateError::ReservedFlag {
            flag: flag.to_owned(),
        });
    }
    Ok(())
}

fn apply_change(
    engine: &Engine,
    key: &Key<'_, ItemId>,
    change: &Change<'_>,
) -> Result<(), UpdateError> {
    // A read without waiting for writers finds the kind of item; the answer is checked again under
    // its lock.
    let mut refused = None;
    let catalog = &engine.catalog;
    let mut done = false;
    if let Some(key) = key.layer() {
        let lock = || engine.lock_layers();
        done = change_if_found(&catalog.read_layers()?, lock, &key, change, &mut refused)?;
    }
    if let Some(key) = key.image().filter(|_| !done) {
        let lock = || catalog.lock_images();
        done = change_if_found(&catalog.read_images()?, lock, &key, change, &mut refused)?;
    }
    if let Some(key) = key.container().filter(|_| !done) {
        let lock = || catalog.lock_containers();
        done = change_if_found(
            &catalog.read_containers()?,
            lock,
            &key,
            change,
            &mut refused,
        )?;
    }
    if done {
        return Ok(());
    }
    Err(refused
        .unwrap_or_else(|| LookupError::Nothing { key: key.to_text() })
        .into())
}

/// Makes a change if the key names an item of this kind. An item of an additional store is only
/// noted: the key may still name an item of the next kind that can be changed.
fn change_if_found<R: EditableRecord>(
    view: &MergedRecords<R>,
    lock: impl FnOnce() -> Result<Locked<R>, AccessError>,
    key: &Key<'_, R::Id>,
    change: &Change<'_>,
    refused: &mut Option<LookupError>,
) -> Result<bool, UpdateError> {
    if find_own(view, key, refused)?.is_none() {
        return Ok(false);
    }
    let mut guard = lock()?;
    let Some(id) = find_own(&guard, key, refused)? else {
        return Ok(false);
    };
    apply(&mut guard, &id, change).for_kind::<R>()?;
    guard.save().for_kind::<R>()?;
    Ok(true)
}

/// Returns the ID of the record that a key names, if it can be changed.
fn find_own<R: EditableRecord>(
    records: &impl Records<R>,
    key: &Key<'_, R::Id>,
    refused: &mut Option<LookupError>,
) -> Result<Option<String>, LookupError> {
    let record = match find(records, key) {
        // A prefix that is ambiguous here may still name an item of the next kind.
        Err(LookupError::Ambiguous { .. }) => return Ok(None),
        other => other?,
    };
    let Some(record) = record else {
        return Ok(None);
    };
    match refuse_additional(records, record.id()) {
        Ok(()) => Ok(Some(record.id().to_owned())),
        Err(error) => {
            // An image takes precedence over a layer, because it can be copied.
            if refused.is_none() || R::ITEM == ItemKind::Image {
                *refused = Some(error);
            }
            Ok(None)
        }
    }
}

fn apply<R: EditableRecord>(
    guard: &mut Locked<R>,
    id: &str,
    change: &Change<'_>,
) -> Result<(), layerhold_json_store::ChangeError> {
    match change {
        Change::Names(how, names) => guard.change_names(id, *how, names).map(drop),
        Change::Metadata(text) => guard
            .update(id, |record| (*text).clone_into(record.metadata_mut()))
            .map(drop),
        Change::SetFlag(flag, value) => guard
            .update(id, |record| {
                drop(record.flags_mut().set(*flag, value.clone()))
            })
            .map(drop),
        Change::ClearFlag(flag) => guard
            .update(id, |record| drop(record.flags_mut().remove(flag)))
            .map(drop),
    }
}

/// A record cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// An image cannot be copied from an additional store.
    #[error("cannot copy image {image} from an additional store")]
    CopyFromAdditional {
        /// Its ID.
        image: String,
        /// Why not.
        #[source]
        source: Box<TransactionError>,
    },
    /// The flag is reserved for the library.
    #[error("cannot set the flag {flag:?}: it is reserved")]
    ReservedFlag {
        /// The flag.
        flag: String,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

error_kind!(UpdateError, |error| match error {
    Self::Lookup(error) => error.kind(),
    Self::Access(error) => error.kind(),
    Self::CopyFromAdditional { source, .. } => source.kind(),
    Self::ReservedFlag { .. } => None,
});
