//! Changing names, metadata and flags of records.
//!
//! What a key means is looked for among the layers, then the images, then the containers, each under its own write lock
//! and no other, as Go does.

use layerhold_json_store::{NameChange, Snapshot as Records, WriteGuard};
use layerhold_schema::{Flags, Value};

use crate::error::{AccessError, LookupError, UpdateError};
use crate::inner::Inner;
use crate::locks::InContext;
use crate::lookup::{Item, find};
use crate::records::{Container, Image, Layer};
use crate::store::Store;

/// A record that can be changed in the ways all kinds can.
pub(crate) trait Mutable: Item {
    fn key(&self) -> &str;
    fn metadata_mut(&mut self) -> &mut String;
    fn flags_mut(&mut self) -> &mut Flags;
}

macro_rules! mutable {
    ($($record:ty),*) => {$(
        impl Mutable for $record {
            fn key(&self) -> &str {
                self.id().as_str()
            }

            fn metadata_mut(&mut self) -> &mut String {
                &mut self.record_mut().metadata
            }

            fn flags_mut(&mut self) -> &mut Flags {
                &mut self.record_mut().flags
            }
        }
    )*};
}

mutable!(Layer, Image, Container);

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
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn names(&self, key: &str) -> Result<Vec<String>, UpdateError> {
        Ok(self.snapshot()?.find(key)?.names().to_vec())
    }

    /// Replaces the names of a layer, image or container. Names that others of the same kind have move.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn set_names(&self, key: &str, names: &[String]) -> Result<(), UpdateError> {
        self.inner
            .change(key, &Change::Names(NameChange::Set, names))
    }

    /// Puts names in front of those a layer, image or container has. Names that others of the same kind have move.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn add_names(&self, key: &str, names: &[String]) -> Result<(), UpdateError> {
        self.inner
            .change(key, &Change::Names(NameChange::Add, names))
    }

    /// Takes names away from a layer, image or container. Names that it does not have are passed over.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn remove_names(&self, key: &str, names: &[String]) -> Result<(), UpdateError> {
        self.inner
            .change(key, &Change::Names(NameChange::Remove, names))
    }

    /// Returns the caller's free text on a layer, image or container.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn metadata(&self, key: &str) -> Result<String, UpdateError> {
        Ok(self.snapshot()?.find(key)?.metadata().to_owned())
    }

    /// Replaces the caller's free text on a layer, image or container.
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
    /// [`UpdateError::Lookup`] when the key means nothing, [`UpdateError::ReservedFlag`] for the flag of layers that are
    /// not complete.
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

/// The flag by which layers say that they are incomplete is not the callers'.
fn refuse_reserved(flag: &str) -> Result<(), UpdateError> {
    if flag == "incomplete" {
        return Err(UpdateError::ReservedFlag {
            flag: flag.to_owned(),
        });
    }
    Ok(())
}

impl Inner {
    fn change(&self, key: &str, change: &Change<'_>) -> Result<(), UpdateError> {
        // A look without waiting for writers tells which store it is; the answer is checked again under its lock.
        let done = change_if_found(&*self.layers_view()?, || self.lock_layers(), key, change)?
            || change_if_found(&*self.images_view()?, || self.lock_images(), key, change)?
            || change_if_found(
                &*self.containers_view()?,
                || self.lock_containers(),
                key,
                change,
            )?;
        if done {
            Ok(())
        } else {
            Err(LookupError::Nothing {
                key: key.to_owned(),
            }
            .into())
        }
    }
}

fn change_if_found<R: Mutable>(
    view: &Records<R>,
    lock: impl FnOnce() -> Result<WriteGuard<R>, AccessError>,
    key: &str,
    change: &Change<'_>,
) -> Result<bool, UpdateError> {
    let is_found = |records: &Records<R>| match find(records, key) {
        // What is ambiguous here may still mean something of the next kind.
        Err(LookupError::Ambiguous { .. }) => Ok(None),
        other => other,
    };
    if is_found(view)?.is_none() {
        return Ok(false);
    }
    let mut guard = lock()?;
    let Some(record) = is_found(&guard)? else {
        return Ok(false);
    };
    let id = record.key().to_owned();
    apply(&mut guard, &id, change).of::<R>()?;
    guard.save().of::<R>()?;
    Ok(true)
}

fn apply<R: Mutable>(
    guard: &mut WriteGuard<R>,
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
