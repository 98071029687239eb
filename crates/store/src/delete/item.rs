//! Deletes layers, images and containers.
//!
//! | step | what happens | a crash after it leaves |
//! |---|---|---|
//! | 1 | the image and the layers that go with it, or all layers when the store is wiped, are noted as an intent | a note without effect: everything in it is in use |
//! | 2 | the record of the image is removed, its data is moved into a temporary area | layers that no image uses; our next writer finds the intent and removes them |
//! | 3 | the layers are unmounted and recorded as incomplete | layers that the next writer, ours or Go's, removes; ours removes the container with its layer |
//! | 4 | trees, tar-split files and data items of the layers are moved into temporary areas; the directories that they were in are synced | the same |
//! | 5 | the data of the container is moved into a temporary area, its record is removed | incomplete layers, as after step 3 |
//! | 6 | the layers' records are removed | temporary areas, erased by the next writer |
//! | 7 | the intent is removed, the locks are released, the areas are erased | – |
//!
//! Steps 1 and 2 are those of images, step 5 is that of containers. Each step is durable before the
//! next one begins. A damaged record can be deleted by its ID. What it names is unknown, so the
//! layers of a damaged image or container stay and can be deleted by themselves.
//!
//! Items of an additional store are never deleted, and do not prevent a deletion: after an image
//! that was copied from there is deleted, the original shows again. No deletion needs space on the
//! disk: where a temporary area cannot be made, files are erased at once, and record files are
//! changed in place.

use std::ffi::OsStr;
use std::sync::Arc;

use layerhold_driver::Trash;
use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::{Dir, Durability, best_effort, is_cancelled};

use crate::catalog::error::LookupError;
use crate::catalog::files::remove_below;
use crate::catalog::intent::Intent;
use crate::catalog::key::Key;
use crate::catalog::locked::Locked;
use crate::catalog::locks::{Locks, WithKind};
use crate::catalog::lookup::{by_key, is_exactly, is_exactly_container, own_by_id};
use crate::catalog::record_stores::{Placement, Records, VOLATILE};
use crate::delete::error::DeleteError;
use crate::delete::target::{
    DeleteTarget, find_target, find_target_unless_ambiguous, removable, require_target,
};
use crate::engine::Engine;
use crate::mount::error::MountError;
use crate::mount::layer::{Unmounting, unmount_counted};
use crate::records::kinds::ItemId;
use crate::records::{BY_IMAGE, BY_LAYER, BY_PARENT, BY_TOP_LAYER, Container, Image, Layer};

/// Deletion or dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeleteMode {
    /// Delete.
    #[default]
    Delete,
    /// Only find out what would be deleted.
    DryRun,
}

/// A record of any kind that a key names.
enum AnyTarget {
    Container(DeleteTarget<Container>),
    Image(DeleteTarget<Image>),
    Layer(DeleteTarget<Layer>),
}

impl AnyTarget {
    fn is_exactly(&self, key: &str) -> bool {
        match self {
            Self::Container(DeleteTarget::Usable(container)) => {
                is_exactly_container(container, key)
            }
            Self::Image(DeleteTarget::Usable(image)) => is_exactly(&**image, key),
            Self::Layer(DeleteTarget::Usable(layer)) => is_exactly(&**layer, key),
            Self::Container(DeleteTarget::Damaged(id))
            | Self::Image(DeleteTarget::Damaged(id))
            | Self::Layer(DeleteTarget::Damaged(id)) => id == key,
        }
    }
}

/// The records of each kind that a key names: container, image, layer.
fn find_targets(locks: &Locks, key: &Key<'_, ItemId>) -> Result<Vec<AnyTarget>, LookupError> {
    let mut targets = Vec::new();
    if let Some(key) = key.container() {
        let container = find_target_unless_ambiguous(&locks.containers, &key)?;
        targets.extend(container.map(AnyTarget::Container));
    }
    if let Some(key) = key.image() {
        let image = find_target_unless_ambiguous(&locks.images, &key)?;
        targets.extend(image.map(AnyTarget::Image));
    }
    if let Some(key) = key.layer() {
        let layer = match targets.is_empty() {
            true => find_target(&locks.layers, &key)?,
            false => find_target_unless_ambiguous(&locks.layers, &key)?,
        };
        targets.extend(layer.map(AnyTarget::Layer));
    }
    Ok(targets)
}

pub(crate) fn delete(engine: &Engine, key: &Key<'_, ItemId>) -> Result<(), DeleteError> {
    deleting(engine, |deletion, locks| {
        let exactly = |target: &AnyTarget| target.is_exactly(key.as_str());
        let targets = find_targets(locks, key)?;
        let position = targets.iter().position(exactly).unwrap_or_default();
        match targets.into_iter().nth(position) {
            Some(AnyTarget::Container(container)) => deletion.delete_container(locks, &container),
            Some(AnyTarget::Image(image)) => deletion.delete_image_by_id(locks, image.id()),
            Some(AnyTarget::Layer(layer)) => match layer.id().parse() {
                Ok(id) => deletion.delete_layers(locks, &[id]),
                Err(_) => deletion.delete_layer_record(locks, layer.id()),
            },
            None => Err(LookupError::Nothing { key: key.to_text() }.into()),
        }
    })
}

pub(crate) fn delete_layer(engine: &Engine, key: &Key<'_, LayerId>) -> Result<(), DeleteError> {
    deleting(engine, |deletion, locks| {
        let layer = require_target(&locks.layers, key)?;
        match layer.id().parse() {
            Ok(id) => deletion.delete_unused_layer(locks, &id),
            Err(_) => deletion.delete_layer_record(locks, layer.id()),
        }
    })
}

pub(crate) fn delete_image(
    engine: &Engine,
    key: &Key<'_, ImageId>,
    mode: DeleteMode,
) -> Result<Vec<LayerId>, DeleteError> {
    deleting(engine, |deletion, locks| {
        let image = require_target(&locks.images, key)?;
        let users = by_key(&locks.containers, BY_IMAGE, image.id());
        if let (Some(container), Ok(image)) = (users.first(), image.id().parse()) {
            return Err(DeleteError::ImageUsedByContainer {
                image,
                container: container.id().clone(),
            });
        }
        let other_records = engine.catalog.other_records_if_readable()?;
        let user = other_records.container_of_image(image.id());
        if let (Some(container), Ok(image)) = (user, image.id().parse()) {
            return Err(DeleteError::ImageUsedByContainer { image, container });
        }
        let layers = match &image {
            DeleteTarget::Usable(image) => removable(image, locks, &other_records),
            DeleteTarget::Damaged(_) => Vec::new(),
        };
        if mode == DeleteMode::Delete {
            deletion.note_intent(&layers, image.id().parse().ok());
            deletion.delete_image_by_id(locks, image.id())?;
            deletion.delete_layers(locks, &layers)?;
        }
        Ok(layers)
    })
}

pub(crate) fn delete_container(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
) -> Result<(), DeleteError> {
    deleting(engine, |deletion, locks| {
        let container = require_target(&locks.containers, key)?;
        deletion.delete_container(locks, &container)
    })
}

/// Deletes all items of this store.
pub(crate) fn wipe(engine: &Engine) -> Result<(), DeleteError> {
    deleting(engine, |deletion, locks| {
        let layers: Vec<LayerId> = locks
            .layers
            .own_ids()
            .filter_map(|id| id.parse().ok())
            .collect();
        deletion.note_intent(&layers, None);
        let containers: Vec<String> = locks.containers.own_ids().map(str::to_owned).collect();
        for id in &containers {
            deletion.delete_container_dirs(id)?;
            locks.containers.remove(id).for_kind::<Container>()?;
        }
        locks.containers.save().for_kind::<Container>()?;
        let images: Vec<String> = locks.images.own_ids().map(str::to_owned).collect();
        for id in &images {
            locks.images.remove(id).for_kind::<Image>()?;
        }
        locks.images.save().for_kind::<Image>()?;
        for id in &images {
            deletion.delete_image_dirs(id)?;
        }
        let newest_first: Vec<LayerId> = layers.into_iter().rev().collect();
        deletion.delete_layers(locks, &newest_first)?;
        deletion.delete_unrecorded_layers(locks)
    })
}

/// A deletion in progress.
pub(crate) struct Deletion<'s> {
    engine: &'s Engine,
    trash: Trash,
    has_note: bool,
}

/// Runs a deletion under all locks, and erases what it moved into temporary areas once they are
/// released.
pub(crate) fn deleting<T>(
    engine: &Engine,
    work: impl FnOnce(&mut Deletion<'_>, &mut Locks) -> Result<T, DeleteError>,
) -> Result<T, DeleteError> {
    let mut locks = engine.lock_all()?;
    // Waiting for the last lock that is needed can still be cancelled; later nothing can.
    engine.catalog.mounts.wait()?;
    engine.check_cancelled()?;
    let mut deletion = Deletion {
        engine: &engine.uninterrupted(),
        trash: Trash::new(),
        has_note: false,
    };
    let outcome = work(&mut deletion, &mut locks);
    if outcome.is_ok() && deletion.has_note {
        // An intent that stays has no effect: the layers it names are gone.
        let io = &*engine.options.metadata_io;
        best_effort(Intent::remove(
            io,
            &engine.catalog.layout.layers,
            Durability::Durable,
        ));
    }
    drop(locks);
    // With the records the items are gone for every user of the store. What cannot be erased now is
    // left to the next writer, and the caller gets an error.
    let erased = match engine.erase(deletion.trash) {
        // The deletion is complete nevertheless, and the next writer erases the rest.
        Err(error) if is_cancelled(&error) => return outcome,
        erased => erased.map_err(DeleteError::Erase),
    };
    engine.erase_leftovers_by_writer();
    outcome.and_then(|value| erased.map(|()| value))
}

impl Deletion<'_> {
    /// Notes which layers go with an image, in case the deletion is interrupted. Without space for
    /// the note the deletion goes on without it.
    fn note_intent(&mut self, layers: &[LayerId], image: Option<ImageId>) {
        if layers.is_empty() && image.is_none() {
            return;
        }
        let intent = Intent {
            layers: layers.iter().rev().cloned().collect(),
            images: image.into_iter().collect(),
            deleting: true,
            ..Intent::default()
        };
        let io = &*self.engine.options.metadata_io;
        let published = intent.publish(io, &self.engine.catalog.layout.layers, Durability::Durable);
        self.has_note = published.is_ok();
    }

    /// Unmounts one layer, whatever its mount count.
    pub(crate) fn unmount_layer(&self, locks: &Locks, id: &LayerId) -> Result<(), DeleteError> {
        self.unmount(&locks.layers, &[id])
    }

    /// Refuses a layer that an image, a container or a child uses.
    pub(crate) fn require_unused(&self, locks: &Locks, id: &LayerId) -> Result<(), DeleteError> {
        if let Some(child) = by_key(&locks.layers, BY_PARENT, id.as_str()).first() {
            return Err(DeleteError::HasChildren {
                layer: id.clone(),
                child: child.id().clone(),
            });
        }
        let other_records = self.engine.catalog.other_records_if_readable()?;
        if let Some(child) = other_records.child_of_layer(id.as_str()) {
            let layer = id.clone();
            return Err(DeleteError::HasChildren { layer, child });
        }
        let images = by_key(&locks.images, BY_TOP_LAYER, id.as_str());
        if let Some(image) = images.iter().find(|image| image.top_layer() == Some(id)) {
            return Err(DeleteError::UsedByImage {
                layer: id.clone(),
                image: image.id().clone(),
            });
        }
        if let Some(container) = by_key(&locks.containers, BY_LAYER, id.as_str()).first() {
            return Err(DeleteError::UsedByContainer {
                layer: id.clone(),
                container: container.id().clone(),
            });
        }
        Ok(())
    }

    /// Deletes a layer that nothing uses. It is removed from the lists of mapped layers (copies of
    /// the top layer for other ID maps) of images.
    pub(crate) fn delete_unused_layer(
        &mut self,
        locks: &mut Locks,
        id: &LayerId,
    ) -> Result<(), DeleteError> {
        self.require_unused(locks, id)?;
        let images = by_key(&locks.images, BY_TOP_LAYER, id.as_str());
        self.delete_layers(locks, std::slice::from_ref(id))?;
        for image in images {
            let forget = |image: &mut Image| image.remove_mapped_layer(id);
            locks
                .images
                .update(image.id().as_str(), forget)
                .for_kind::<Image>()?;
        }
        Ok(locks.images.save().for_kind::<Image>()?)
    }

    /// Deletes layers, children before parents.
    pub(crate) fn delete_layers(
        &mut self,
        locks: &mut Locks,
        layers: &[LayerId],
    ) -> Result<(), DeleteError> {
        let moved = self.move_layers(locks, layers)?;
        forget_layers(locks, &moved)
    }

    /// Steps 3 and 4. Returns the layers that have a record.
    fn move_layers<'l>(
        &mut self,
        locks: &mut Locks,
        layers: &'l [LayerId],
    ) -> Result<Vec<&'l LayerId>, DeleteError> {
        let present: Vec<&LayerId> = layers
            .iter()
            .filter(|id| locks.layers.can_remove(id.as_str()))
            .collect();
        self.unmount(&locks.layers, &present)?;
        for id in &present {
            // A damaged record can be removed, but not changed.
            if matches!(own_by_id(&locks.layers, id.as_str()), Ok(Some(_))) {
                locks
                    .layers
                    .update(id.as_str(), Layer::set_incomplete)
                    .for_kind::<Layer>()?;
            }
        }
        locks.layers.save().for_kind::<Layer>()?;
        let failed = |layer: &LayerId, source| DeleteError::Driver {
            layer: layer.clone(),
            source: Box::new(source),
        };
        for id in &present {
            let moved = self.engine.move_out(id, &mut self.trash);
            moved.map_err(|source| failed(id, source))?;
        }
        let durable = present.iter().find(|id| !is_volatile(locks, id));
        if let Some(id) = durable {
            let synced = self.engine.sync_places(&[]);
            synced.map_err(|source| failed(id, source))?;
        }
        Ok(present)
    }

    /// Deletes an image without its layers: the record first, so that no record names missing data.
    pub(crate) fn delete_image(
        &mut self,
        locks: &mut Locks,
        image: &Arc<Image>,
    ) -> Result<(), DeleteError> {
        self.delete_image_by_id(locks, image.id().as_str())
    }

    fn delete_image_by_id(&mut self, locks: &mut Locks, id: &str) -> Result<(), DeleteError> {
        locks.images.remove(id).for_kind::<Image>()?;
        locks.images.save().for_kind::<Image>()?;
        self.delete_image_dirs(id)
    }

    /// Removes the record of a layer whose ID is invalid.
    fn delete_layer_record(&mut self, locks: &mut Locks, id: &str) -> Result<(), DeleteError> {
        locks.layers.remove(id).for_kind::<Layer>()?;
        Ok(locks.layers.save().for_kind::<Layer>()?)
    }

    fn delete_container(
        &mut self,
        locks: &mut Locks,
        container: &DeleteTarget<Container>,
    ) -> Result<(), DeleteError> {
        match container {
            DeleteTarget::Usable(container) => self.delete_usable_container(locks, container),
            DeleteTarget::Damaged(id) => self.delete_container_by_id(locks, id),
        }
    }

    /// Deletes a container: the contents of its layer first, so that a record still names them if
    /// they cannot be removed, and the layer's record last, so that no container is ever without a
    /// layer.
    pub(crate) fn delete_usable_container(
        &mut self,
        locks: &mut Locks,
        container: &Arc<Container>,
    ) -> Result<(), DeleteError> {
        let moved = self.move_layers(locks, std::slice::from_ref(container.layer()))?;
        self.delete_container_by_id(locks, container.id().as_str())?;
        forget_layers(locks, &moved)
    }

    fn delete_container_by_id(&mut self, locks: &mut Locks, id: &str) -> Result<(), DeleteError> {
        self.delete_container_dirs(id)?;
        locks.containers.remove(id).for_kind::<Container>()?;
        Ok(locks.containers.save().for_kind::<Container>()?)
    }

    fn delete_image_dirs(&mut self, id: &str) -> Result<(), DeleteError> {
        if id.parse::<ImageId>().is_err() {
            // No image keeps data under a name that is not an ID.
            return Ok(());
        }
        for dir in self.engine.catalog.layout.image_dirs() {
            self.engine.discard(dir, id.as_ref(), &mut self.trash)?;
        }
        Ok(remove_below(&self.engine.catalog.layout.run_images, id)?)
    }

    fn delete_container_dirs(&mut self, id: &str) -> Result<(), DeleteError> {
        if id.parse::<ContainerId>().is_err() {
            return Ok(());
        }
        self.engine.discard(
            &self.engine.catalog.layout.containers,
            id.as_ref(),
            &mut self.trash,
        )?;
        Ok(remove_below(
            &self.engine.catalog.layout.run_containers,
            id,
        )?)
    }

    /// Unmounts layers, whatever their mount counts.
    fn unmount(&self, held: &Locked<Layer>, layers: &[&LayerId]) -> Result<(), DeleteError> {
        if layers.is_empty() {
            return Ok(());
        }
        let driver = self.engine.driver();
        let mut counts = self.engine.catalog.mounts.write(held)?;
        for id in layers {
            match unmount_counted(self.engine, &*driver, &mut counts, id, Unmounting::Force) {
                Ok(_) | Err(MountError::NotMounted { .. }) => {}
                Err(error) => return Err(DeleteError::Unmount(Box::new(error))),
            }
        }
        Ok(())
    }

    /// Removes the contents of one layer without a record.
    pub(crate) fn delete_contents(&mut self, id: &LayerId) -> Result<(), DeleteError> {
        let moved = self.engine.move_out(id, &mut self.trash);
        moved.map_err(|source| DeleteError::Driver {
            layer: id.clone(),
            source: Box::new(source),
        })
    }

    /// Removes a file or a directory beside records.
    pub(crate) fn delete_file(&mut self, dir: &Dir, name: &OsStr) -> Result<(), DeleteError> {
        Ok(self.engine.discard(dir, name, &mut self.trash)?)
    }

    /// Removes all contents without a record.
    fn delete_unrecorded_layers(&mut self, locks: &Locks) -> Result<(), DeleteError> {
        let failed = |layer: &LayerId| {
            let layer = layer.clone();
            move |source| DeleteError::Driver {
                layer,
                source: Box::new(source),
            }
        };
        let held = self
            .engine
            .driver()
            .list()
            .map_err(DeleteError::List)?
            .unwrap_or_default();
        for id in held.iter().filter(|id| !locks.layers.is_own(id.as_str())) {
            self.engine
                .move_out(id, &mut self.trash)
                .map_err(failed(id))?;
        }
        Ok(())
    }
}

/// Step 6.
fn forget_layers(locks: &mut Locks, layers: &[&LayerId]) -> Result<(), DeleteError> {
    for id in layers {
        locks.layers.remove(id.as_str()).for_kind::<Layer>()?;
    }
    Ok(locks.layers.save().for_kind::<Layer>()?)
}

/// Tells whether the record of a layer is volatile: one that may be lost at a reboot.
fn is_volatile(locks: &Locks, id: &LayerId) -> bool {
    let own = locks.layers.own().enumerate();
    let mut placements = own.filter_map(|(store, (_, records))| {
        let location = records.location_of(id.as_str())?;
        Some(Placement { store, location })
    });
    placements.next() == Some(VOLATILE)
}
