//! Changing names, metadata and flags of records.
//!
//! What a key means is looked for among the layers, then the images, then the containers, each
//! under its own write lock and no other, as Go does. What is in an additional store cannot be
//! changed, but an image there can be given names: it is first taken over into this store.

use layerhold_json_store::NameChange;
use layerhold_schema::{Flags, Value};

use crate::catalog::locked::Locked;
use crate::catalog::locks::InContext;
use crate::catalog::lookup::{Item, find, refuse_additional};
use crate::catalog::record_stores::{Records, View};
use crate::engine::Engine;
use crate::error::Error;
use crate::errors::{AccessError, LookupError, UpdateError};
use crate::records::error_kind::ErrorKind;
use crate::records::kinds::ItemKind;
use crate::spec::ImageSpec;
use crate::store::Store;

/// A record that can be changed in the ways all kinds can.
pub(crate) trait Mutable: Item {
    fn metadata_mut(&mut self) -> &mut String;
    fn flags_mut(&mut self) -> &mut Flags;
}

/// A change that all kinds of records can have.
enum Change<'a> {
    Names(NameChange, &'a [String]),
    Metadata(&'a str),
    SetFlag(&'a str, Value),
    ClearFlag(&'a str),
}

impl Store {
    /// Lists the names of a layer, image or container.
    ///
    /// Go: `Store.Names`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn names(&self, key: &str) -> Result<Vec<String>, UpdateError> {
        Ok(self.snapshot()?.find(key)?.names().to_vec())
    }

    /// Replaces the names of a layer, image or container. Names that others of the same kind have
    /// move.
    ///
    /// Go: `Store.SetNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn set_names(&self, key: &str, names: &[String]) -> Result<(), UpdateError> {
        self.change_names(key, NameChange::Set, names)
    }

    /// Puts names in front of those a layer, image or container has. Names that others of the same
    /// kind have move.
    ///
    /// Go: `Store.AddNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn add_names(&self, key: &str, names: &[String]) -> Result<(), UpdateError> {
        self.change_names(key, NameChange::Add, names)
    }

    /// Takes names away from a layer, image or container. Names that it does not have are passed
    /// over.
    ///
    /// Go: `Store.RemoveNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn remove_names(&self, key: &str, names: &[String]) -> Result<(), UpdateError> {
        self.change_names(key, NameChange::Remove, names)
    }

    fn change_names(
        &self,
        key: &str,
        how: NameChange,
        names: &[String],
    ) -> Result<(), UpdateError> {
        let change = Change::Names(how, names);
        match self.inner.change(key, &change) {
            Err(UpdateError::Lookup(LookupError::ReadOnly {
                kind: ItemKind::Image,
                id,
                ..
            })) => {
                self.pull_up(&id)?;
                self.inner.change(&id, &change)
            }
            other => other,
        }
    }

    /// Takes an image over from an additional store.
    fn pull_up(&self, id: &str) -> Result<(), UpdateError> {
        let failed = |source: Error| UpdateError::PullUp {
            image: id.to_owned(),
            source: Box::new(source),
        };
        let image = self.snapshot()?.image(id)?.id().clone();
        let mut transaction = self.begin().map_err(|error| failed(error.into()))?;
        let created = transaction.create_image(ImageSpec::new().id(image));
        let committed = created
            .map_err(Error::from)
            .and_then(|_| Ok(transaction.commit()?));
        match committed {
            // Somebody else was faster.
            Err(error) if error.kind() == Some(ErrorKind::DuplicateId) => Ok(()),
            other => other.map(drop).map_err(failed),
        }
    }

    /// Returns the caller's free text on a layer, image or container.
    ///
    /// Go: `Store.Metadata`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn metadata(&self, key: &str) -> Result<String, UpdateError> {
        Ok(self.snapshot()?.find(key)?.metadata().to_owned())
    }

    /// Replaces the caller's free text on a layer, image or container.
    ///
    /// Go: `Store.SetMetadata`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn set_metadata(&self, key: &str, metadata: &str) -> Result<(), UpdateError> {
        self.inner.change(key, &Change::Metadata(metadata))
    }

    /// Sets a flag of a layer, image or container.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing, [`UpdateError::ReservedFlag`] for the
    /// flag of layers that are not complete.
    pub fn set_flag(
        &self,
        key: &str,
        flag: &str,
        value: impl Into<Value>,
    ) -> Result<(), UpdateError> {
        refuse_reserved(flag)?;
        self.inner.change(key, &Change::SetFlag(flag, value.into()))
    }

    /// Removes a flag of a layer, image or container, if it is there.
    ///
    /// # Errors
    ///
    /// As [`set_flag`](Self::set_flag).
    pub fn clear_flag(&self, key: &str, flag: &str) -> Result<(), UpdateError> {
        refuse_reserved(flag)?;
        self.inner.change(key, &Change::ClearFlag(flag))
    }
}

/// The flag by which layers say that they are incomplete: one that has it is removed.
const RESERVED: &str = "incomplete";

fn refuse_reserved(flag: &str) -> Result<(), UpdateError> {
    if flag == RESERVED {
        return Err(UpdateError::ReservedFlag {
            flag: flag.to_owned(),
        });
    }
    Ok(())
}

/// The flag of a new item that is the library's own, if the caller set it.
pub(crate) fn reserved_flag(flags: &Flags) -> Option<String> {
    flags.get(RESERVED).map(|_| RESERVED.to_owned())
}

impl Engine {
    fn change(&self, key: &str, change: &Change<'_>) -> Result<(), UpdateError> {
        // A look without waiting for writers tells which store it is; the answer is checked again
        // under its lock.
        let mut refused = None;
        let done = change_if_found(
            &self.layers_view()?,
            || self.lock_layers(),
            key,
            change,
            &mut refused,
        )? || change_if_found(
            &self.images_view()?,
            || self.lock_images(),
            key,
            change,
            &mut refused,
        )? || change_if_found(
            &self.containers_view()?,
            || self.lock_containers(),
            key,
            change,
            &mut refused,
        )?;
        if done {
            return Ok(());
        }
        Err(refused
            .unwrap_or_else(|| LookupError::Nothing {
                key: key.to_owned(),
            })
            .into())
    }
}

/// Makes a change if the key means something of this kind. What it means in an additional store is
/// noted: the key may still mean something of the next kind that can be changed.
fn change_if_found<R: Mutable>(
    view: &View<R>,
    lock: impl FnOnce() -> Result<Locked<R>, AccessError>,
    key: &str,
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
    apply(&mut guard, &id, change).of::<R>()?;
    guard.save().of::<R>()?;
    Ok(true)
}

/// The ID of the record that a key means, if it can be changed.
fn find_own<R: Mutable>(
    records: &impl Records<R>,
    key: &str,
    refused: &mut Option<LookupError>,
) -> Result<Option<String>, LookupError> {
    let record = match find(records, key) {
        // What is ambiguous here may still mean something of the next kind.
        Err(LookupError::Ambiguous { .. }) => return Ok(None),
        other => other?,
    };
    let Some(record) = record else {
        return Ok(None);
    };
    match refuse_additional(records, record.id()) {
        Ok(()) => Ok(Some(record.id().to_owned())),
        Err(error) => {
            // An image can still be taken over, and so is worth more than a layer.
            if refused.is_none() || R::ITEM == ItemKind::Image {
                *refused = Some(error);
            }
            Ok(None)
        }
    }
}

fn apply<R: Mutable>(
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
