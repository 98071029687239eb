//! Adds containers to a transaction.

use layerhold_idmap::{IdMap, IdMappingOptions, IdMappings, MapChoice};
use layerhold_ids::{ContainerId, ImageId, LayerId, dedupe_names};
use layerhold_schema::{ContainerRecord, Timestamp, id_map_to_entries};
use layerhold_selinux::{ChosenLabels, Labels};

use super::staged::StagedContainer;
use super::{
    MappedLayer, NewContainer, Transaction, check, container_id, fresh_id, name_conflict,
    unknown_layer,
};
use crate::catalog::error::Conflict;
use crate::catalog::record_stores::{DURABLE, Records, VOLATILE};
use crate::catalog::snapshot::Snapshot;
use crate::catalog::transient::Persistence;
use crate::records::big_data_item::{BigDataItem, digest_of, note_container_item};
use crate::records::{Container, Image, Layer};
use crate::spans::{note_id, operation};
use crate::spec::error::StageError;
use crate::spec::layer_id::NewLayerId;
use crate::spec::{ContainerSpec, LayerSpec};

impl Transaction {
    /// Adds a container and the layer it writes to.
    ///
    /// The parent of that layer is the top layer of the image, or a copy of it with the owners of
    /// the container's ID maps. Such a copy is noted in the image and reused for containers with
    /// the same maps.
    ///
    /// Go: `Store.CreateContainer`.
    ///
    /// # Errors
    ///
    /// [`StageError::Lookup`] when the image is neither in the store nor in the transaction;
    /// [`StageError::Conflict`] when an ID or a name is taken; [`StageError::Mappings`] for maps
    /// that overlap; [`StageError::UserNs`] when no user namespace can be chosen;
    /// [`StageError::Labels`] and [`StageError::LabelOptions`].
    pub fn create_container(&mut self, spec: ContainerSpec) -> Result<StagedContainer, StageError> {
        let was_choosing = self.choosing.is_some();
        let outcome = self.add_container(spec);
        if outcome.is_err() && !was_choosing {
            self.choosing = None;
        }
        outcome
    }

    fn add_container(&mut self, mut spec: ContainerSpec) -> Result<StagedContainer, StageError> {
        let span = operation!("create_container", kind = "container");
        let view = self.engine.snapshot()?;
        spec.volatile |= self.engine.options.persistence == Persistence::Transient;
        spec.names = dedupe_names(std::mem::take(&mut spec.names));
        let id = match spec.id.take() {
            Some(id) => id,
            None => fresh_id!(ContainerId)?,
        };
        note_id(&span, &id);
        check::refuse_reserved(&spec.flags)?;
        self.check_container(&view, &id, &spec.names)?;
        if let Some(choice) = spec.auto_userns.take() {
            spec.id_maps = self.choose_maps(&view, spec.image.as_ref(), &choice)?;
        }
        let own_maps = explicit_maps(&spec.id_maps);
        own_maps
            .uids
            .check_overlaps()
            .map_err(StageError::Mappings)?;
        own_maps
            .gids
            .check_overlaps()
            .map_err(StageError::Mappings)?;
        let ChosenLabels { labels, pattern } = self.choose_labels(&view, &spec)?;
        let parent = self.parent_for(&view, &spec, &own_maps)?;
        let layer = self.container_layer(&spec, &labels, parent)?;
        let mut items = std::mem::take(&mut spec.big_data);
        for item in &mut items {
            item.digest.get_or_insert_with(|| digest_of(&item.data));
        }
        let data = self.area.data_items(&items)?;
        let record = record_of(&id, &layer, &spec, &labels, &own_maps, &items);
        self.containers.push(NewContainer {
            record: Container::new(record).map_err(StageError::invalid(container_id(&id)))?,
            placement: if spec.volatile { VOLATILE } else { DURABLE },
            data,
            pattern,
        });
        Ok(StagedContainer { id, layer })
    }

    fn check_container(
        &self,
        view: &Snapshot,
        id: &ContainerId,
        names: &[String],
    ) -> Result<(), Conflict> {
        if self.containers.iter().any(|new| new.record.id() == id) {
            return Err(Conflict::Id {
                id: container_id(id),
            });
        }
        check::id_is_free(&view.containers, id.as_str())?;
        for name in names {
            if let Some(new) = self
                .containers
                .iter()
                .find(|new| new.record.names().contains(name))
            {
                return Err(name_conflict(name, container_id(new.record.id())));
            }
            check::name_is_free(&view.containers, name)?;
        }
        Ok(())
    }

    /// Returns the top layer of an image, or a copy of it, that has no ID maps. If there is none, a
    /// copy is added and noted in the image. An image of an additional store cannot note a copy:
    /// then the layer with ID maps is returned. `None` for an image without layers.
    pub(crate) fn unmapped_top_layer(
        &mut self,
        image: &ImageId,
    ) -> Result<Option<LayerId>, StageError> {
        let view = self.engine.snapshot()?;
        let host = IdMappingOptions {
            uids: MapChoice::Host,
            gids: MapChoice::Host,
        };
        let spec = ContainerSpec::new().image(image.clone()).id_maps(host);
        self.parent_for(&view, &spec, &IdMappings::IDENTITY)
    }

    /// Returns the parent for the container's layer, if it has an image with layers.
    fn parent_for(
        &mut self,
        view: &Snapshot,
        spec: &ContainerSpec,
        maps: &IdMappings,
    ) -> Result<Option<LayerId>, StageError> {
        let Some(image) = &spec.image else {
            return Ok(None);
        };
        let image = self.image_record(view, image)?;
        let Some(top) = image.top_layer() else {
            return Ok(None);
        };
        let mut first: Option<Layer> = None;
        for candidate in std::iter::once(top).chain(image.mapped_layers()) {
            let Ok(layer) = self.layer_record(view, candidate) else {
                continue;
            };
            if self.can_be_parent(&layer, maps, &spec.id_maps) {
                return Ok(Some(layer.id().clone()));
            }
            first.get_or_insert(layer);
        }
        let first = first.ok_or_else(|| unknown_layer(top))?;
        if !self.is_own(view, &image, &first) {
            // An image of an additional store cannot note a copy, so the container's own layer gets
            // the maps (Go: store.go, `imageTopLayerForMapping`).
            return Ok(Some(first.id().clone()));
        }
        self.mapped_copy(&image, &first, spec).map(Some)
    }

    /// Tells whether both the image and the layer are in this store.
    fn is_own(&self, view: &Snapshot, image: &Image, layer: &Layer) -> bool {
        let (image, layer) = (image.id(), layer.id());
        (self.new_image(image).is_some() || view.images.is_own(image.as_str()))
            && (self.new_layer(layer).is_some() || view.layers.is_own(layer.as_str()))
    }

    /// Tells whether a container with these maps can use a layer as its parent without a copy (Go:
    /// store.go, `imageTopLayerForMapping`).
    fn can_be_parent(&self, layer: &Layer, maps: &IdMappings, choice: &IdMappingOptions) -> bool {
        let of_layer = layer.id_maps();
        if of_layer.is_identity() && self.engine.driver().supports_shifting(maps) {
            return true;
        }
        let wanted_host = (choice.uids == MapChoice::Host && !of_layer.uids.is_identity())
            || (choice.gids == MapChoice::Host && !of_layer.gids.is_identity());
        !wanted_host && of_layer == *maps
    }

    /// Adds a copy of an image's top layer with the ID maps asked for.
    fn mapped_copy(
        &mut self,
        image: &Image,
        layer: &Layer,
        spec: &ContainerSpec,
    ) -> Result<LayerId, StageError> {
        let mut copy = LayerSpec::new()
            .template(layer.id().clone())
            .mount_label(layer.mount_label())
            .read_only();
        copy.parent = layer.parent().cloned();
        copy.id_maps = maps_for_copy(&spec.id_maps);
        let copy = self.create_layer(copy)?;
        self.mapped.push(MappedLayer {
            image: image.id().clone(),
            layer: copy.id().clone(),
        });
        if let Some(new) = self
            .images
            .iter_mut()
            .find(|new| new.record.id() == image.id())
        {
            new.record.add_mapped_layer(copy.id());
        }
        Ok(copy.id().clone())
    }

    fn container_layer(
        &mut self,
        spec: &ContainerSpec,
        labels: &Labels,
        parent: Option<LayerId>,
    ) -> Result<LayerId, StageError> {
        let mut layer = LayerSpec::for_container().mount_label(labels.mount.as_str());
        if let Some(id) = &spec.layer {
            layer.id = id.clone().into();
        }
        layer.parent = parent;
        layer.id_maps = spec.id_maps.clone();
        layer.storage_options = spec.storage_options.clone();
        layer.volatile = spec.volatile;
        if let NewLayerId::Given(id) = &layer.id {
            let view = self.engine.snapshot()?;
            self.layer_id_is_free(&view, id)?;
        }
        Ok(self.create_layer(layer)?.id().clone())
    }

    /// Returns the record of an image of this transaction or of the store.
    pub(super) fn image_record(&self, view: &Snapshot, id: &ImageId) -> Result<Image, StageError> {
        if let Some(new) = self.new_image(id) {
            return Ok(new.record.clone());
        }
        Ok((*crate::catalog::lookup::require(&view.images, id.as_str())?).clone())
    }
}

/// Returns the maps that were given as ranges; every other choice counts as none (Go: store.go,
/// `CreateContainer`).
fn explicit_maps(options: &IdMappingOptions) -> IdMappings {
    let map = |choice: &MapChoice| choice.resolve(&IdMap::IDENTITY);
    IdMappings::new(map(&options.uids), map(&options.gids))
}

/// Returns the maps for a copy of the top layer: the given ranges, otherwise none.
fn maps_for_copy(options: &IdMappingOptions) -> IdMappingOptions {
    let choice = |choice: &MapChoice| match choice {
        MapChoice::Inherit => MapChoice::Host,
        given => given.clone(),
    };
    IdMappingOptions {
        uids: choice(&options.uids),
        gids: choice(&options.gids),
    }
}

fn record_of(
    id: &ContainerId,
    layer: &LayerId,
    spec: &ContainerSpec,
    labels: &Labels,
    maps: &IdMappings,
    items: &[BigDataItem],
) -> ContainerRecord {
    let mut record = ContainerRecord {
        id: id.to_string(),
        names: spec.names.clone(),
        image: spec
            .image
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        layer: layer.to_string(),
        metadata: spec.metadata.clone(),
        created: Timestamp::now(),
        uid_map: id_map_to_entries(&maps.uids),
        gid_map: id_map_to_entries(&maps.gids),
        flags: spec.flags.clone(),
        ..ContainerRecord::default()
    };
    record.set_labels(&labels.mount, &labels.process);
    if !spec.mount_options.is_empty() {
        record.set_mount_options(&spec.mount_options);
    }
    if spec.volatile {
        record.mark_volatile();
    }
    for item in items {
        note_container_item(&mut record, item);
    }
    record
}
