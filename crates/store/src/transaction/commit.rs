//! Commits a transaction.
//!
//! | step | what happens | a crash after it leaves |
//! |---|---|---|
//! | 0 | contents are flushed, without a lock | temporary areas, erased by the next writer |
//! | 1 | locks are taken, everything is checked again | the same |
//! | 2 | the layers are recorded as incomplete | incomplete layers that the next writer, ours or Go's, removes with their files |
//! | 3 | trees, tar-split files and big data items of layers are moved into place | the same |
//! | 4 | the intent file is written | the same, and an intent file that our next writer removes |
//! | 5 | big data items of images and containers are moved into place | the same, and directories that our next writer removes |
//! | 6 | the changed directories are synced | the same |
//! | 7 | the layers are recorded as complete | layers that no image uses; our next writer finds the intent file and removes them |
//! | 8 | the images are recorded | if containers follow: complete images, and container layers that our next writer removes |
//! | 9 | the containers are recorded | the whole commit; the next writer sees from the intent file that it is complete |
//! | 10 | the intent file is removed, the locks are released | the whole commit |
//! | 11 | temporary areas are erased | – |
//!
//! Steps 2, 3, 6 and 7 are skipped without layers, 4 and 10 without images and containers. If a
//! step fails, the steps before it are undone; if that fails too, the store is left as after a
//! crash. Big data items that were written to an existing image stay.
//!
//! Each step that writes a record or the intent file is durable before the next one begins.
//! Contents (step 0) and their places (step 6) are durable before a record says that they exist.
//! The data directories of images and containers need no sync of their own: they are in the
//! directory of the record file, which is synced when that is saved.

use std::collections::BTreeSet;
use std::sync::Arc;

use layerhold_driver::{CommitFailed, LayerError, StagedLayer, SyncMode, Trash};
use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_json_store::NameChange;
use layerhold_staging::{StagedAddition, TempArea};
use layerhold_sys::{Dir, Durability, PathError, best_effort};

use super::area::Area;
use super::{NewImage, NewLayer, Transaction, check};
use crate::catalog::big_data::set_image_item;
use crate::catalog::error::{AccessError, Conflict};
use crate::catalog::intent::Intent;
use crate::catalog::layout::tar_split_name;
use crate::catalog::locked::Locked;
use crate::catalog::locks::{Locks, WithKind};
use crate::catalog::lookup;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::{DURABLE, Records, VOLATILE};
use crate::engine::Engine;
use crate::records::big_data_item::BigDataItem;
use crate::records::kinds::ItemId;
use crate::records::{Container, Image, Layer};
use crate::spans::{operation, phase};
use crate::spec::{IfPresent, NameConflict};
use crate::transaction::error::CommitError;
use crate::usage::counters::Counter;
use crate::usage::note_imported_counts;

/// The result of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The new layers, without those that existed already.
    pub layers: Vec<LayerId>,
    /// The new and updated images.
    pub images: Vec<ImageId>,
    /// The new containers.
    pub containers: Vec<ContainerId>,
}

impl Transaction {
    /// Makes everything visible at once.
    ///
    /// Flushes the filesystem first, unless [`SyncMode::None`] was asked for: what is visible
    /// survives a power cut. Then takes the locks of layers, images and containers, while it
    /// renames and saves the records.
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`] when the store changed since the items were added: names and IDs
    /// were taken, or parents removed. [`CommitError::Cancelled`] when it was cancelled before it
    /// began. The store is as it was before.
    pub fn commit(mut self) -> Result<Committed, CommitError> {
        if self.layers.is_empty() && self.images.is_empty() && self.containers.is_empty() {
            return Ok(Committed::default());
        }
        let _span = operation!("commit");
        self.flush()?;
        let engine = Arc::clone(&self.engine);
        let mut counters: Vec<Counter> = self
            .layers
            .iter_mut()
            .filter_map(|new| new.counting.take()?.finish())
            .collect();
        engine.options.cancel.check()?;
        let mut locks = engine.lock_all()?;
        let mut commit = Commit::new(&engine);
        let publishing = phase!("publish");
        let outcome = commit.run(&mut self, &mut locks);
        let outcome = outcome.map_err(|error| commit.undo(&mut locks, error));
        // Erasing takes long, so the locks are released first.
        drop(locks);
        drop(publishing);
        drop(self.choosing.take());
        drop(commit);
        // Every record is saved, so the commit succeeds even if erasing fails. The next writer
        // tries again.
        best_effort(self.area.close());
        best_effort(self.image_area.as_mut().map_or(Ok(()), Area::close));
        if let Ok(committed) = &outcome {
            counters.retain(|counter| committed.layers.contains(counter.id()));
            note_imported_counts(&engine, &counters);
        }
        outcome
    }

    /// Step 0. One flush of the filesystem costs less than one per file. Without layers, or if
    /// their contents are not to be flushed, the files beside records are synced one by one: an
    /// image with an empty manifest keeps podman from reading any image.
    fn flush(&self) -> Result<(), CommitError> {
        let engine = &self.engine;
        if self.is_volatile() {
            return Ok(());
        }
        let _span = phase!("flush", of = "contents");
        if self.layers.is_empty() || engine.sync == SyncMode::None {
            self.area.sync_data()?;
            self.image_area.as_ref().map_or(Ok(()), Area::sync_data)?;
            let mut tar_splits = self.layers.iter().filter_map(|new| new.tar_split.as_ref());
            return Ok(tar_splits.try_for_each(sync_file)?);
        }
        engine.driver().sync().map_err(CommitError::Sync)?;
        let of_contents = self
            .layers
            .iter()
            .map(|new| new.contents.root().stat_self());
        let mut synced = of_contents
            .map(|stat| Ok(stat?.dev))
            .collect::<Result<BTreeSet<u64>, PathError>>()?;
        for records in engine.catalog.layout.layer_dirs() {
            if synced.insert(records.stat_self()?.dev) {
                records.sync_filesystem()?;
            }
        }
        Ok(())
    }

    /// Tells whether everything in it is volatile.
    fn is_volatile(&self) -> bool {
        self.images.is_empty()
            && self.layers.iter().all(|new| new.placement == VOLATILE)
            && self.containers.iter().all(|new| new.placement == VOLATILE)
    }
}

/// One commit: its steps, and what to undo.
struct Commit<'s> {
    engine: &'s Engine,
    trash: Trash,
    /// Trees that are not needed. They are erased after the locks are released.
    spare: Vec<NewLayer>,
    /// Trees that could not be moved into place, and empty areas. They are erased after the locks
    /// are released.
    refused: Vec<Box<dyn StagedLayer>>,
    areas: Vec<TempArea>,
    done: Done,
}

/// The steps done so far.
#[derive(Debug, Default)]
struct Done {
    layers: Vec<LayerId>,
    moved: Vec<LayerId>,
    image_dirs: Vec<ImageId>,
    container_dirs: Vec<ContainerId>,
}

impl<'s> Commit<'s> {
    fn new(engine: &'s Engine) -> Self {
        Self {
            engine,
            trash: Trash::new(),
            spare: Vec::new(),
            refused: Vec::new(),
            areas: Vec::new(),
            done: Done::default(),
        }
    }

    fn run(
        &mut self,
        transaction: &mut Transaction,
        locks: &mut Locks,
    ) -> Result<Committed, CommitError> {
        self.leave_out_present(transaction, locks)?;
        check::all(transaction, locks)?;
        transaction.settle_labels(locks)?;
        let committed = Committed {
            layers: transaction
                .layers
                .iter()
                .map(|new| new.record.id().clone())
                .collect(),
            images: transaction
                .images
                .iter()
                .map(|new| new.record.id().clone())
                .collect(),
            containers: transaction
                .containers
                .iter()
                .map(|new| new.record.id().clone())
                .collect(),
        };
        let durability = match transaction.is_volatile() {
            true => Durability::Volatile,
            false => Durability::Durable,
        };
        self.record_incomplete(transaction, locks)?;
        self.move_layers(transaction)?;
        let has_users = !(committed.images.is_empty() && committed.containers.is_empty());
        if has_users {
            let intent = Intent {
                layers: committed.layers.clone(),
                images: committed.images.clone(),
                containers: committed.containers.clone(),
                deleting: false,
            };
            let io = &*self.engine.options.metadata_io;
            intent.publish(io, &self.engine.catalog.layout.layers, durability)?;
        }
        self.move_data(transaction, locks)?;
        if durability == Durability::Durable && !self.done.layers.is_empty() {
            self.engine.sync_places(&[]).map_err(CommitError::Sync)?;
        }
        self.record_complete(locks)?;
        record_images(transaction, locks)?;
        record_containers(transaction, locks)?;
        if has_users {
            // If the removal fails, the next writer sees from the file that the commit is complete.
            let io = &*self.engine.options.metadata_io;
            drop(Intent::remove(
                io,
                &self.engine.catalog.layout.layers,
                durability,
            ));
        }
        Ok(committed)
    }

    /// Leaves out layers that other processes have committed since, if the specification allows
    /// reuse and they are the same.
    fn leave_out_present(
        &mut self,
        transaction: &mut Transaction,
        locks: &Locks,
    ) -> Result<(), Conflict> {
        let mut outcome = Ok(());
        for new in std::mem::take(&mut transaction.layers) {
            let present = lookup::by_id(&locks.layers, new.record.id().as_str())
                .ok()
                .flatten();
            match present {
                Some(present) if new.if_present == IfPresent::Reuse => {
                    outcome = outcome.and(is_same(&present, &new.record));
                    self.spare.push(new);
                }
                _ => transaction.layers.push(new),
            }
        }
        outcome
    }

    /// Step 2.
    fn record_incomplete(
        &mut self,
        transaction: &Transaction,
        locks: &mut Locks,
    ) -> Result<(), CommitError> {
        if transaction.layers.is_empty() {
            return Ok(());
        }
        for new in &transaction.layers {
            let mut record = new.record.clone();
            record.set_incomplete();
            locks
                .layers
                .insert(record, new.placement)
                .for_kind::<Layer>()?;
        }
        self.done.layers = transaction
            .layers
            .iter()
            .map(|new| new.record.id().clone())
            .collect();
        Ok(locks.layers.save().for_kind::<Layer>()?)
    }

    /// Step 3.
    fn move_layers(&mut self, transaction: &mut Transaction) -> Result<(), CommitError> {
        let mut layers = std::mem::take(&mut transaction.layers).into_iter();
        let moved = layers.try_for_each(|new| self.move_layer(transaction, new));
        // The layers after a failed one are erased after the locks are released.
        self.spare.extend(layers);
        moved
    }

    fn move_layer(&mut self, transaction: &Transaction, new: NewLayer) -> Result<(), CommitError> {
        let id = new.record.id().clone();
        self.done.moved.push(id.clone());
        self.areas.extend(new.area_of_tree);
        let moved = self.move_layer_files(transaction, &id, new.tar_split, new.data);
        if let Err(source) = moved {
            self.refused.push(new.contents);
            let id = ItemId::Layer(id);
            return Err(CommitError::Move { id, source });
        }
        self.move_contents(&id, new.contents)
    }

    fn move_layer_files(
        &self,
        transaction: &Transaction,
        id: &LayerId,
        tar_split: Option<StagedAddition>,
        data: Option<StagedAddition>,
    ) -> Result<(), PathError> {
        let dir = &self.engine.catalog.layout.layers;
        // No record has this ID, so files with its name are garbage.
        transaction.area.move_aside(dir, &tar_split_name(id))?;
        transaction.area.move_aside(dir, id.as_ref())?;
        put(tar_split, dir, &tar_split_name(id))?;
        put(data, dir, id.as_ref())
    }

    fn move_contents(
        &mut self,
        id: &LayerId,
        contents: Box<dyn StagedLayer>,
    ) -> Result<(), CommitError> {
        let failed = |source| CommitError::Layer {
            id: id.clone(),
            source: Box::new(source),
        };
        match contents.commit(id) {
            Ok(()) => Ok(()),
            Err(refused) if matches!(refused.source, LayerError::Exists { .. }) => {
                // No record has this ID, so the contents are garbage too.
                self.engine
                    .driver()
                    .remove(id, &mut self.trash)
                    .map_err(failed)?;
                let again = refused.staged.commit(id);
                again.map_err(|refused| failed(self.keep_refused(*refused)))
            }
            Err(refused) => Err(failed(self.keep_refused(*refused))),
        }
    }

    /// Keeps a tree that could not be moved until the locks are released, and returns the reason.
    fn keep_refused(&mut self, refused: CommitFailed) -> LayerError {
        self.refused.push(refused.staged);
        refused.source
    }

    /// Step 5.
    fn move_data(
        &mut self,
        transaction: &mut Transaction,
        locks: &Locks,
    ) -> Result<(), CommitError> {
        for position in 0..transaction.images.len() {
            let Some(new) = transaction.images.get_mut(position) else {
                break;
            };
            let id = new.record.id().clone();
            if locks.images.is_own(id.as_str()) {
                continue;
            }
            let data = new.data.take();
            self.done.image_dirs.push(id.clone());
            let dir = self.engine.catalog.layout.new_images();
            let moved = transaction
                .image_area()
                .move_aside(dir, id.as_ref())
                .and_then(|()| put(data, dir, id.as_ref()));
            moved.map_err(|source| CommitError::Move {
                id: ItemId::Image(id),
                source,
            })?;
        }
        for position in 0..transaction.containers.len() {
            let Some(new) = transaction.containers.get_mut(position) else {
                break;
            };
            let id = new.record.id().clone();
            let data = new.data.take();
            self.done.container_dirs.push(id.clone());
            let dir = &self.engine.catalog.layout.containers;
            let moved = transaction
                .area
                .move_aside(dir, id.as_ref())
                .and_then(|()| put(data, dir, id.as_ref()));
            moved.map_err(|source| CommitError::Move {
                id: ItemId::Container(id),
                source,
            })?;
        }
        Ok(())
    }

    /// Step 7.
    fn record_complete(&self, locks: &mut Locks) -> Result<(), AccessError> {
        for id in &self.done.layers {
            locks
                .layers
                .update(id.as_str(), Layer::set_complete)
                .for_kind::<Layer>()?;
        }
        locks.layers.save().for_kind::<Layer>()
    }

    /// Undoes the steps that were done, and returns the error that caused it.
    fn undo(&mut self, locks: &mut Locks, error: CommitError) -> CommitError {
        match self.try_to_undo(locks) {
            Ok(()) => error,
            Err(rollback) => CommitError::Rollback {
                rollback: Box::new(rollback),
                source: Box::new(error),
            },
        }
    }

    fn try_to_undo(&mut self, locks: &mut Locks) -> Result<(), CommitError> {
        let done = std::mem::take(&mut self.done);
        let layout = &self.engine.catalog.layout;
        // A failed save may have reached the disk; the guards tell which records exist. Containers
        // and images are removed before the layers they use. If that fails, the layers stay.
        remove_present(&mut locks.containers, &done.container_dirs)?;
        remove_present(&mut locks.images, &done.image_dirs)?;
        for id in &done.container_dirs {
            self.engine
                .discard(&layout.containers, id.as_ref(), &mut self.trash)?;
        }
        for id in &done.image_dirs {
            self.engine
                .discard(layout.new_images(), id.as_ref(), &mut self.trash)?;
        }
        for id in done.moved.iter().rev() {
            let moved = self.engine.move_out(id, &mut self.trash);
            moved.map_err(|source| CommitError::Layer {
                id: id.clone(),
                source: Box::new(source),
            })?;
        }
        if !done.moved.is_empty() {
            self.engine.sync_places(&[]).map_err(CommitError::Sync)?;
        }
        remove_present(&mut locks.layers, &done.layers)?;
        let io = &*self.engine.options.metadata_io;
        Ok(Intent::remove(io, &layout.layers, Durability::Durable)?)
    }
}

/// Refuses an existing layer that differs from a new one of the same ID.
fn is_same(present: &Layer, new: &Layer) -> Result<(), Conflict> {
    let id = || present.id().clone();
    if present.parent() != new.parent() {
        return Err(Conflict::OtherParent { id: id() });
    }
    match (present.diff_id(), new.diff_id()) {
        (Some(present), Some(new)) if present != new => Err(Conflict::OtherContents { id: id() }),
        _ => Ok(()),
    }
}

/// Removes the records that exist, and saves.
fn remove_present<R: ItemRecord>(
    records: &mut Locked<R>,
    ids: &[impl AsRef<str>],
) -> Result<(), AccessError> {
    for id in ids {
        if records.is_own(id.as_ref()) {
            records.remove(id.as_ref()).for_kind::<R>()?;
        }
    }
    records.save().for_kind::<R>()
}

/// Step 8.
fn record_images(transaction: &Transaction, locks: &mut Locks) -> Result<(), CommitError> {
    for new in &transaction.images {
        if locks.images.is_own(new.record.id().as_str()) {
            update_image(new, locks)?;
        } else {
            insert_image(new, locks)?;
        }
    }
    for mapped in &transaction.mapped {
        let note = |image: &mut Image| image.add_mapped_layer(&mapped.layer);
        locks
            .images
            .update(mapped.image.as_str(), note)
            .for_kind::<Image>()?;
    }
    Ok(locks.images.save().for_kind::<Image>()?)
}

/// Syncs a staged file.
fn sync_file(staged: &StagedAddition) -> Result<(), PathError> {
    let file = staged.area().open_file(staged.name())?;
    let synced = file.sync_data();
    synced.map_err(|cause| PathError::new("sync", staged.path(), cause))
}

/// Moves a staged addition into place, if there is one.
fn put(
    addition: Option<StagedAddition>,
    dir: &Dir,
    name: &std::ffi::OsStr,
) -> Result<(), PathError> {
    match addition {
        Some(addition) => addition.commit(dir, name).map_err(|error| error.source),
        None => Ok(()),
    }
}

fn insert_image(new: &NewImage, locks: &mut Locks) -> Result<(), CommitError> {
    // An insertion refuses names that other images have, so names that move are set by an update.
    let mut record = new.record.clone();
    let names = record.take_names_if(new.name_conflict == NameConflict::Move);
    let id = record.id().clone();
    locks.images.insert(record, DURABLE).for_kind::<Image>()?;
    if !names.is_empty() {
        locks
            .images
            .update(id.as_str(), |image| image.put_names(names))
            .for_kind::<Image>()?;
    }
    Ok(())
}

fn update_image(new: &NewImage, locks: &mut Locks) -> Result<(), CommitError> {
    let id = new.record.id().as_str();
    for item in &new.items {
        set_item(id, item, locks)?;
    }
    if !new.record.metadata().is_empty() {
        let metadata = new.record.metadata().to_owned();
        locks
            .images
            .update(id, |image| image.record_mut().metadata = metadata)
            .for_kind::<Image>()?;
    }
    locks
        .images
        .change_names(id, NameChange::Add, new.record.names())
        .for_kind::<Image>()?;
    Ok(())
}

fn set_item(id: &str, item: &BigDataItem, locks: &mut Locks) -> Result<(), CommitError> {
    let image = lookup::own_by_id(&locks.images, id).ok().flatten();
    match image {
        Some(image) => Ok(set_image_item(&mut locks.images, &image, item)?),
        None => Ok(()),
    }
}

/// Step 9.
fn record_containers(transaction: &Transaction, locks: &mut Locks) -> Result<(), AccessError> {
    for new in &transaction.containers {
        locks
            .containers
            .insert(new.record.clone(), new.placement)
            .for_kind::<Container>()?;
    }
    locks.containers.save().for_kind::<Container>()
}
