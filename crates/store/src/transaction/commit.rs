//! Making a transaction visible.
//!
//! | step | what happens | a crash after it leaves |
//! |---|---|---|
//! | 0 | contents are flushed, without a lock | temporary areas, erased by the next writer |
//! | 1 | locks are taken, everything is checked again | the same |
//! | 2 | the layers are recorded as incomplete | records that the next writer, ours or Go's, removes with what belongs to them |
//! | 3 | trees, tar-split files and data items of layers are moved into place | the same |
//! | 4 | the intent is noted | the same, and a note that our next writer removes |
//! | 5 | data items of images and containers are moved into place | the same, and directories that our next writer removes |
//! | 6 | the directories in which something was put are synced | the same |
//! | 7 | the layers are recorded as complete | layers that no image uses; our next writer finds the intent and removes them |
//! | 8 | the images are recorded | with containers to come: complete images, and container layers that our next writer removes |
//! | 9 | the containers are recorded | everything is there; the note of the intent says so to the next writer |
//! | 10 | the intent is removed, the locks are released | everything is there |
//! | 11 | temporary areas are erased | – |
//!
//! Steps 2, 3, 6 and 7 are left out without layers, 4 and 10 without images and containers. When a
//! step fails, what the steps before it did is undone; if that fails too, what is left is what a
//! crash would have left. An image that was there before keeps data items that were written anew.
//!
//! Each step that writes a record or the intent is durable before the next one begins, and so are
//! contents (step 0) and their places (step 6) before a record says that they are there. Data
//! directories of images and containers need no sync of their own: they are in the directory of the
//! record file, which is synced when that is saved.

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
use crate::catalog::locks::{InContext, Locks};
use crate::catalog::lookup;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::{DURABLE, Records, VOLATILE};
use crate::engine::Engine;
use crate::records::big_data_item::BigDataItem;
use crate::records::kinds::ItemId;
use crate::records::{Container, Image, Layer};
use crate::spec::{IfPresent, NameConflict};
use crate::transaction::error::CommitError;
use crate::usage::counters::Counter;
use crate::usage::note_imported_counts;

/// What a commit made visible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// New layers. Those that turned out to be there already are not among them.
    pub layers: Vec<LayerId>,
    /// New or updated images.
    pub images: Vec<ImageId>,
    /// New containers.
    pub containers: Vec<ContainerId>,
}

impl Transaction {
    /// Makes everything visible at once.
    ///
    /// Flushes the filesystem first, unless [`SyncMode::None`] was asked for; what is visible
    /// survives a power cut. Takes the locks of layers, images and containers for as long as it
    /// takes to rename and to save the records.
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`] when the store changed since the parts were added: names and IDs
    /// that were taken, parents that are gone. [`CommitError::Cancelled`] when it was asked to stop
    /// before it began. The store is as it was before.
    pub fn commit(mut self) -> Result<Committed, CommitError> {
        if self.layers.is_empty() && self.images.is_empty() && self.containers.is_empty() {
            return Ok(Committed::default());
        }
        self.flush()?;
        let engine = Arc::clone(&self.engine);
        let mut counters: Vec<Counter> = self
            .layers
            .iter_mut()
            .filter_map(|new| new.counting.take()?.finish())
            .collect();
        if engine.options.cancel.is_cancelled() {
            return Err(CommitError::Cancelled);
        }
        let mut locks = engine.lock_all()?;
        let mut commit = Commit::new(&engine);
        let outcome = commit.run(&mut self, &mut locks);
        let outcome = outcome.map_err(|error| commit.undo(&mut locks, error));
        // Erasing takes long; nobody has to wait for it.
        drop(locks);
        drop(self.choosing.take());
        drop(commit);
        // Every record is saved, so a failure to erase is no failure of the commit. The next writer
        // tries again.
        best_effort(self.area.close());
        best_effort(self.image_area.as_mut().map_or(Ok(()), Area::close));
        if let Ok(committed) = &outcome {
            counters.retain(|counter| committed.layers.contains(counter.id()));
            note_imported_counts(&engine, &counters);
        }
        outcome
    }

    /// Step 0. One flush of the filesystem costs less than one per file. Without layers, or when
    /// their contents are not to be flushed, what lies beside records is flushed one by one: it is
    /// part of them, and an image with an empty manifest keeps podman from reading any.
    fn flush(&self) -> Result<(), CommitError> {
        let engine = &self.engine;
        if self.is_volatile() {
            return Ok(());
        }
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

    /// Tells whether everything in it may be lost at a reboot.
    fn is_volatile(&self) -> bool {
        self.images.is_empty()
            && self.layers.iter().all(|new| new.placement == VOLATILE)
            && self.containers.iter().all(|new| new.placement == VOLATILE)
    }
}

/// The steps of one commit, and what has to be undone.
struct Commit<'s> {
    engine: &'s Engine,
    trash: Trash,
    /// Trees that turned out not to be needed; erased when no lock is held.
    spare: Vec<NewLayer>,
    /// Trees that could not be moved into place, and areas that are empty now; erased when no lock
    /// is held.
    refused: Vec<Box<dyn StagedLayer>>,
    areas: Vec<TempArea>,
    done: Done,
}

/// What has been done so far.
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
            // Left behind it would be taken for what it is: a commit that is complete.
            let io = &*self.engine.options.metadata_io;
            drop(Intent::remove(
                io,
                &self.engine.catalog.layout.layers,
                durability,
            ));
        }
        Ok(committed)
    }

    /// Takes layers out that somebody else brought in meanwhile, where that is welcome and they are
    /// the same.
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
            locks.layers.insert(record, new.placement).of::<Layer>()?;
        }
        self.done.layers = transaction
            .layers
            .iter()
            .map(|new| new.record.id().clone())
            .collect();
        Ok(locks.layers.save().of::<Layer>()?)
    }

    /// Step 3.
    fn move_layers(&mut self, transaction: &mut Transaction) -> Result<(), CommitError> {
        let mut layers = std::mem::take(&mut transaction.layers).into_iter();
        let moved = layers.try_for_each(|new| self.move_layer(transaction, new));
        // What was not reached is erased when no lock is held.
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
        // Without a record of this ID, whatever has its name is garbage.
        transaction.area.clear_the_way(dir, &tar_split_name(id))?;
        transaction.area.clear_the_way(dir, id.as_ref())?;
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
                // Contents without a record are garbage too.
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

    /// Keeps a tree that could not be moved until no lock is held, and returns why.
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
                .clear_the_way(dir, id.as_ref())
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
                .clear_the_way(dir, id.as_ref())
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
                .of::<Layer>()?;
        }
        locks.layers.save().of::<Layer>()
    }

    /// Undoes the steps that were done, and returns the error that made it necessary.
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
        // A save that failed may have reached the disk nevertheless; the guards say what is there.
        // What uses the layers goes first, and when it cannot go the layers stay.
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

/// Tells whether a layer may stand in for another of the same ID.
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

/// Removes those records that are there, and saves.
fn remove_present<R: ItemRecord>(
    records: &mut Locked<R>,
    ids: &[impl AsRef<str>],
) -> Result<(), AccessError> {
    for id in ids {
        if records.is_own(id.as_ref()) {
            records.remove(id.as_ref()).of::<R>()?;
        }
    }
    records.save().of::<R>()
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
            .of::<Image>()?;
    }
    Ok(locks.images.save().of::<Image>()?)
}

/// Makes the contents of a staged file durable.
fn sync_file(staged: &StagedAddition) -> Result<(), PathError> {
    let file = staged.area().open_file(staged.name())?;
    let synced = file.sync_data();
    synced.map_err(|cause| PathError::new("sync", staged.path(), cause))
}

/// Moves an addition to its place, if there is one.
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
    // Names that move are taken by a change, not by an insertion, which refuses them.
    let mut record = new.record.clone();
    let names = record.take_names_if(new.name_conflict == NameConflict::Move);
    let id = record.id().clone();
    locks.images.insert(record, DURABLE).of::<Image>()?;
    if !names.is_empty() {
        locks
            .images
            .update(id.as_str(), |image| image.put_names(names))
            .of::<Image>()?;
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
            .of::<Image>()?;
    }
    locks
        .images
        .change_names(id, NameChange::Add, new.record.names())
        .of::<Image>()?;
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
            .of::<Container>()?;
    }
    locks.containers.save().of::<Container>()
}
