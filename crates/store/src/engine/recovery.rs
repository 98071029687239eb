//! Undoes what a dead process left unfinished: incomplete layers, and commits and deletions that
//! were cut off.
//!
//! A failure here never fails the operation that started it. What cannot be removed stays as it is
//! and invisible to readers; the process that takes the lock next tries again.
//!
//! Files of what is undone are moved into temporary areas without an owner. Erasing those, and the
//! areas of processes that were killed before they committed, may take long, so readers leave them
//! alone. A writer erases them before it adds something and after it removed something, without any
//! lock, and with a notice before ([`Notice::ErasingLeftovers`]).

use std::path::PathBuf;

use layerhold_driver::{LayerError, Trash};
use layerhold_ids::{ContainerId, LayerId};
use layerhold_staging::TempRoot;
use layerhold_sys::{Cancelled, Durability, PathError, best_effort, no_brief_lock};

use crate::catalog::error::AccessError;
use crate::catalog::files::remove_below;
use crate::catalog::intent::{INTENT_FILE, Intent};
use crate::catalog::locked::Locked;
use crate::catalog::locks::{Locks, WithKind};
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::{Snapshot, incomplete_layers};
use crate::engine::Engine;
use crate::engine::notices::Notice;
use crate::engine::options::Recovery;
use crate::engine::temporary_files::TemporaryFileScope;
use crate::records::{BY_LAYER, BY_PARENT, BY_TOP_LAYER, Container, Layer};
use crate::spans::phase;

impl Engine {
    /// Takes all three locks, and undoes what a dead process left unfinished. Its files only move
    /// into temporary areas: [`erase_leftovers`](Self::erase_leftovers) erases them.
    pub(crate) fn lock_all(&self) -> Result<Locks, AccessError> {
        let mut locks = self.catalog.lock_all()?;
        // Erasing takes long; a writer does it when no lock is held.
        self.undo_unfinished(&mut locks).abandon();
        Ok(locks)
    }

    /// Takes the lock of the layers alone, and undoes what a dead process left unfinished.
    pub(crate) fn lock_layers(&self) -> Result<Locked<Layer>, AccessError> {
        let layers = self.catalog.lock_layers()?;
        if !self.catalog.has_unfinished(&layers)? {
            return Ok(layers);
        }
        // Undoing needs the other two locks too, and all three are taken in order.
        drop(layers);
        drop(self.lock_all()?);
        // What could not be undone stays as it is.
        self.catalog.lock_layers()
    }

    /// Returns a snapshot, after an attempt to undo what a dead process left unfinished.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, AccessError> {
        let snapshot = self.catalog.snapshot()?;
        if incomplete_layers(&snapshot.layers).is_empty() {
            return Ok(snapshot);
        }
        // A live process holds the write lock while its layers are incomplete, so these belong to a
        // dead one.
        self.recover_if_free();
        self.catalog.snapshot()
    }

    /// Undoes leftovers unless another process holds a lock: then they may be its work in progress,
    /// or it undoes them itself.
    pub(crate) fn recover_if_free(&self) {
        if let Ok(Some(mut locks)) = self.catalog.try_lock_all() {
            let mut trash = self.undo_unfinished(&mut locks);
            let scope = TemporaryFileScope::BesideRecords;
            best_effort(self.discard_temporary_files(&locks, scope, &mut trash));
            drop(locks);
            trash.abandon();
        }
    }

    /// As [`recover_if_free`](Self::recover_if_free), but only when there is an intent; costs one
    /// `stat` otherwise.
    pub(crate) fn recover_intent_if_any(&self) {
        if self
            .catalog
            .layout
            .layers
            .exists(INTENT_FILE)
            .unwrap_or(false)
        {
            self.recover_if_free();
        }
    }

    /// Erases the temporary areas of killed processes, if the options let writers do that.
    pub(crate) fn erase_leftovers_by_writer(&self) {
        if self.options.recovery == Recovery::ByWriters {
            // The next writer tries again.
            best_effort(self.erase_leftovers());
        }
    }

    /// Erases the temporary areas of killed processes, and returns those it found. No lock may be
    /// held.
    pub(crate) fn erase_leftovers(&self) -> Result<Vec<PathBuf>, LayerError> {
        no_brief_lock("leftovers are erased");
        let mut areas = self.abandoned_areas()?;
        if !areas.is_empty() {
            // A process that died with an area may have left an unfinished change, which adds
            // areas.
            self.recover_if_free();
            areas = self.abandoned_areas()?;
            let areas = areas.clone();
            let notice = Notice::ErasingLeftovers { areas };
            self.options.notices.tell(&notice);
        }
        let _span = phase!("erase", of = "leftovers");
        let cancel = &self.options.cancel;
        cancel.expendable(|| {
            for root in self.temp_roots() {
                best_effort(self.recover_area_root(root));
            }
            let stopped = |cancelled: Cancelled| {
                PathError::new("erase", self.catalog.layout.temp_root(), cancelled.into())
            };
            cancel.check().map_err(stopped)?;
            self.driver().maintenance().recover()
        })?;
        Ok(areas)
    }

    /// Lists the temporary areas of killed processes.
    pub(crate) fn abandoned_areas(&self) -> Result<Vec<PathBuf>, LayerError> {
        let mut areas = self.driver().maintenance().abandoned()?;
        for root in self.temp_roots() {
            areas.extend(TempRoot::new(root).abandoned().unwrap_or_default());
        }
        Ok(areas)
    }

    /// Undoes leftovers. The caller erases or abandons the trash once the locks are released.
    pub(crate) fn undo_unfinished(&self, locks: &mut Locks) -> Trash {
        let mut trash = Trash::new();
        let unfinished = self.unfinished_layers(locks);
        let intent = self.intent();
        if let Some(intent) = &intent {
            self.discard_data(intent, locks, &mut trash);
        }
        let removed = self.remove_layers(locks, &unfinished, &mut trash);
        if intent.is_some() && removed.is_ok() {
            // When something failed, the intent stays, so that the next writer tries again.
            let io = &*self.options.metadata_io;
            best_effort(Intent::remove(
                io,
                &self.catalog.layout.layers,
                Durability::Durable,
            ));
        }
        trash
    }

    /// Lists the layers that a dead process was creating or deleting.
    pub(crate) fn unfinished_layers(&self, locks: &Locks) -> Vec<LayerId> {
        let mut unfinished = incomplete_layers(&locks.layers);
        if let Some(intent) = self.intent() {
            unfinished.extend(unused_layers(&intent, locks));
        }
        unfinished
    }

    /// Reads the intent of a process that is dead or holds the locks. A damaged one has no effect.
    fn intent(&self) -> Option<Intent> {
        Intent::read(&self.catalog.layout.layers).ok().flatten()
    }

    /// Moves the data of images and containers that were never recorded into temporary areas.
    fn discard_data(&self, intent: &Intent, locks: &Locks, trash: &mut Trash) {
        for id in intent
            .images
            .iter()
            .filter(|id| !locks.images.is_own(id.as_str()))
        {
            best_effort(self.discard(self.catalog.layout.new_images(), id.as_ref(), trash));
        }
        for id in intent
            .containers
            .iter()
            .filter(|id| !locks.containers.contains(id.as_str()))
        {
            best_effort(self.discard(&self.catalog.layout.containers, id.as_ref(), trash));
        }
    }

    fn remove_layers(
        &self,
        locks: &mut Locks,
        unfinished: &[LayerId],
        trash: &mut Trash,
    ) -> Result<(), AccessError> {
        let mut outcome = Ok(());
        let mut gone = Vec::new();
        for id in unfinished {
            // If one layer cannot be removed, the others still are.
            match self.move_out(id, trash) {
                Ok(()) => gone.push(id),
                Err(_) => outcome = Err(AccessError::Unfinished { layer: id.clone() }),
            }
        }
        if !gone.is_empty() && self.sync_places(&[]).is_err() {
            // The records stay, so that the contents can still be found.
            outcome = outcome.and(gone.first().map_or(Ok(()), |layer| {
                let layer = (*layer).clone();
                Err(AccessError::Unfinished { layer })
            }));
            gone.clear();
        }
        self.remove_containers(locks, &gone, trash)?;
        for id in gone {
            if locks.layers.is_own(id.as_str()) {
                locks.layers.remove(id.as_str()).for_kind::<Layer>()?;
            }
        }
        locks.layers.save().for_kind::<Layer>()?;
        outcome
    }

    /// Removes the containers whose layers are removed. A container is recorded after its layer is
    /// complete, so an incomplete layer with a container is one whose deletion was cut off.
    fn remove_containers(
        &self,
        locks: &mut Locks,
        layers: &[&LayerId],
        trash: &mut Trash,
    ) -> Result<(), AccessError> {
        let users = layers.iter().flat_map(|layer| {
            let users = locks.containers.ids_by_key(BY_LAYER, layer.as_str());
            users.into_iter().map(str::to_owned)
        });
        for id in users.collect::<Vec<_>>() {
            if let Ok(id) = id.parse::<ContainerId>() {
                best_effort(self.discard(&self.catalog.layout.containers, id.as_ref(), trash));
                best_effort(remove_below(
                    &self.catalog.layout.run_containers,
                    id.as_str(),
                ));
            }
            locks.containers.remove(&id).for_kind::<Container>()?;
        }
        locks.containers.save().for_kind::<Container>()
    }
}

/// Lists the layers of an intent that nothing uses, children before parents.
fn unused_layers(intent: &Intent, locks: &Locks) -> Vec<LayerId> {
    let images = intent
        .images
        .iter()
        .all(|id| locks.images.is_own(id.as_str()));
    let containers = intent
        .containers
        .iter()
        .all(|id| locks.containers.contains(id.as_str()));
    if !intent.deleting && images && containers {
        return Vec::new();
    }
    let mut unused_layers: Vec<LayerId> = Vec::new();
    for id in intent.layers.iter().rev() {
        let children = locks.layers.ids_by_key(BY_PARENT, id.as_str());
        let is_parent = children
            .iter()
            .any(|child| !unused_layers.iter().any(|other| other == *child));
        let is_used = is_parent
            || !locks
                .images
                .ids_by_key(BY_TOP_LAYER, id.as_str())
                .is_empty()
            || !locks
                .containers
                .ids_by_key(BY_LAYER, id.as_str())
                .is_empty();
        if !is_used {
            unused_layers.push(id.clone());
        }
    }
    unused_layers
}
