//! Adds layers to a transaction.

use std::io;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use layerhold_archive::{Imported, PackOptions, pack};
use layerhold_driver::{
    LayerAccess, RemapRequest, StageRequest, StagedLayer as DriverLayer, SyncMode,
};
use layerhold_idmap::IdMappings;
use layerhold_ids::{DiffId, LayerId, dedupe_names};
use layerhold_schema::{LayerRecord, Timestamp, id_map_to_entries};
use layerhold_staging::StagedAddition;
use layerhold_sys::{Dir, copy_contents, stat_file};

use super::counting::UsageCount;
use super::staged::Presence;
use super::{NewLayer, StagedLayer, Transaction, check, fresh_id};
use crate::catalog::error::Conflict;
use crate::catalog::layout::FILE_MODE;
use crate::catalog::record_stores::{DURABLE, IMAGE_STORE, Placement, VOLATILE};
use crate::catalog::snapshot::Snapshot;
use crate::contents::additional_layer::AdditionalLayer;
use crate::contents::diff::open_tar_split;
use crate::contents::import::{Destination, LayerDigests, import};
use crate::contents::pipe::pipe;
use crate::contents::progress::ProgressAnswer;
use crate::records::Layer;
use crate::records::kinds::ItemId;
use crate::spans::{note_id, operation};
use crate::spec::error::StageError;
use crate::spec::layer_id::{NewLayerId, layer_id_of_contents};
use crate::spec::{IfPresent, LayerSpec};

impl Transaction {
    /// Imports a layer from a tar stream, plain or compressed with gzip, bzip2, xz or zstd.
    ///
    /// The stream is read once and to its end; both digests are computed on the way. No lock is
    /// held. An error of the reader ends the import; [`Store::with_cancel`](crate::Store::with_cancel)
    /// cancels it.
    ///
    /// Go: `Store.PutLayer`.
    ///
    /// # Errors
    ///
    /// [`StageError::Import`] for a stream that cannot be read or unpacked,
    /// [`StageError::Conflict`] and [`StageError::Lookup`] for IDs and names that are taken or
    /// missing. The latter are found before anything is read.
    pub fn import_layer(
        &mut self,
        spec: LayerSpec,
        reader: impl Read + Send,
    ) -> Result<StagedLayer, StageError> {
        self.import_layer_with(spec, reader, |_| ())
    }

    /// Imports a layer as [`import_layer`](Self::import_layer) does, and reports progress:
    /// `advance` is called now and then with the bytes read so far. It may answer with
    /// [`ControlFlow::Break`] to stop the import.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// use layerhold::{LayerSpec, Store, StageError};
    ///
    /// fn import_at_most(store: &Store, tar: impl std::io::Read + Send) -> Result<(), layerhold::Error> {
    ///     let mut tx = store.begin()?;
    ///     let imported = tx.import_layer_with(LayerSpec::new(), tar, |bytes| match bytes {
    ///         0..=1_000_000_000 => ControlFlow::Continue(()),
    ///         _ => ControlFlow::Break(()),
    ///     });
    ///     match imported {
    ///         Err(error) if error.is_cancelled() => eprintln!("the layer is too large"),
    ///         other => drop(other?),
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`import_layer`](Self::import_layer). The error of a stopped import is
    /// [cancelled](StageError::is_cancelled), and what was unpacked is erased.
    pub fn import_layer_with<A: ProgressAnswer>(
        &mut self,
        spec: LayerSpec,
        reader: impl Read + Send,
        mut advance: impl FnMut(u64) -> A,
    ) -> Result<StagedLayer, StageError> {
        let span = operation!("import_layer", kind = "layer");
        let plan = match self.plan_layer(spec)? {
            Planned::New(plan) => plan,
            Planned::Present(layer) => return Ok(layer),
        };
        let mut contents = self.stage_contents(&plan)?;
        let (imported, tar_split) = self.unpack(&plan, &mut *contents, reader, &mut |bytes| {
            advance(bytes).into_flow()
        })?;
        let digests = LayerDigests::of_import(&imported).with_trusted_size(&plan.spec);
        match self.identify(plan, Some(&digests.diff_id))? {
            Planned::New(plan) => {
                note_id(&span, &plan.id);
                self.add_layer(plan, contents, Some(tar_split), Some((imported, digests)))
            }
            Planned::Present(layer) => Ok(layer),
        }
    }

    /// Imports a layer with the contents of a directory of this machine, packed as `options` say.
    ///
    /// ```no_run
    /// use layerhold::layerhold_archive::PackOptions;
    /// use layerhold::{LayerSpec, Store};
    ///
    /// # fn example(store: &Store) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tx = store.begin()?;
    /// let spec = LayerSpec::new().id_of_contents().read_only();
    /// let layer = tx.import_directory(spec, "rootfs", &PackOptions::new())?;
    /// # drop(layer);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StageError::Access`] when the directory cannot be opened, and those of
    /// [`import_layer`](Self::import_layer); an error of packing is a cause of
    /// [`StageError::Import`].
    pub fn import_directory(
        &mut self,
        spec: LayerSpec,
        path: impl AsRef<Path>,
        options: &PackOptions,
    ) -> Result<StagedLayer, StageError> {
        let tree = Dir::open_ambient(path)?;
        let options = options.clone();
        let cancel = self.engine.options.cancel.clone();
        self.import_layer_from(spec, move |out| {
            let options = options.with_cancel(cancel);
            pack(&tree, &options, out)
                .map(drop)
                .map_err(io::Error::other)
        })
    }

    /// Imports a layer from a tar that `write` produces, in a thread of its own.
    ///
    /// ```no_run
    /// use layerhold::layerhold_archive::{PackOptions, pack};
    /// use layerhold::layerhold_sys::Dir;
    /// use layerhold::{LayerSpec, Store};
    ///
    /// # fn example(store: &Store) -> Result<(), Box<dyn std::error::Error>> {
    /// let tree = Dir::open_ambient("rootfs")?;
    /// let mut tx = store.begin()?;
    /// let layer = tx.import_layer_from(LayerSpec::new().id_of_contents(), |out| {
    ///     pack(&tree, &PackOptions::default(), out).map(drop).map_err(std::io::Error::other)
    /// })?;
    /// # drop(layer);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`import_layer`](Self::import_layer); an error of `write` is a cause of
    /// [`StageError::Import`].
    pub fn import_layer_from(
        &mut self,
        spec: LayerSpec,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    ) -> Result<StagedLayer, StageError> {
        let (mut out, reader) = pipe();
        std::thread::scope(|scope| {
            let work = move || {
                let outcome = write(&mut out);
                out.finish(outcome);
            };
            let thread = std::thread::Builder::new().name("layer tar".to_owned());
            // The import ends by reading to the end, or drops the reader, which stops the writer.
            drop(
                thread
                    .spawn_scoped(scope, work)
                    .map_err(StageError::Thread)?,
            );
            self.import_layer(spec, reader)
        })
    }

    /// Adds a layer without contents of its own: empty, or equal to its parent or template.
    ///
    /// Go: `Store.CreateLayer`.
    ///
    /// # Errors
    ///
    /// [`StageError::Conflict`] and [`StageError::Lookup`] for IDs and names that are taken or
    /// missing.
    pub fn create_layer(&mut self, spec: LayerSpec) -> Result<StagedLayer, StageError> {
        let span = operation!("create_layer", kind = "layer");
        let plan = match self.plan_layer(spec)? {
            Planned::New(plan) => plan,
            Planned::Present(layer) => return Ok(layer),
        };
        // A copy has the contents of its template.
        let diff_id = plan.template.as_ref().and_then(Layer::diff_id);
        let plan = match self.identify(plan, diff_id.as_ref())? {
            Planned::New(plan) => plan,
            Planned::Present(layer) => return Ok(layer),
        };
        note_id(&span, &plan.id);
        let contents = self.stage_contents(&plan)?;
        let tar_split = self.copy_tar_split(&plan)?;
        self.add_layer(plan, contents, tar_split, None)
    }

    /// Adds a layer whose contents stay in an additional layer store.
    ///
    /// Digests, sizes and owners come from the layer store. The specification sets ID, parent,
    /// names, metadata, flags, big data items and what to do if the ID is taken; the rest of it is
    /// ignored. The layer is always read-only.
    ///
    /// Go: `AdditionalLayer.PutAs`.
    ///
    /// # Errors
    ///
    /// [`StageError::Conflict`] and [`StageError::Lookup`] for IDs and names that are taken or
    /// missing; [`StageError::Driver`] for a specification with a template, and when the layer
    /// store no longer presents the layer.
    pub fn put_additional_layer(
        &mut self,
        layer: &AdditionalLayer,
        mut spec: LayerSpec,
    ) -> Result<StagedLayer, StageError> {
        let span = operation!("put_additional_layer", kind = "layer");
        spec.access = Some(LayerAccess::ReadOnly);
        let diff_id = layer.diff_id();
        let mut plan = match self.plan_identified(spec, diff_id.as_ref())? {
            Planned::New(plan) => plan,
            Planned::Present(layer) => return Ok(layer),
        };
        note_id(&span, &plan.id);
        let mut request = StageRequest::new().with_id(&plan.id);
        if let Some(parent) = &plan.spec.parent {
            request = request.with_parent(self.layer_ref(parent));
        }
        if let Some(template) = &plan.spec.template {
            request = request.with_template(self.layer_ref(template));
        }
        let contents = layer.stage(&request).map_err(StageError::Driver)?;
        // Owners and all facts about the contents come from the layer store.
        plan.maps = layer.id_maps();
        let known = layer.record_as(&plan.id);
        plan.template = Some(known.map_err(StageError::invalid(ItemId::Layer(plan.id.clone())))?);
        self.add_layer(plan, contents, None, None)
    }

    /// Checks a new layer for conflicts before any work is done.
    pub(super) fn plan_layer(&mut self, mut spec: LayerSpec) -> Result<Planned, StageError> {
        let view = self.engine.snapshot()?;
        spec.names = dedupe_names(std::mem::take(&mut spec.names));
        let (id, id_is_known) = match std::mem::take(&mut spec.id) {
            NewLayerId::Given(id) => (id, true),
            NewLayerId::Random => (fresh_id!(LayerId)?, true),
            NewLayerId::OfContents => match &spec.trusted_diff_id {
                Some(diff_id) => (layer_id_of_contents(spec.parent.as_ref(), diff_id), true),
                None => (fresh_id!(LayerId)?, false),
            },
        };
        let parent = match &spec.parent {
            Some(parent) => {
                // A container may be created from an image whose top layer belongs to another
                // container (Go: store.go, `PutLayer` checks this, `CreateContainer` does not).
                if !spec.of_container {
                    self.check_parent(&view, parent)?;
                }
                Some(self.layer_record(&view, parent)?)
            }
            None => None,
        };
        check::refuse_reserved(&spec.flags)?;
        // Checked after the parent, as in Go, so that the same one of several errors is reported.
        if let Some(present) = self.find_present(&view, &id, &spec)? {
            return Ok(Planned::Present(present));
        }
        self.check_layer_names(&view, &spec.names)?;
        let template = match &spec.template {
            Some(template) => Some(self.layer_record(&view, template)?),
            None => None,
        };
        let inherited = parent
            .as_ref()
            .map_or_else(|| self.engine.options.id_maps.clone(), Layer::id_maps);
        let mut maps = IdMappings::new(
            spec.id_maps.uids.resolve(&inherited.uids),
            spec.id_maps.gids.resolve(&inherited.gids),
        );
        if self.engine.driver().supports_shifting(&maps) {
            // Mounts shift the owners; on disk they stay as in the tar.
            maps = IdMappings::IDENTITY;
        }
        let parent_maps = parent.as_ref().map(Layer::id_maps);
        Ok(Planned::New(Box::new(Plan {
            id,
            id_is_known,
            spec,
            maps,
            parent_maps,
            template,
        })))
    }

    /// Plans a layer whose contents have a digest that is known already.
    pub(super) fn plan_identified(
        &mut self,
        spec: LayerSpec,
        diff_id: Option<&DiffId>,
    ) -> Result<Planned, StageError> {
        match self.plan_layer(spec)? {
            Planned::New(plan) => self.identify(plan, diff_id),
            present => Ok(present),
        }
    }

    /// Gives a layer the ID of its contents, if that is what it shall have. The store may have that
    /// layer; what is staged is dropped then.
    fn identify(
        &mut self,
        mut plan: Box<Plan>,
        diff_id: Option<&DiffId>,
    ) -> Result<Planned, StageError> {
        if plan.id_is_known {
            return Ok(Planned::New(plan));
        }
        let diff_id = diff_id.ok_or(StageError::NoContents)?;
        plan.id = layer_id_of_contents(plan.spec.parent.as_ref(), diff_id);
        plan.id_is_known = true;
        let view = self.engine.snapshot()?;
        match self.find_present(&view, &plan.id, &plan.spec)? {
            // An ID is only a name: the digest tells whether it is the same layer.
            Some(present)
                if present
                    .digests()
                    .is_some_and(|known| known.diff_id == *diff_id) =>
            {
                Ok(Planned::Present(present))
            }
            Some(_) => Err(Conflict::OtherContents { id: plan.id }.into()),
            None => Ok(Planned::New(plan)),
        }
    }

    /// Finds an existing layer to use instead of a new one.
    fn find_present(
        &mut self,
        view: &Snapshot,
        id: &LayerId,
        spec: &LayerSpec,
    ) -> Result<Option<StagedLayer>, StageError> {
        let taken = || Conflict::Id {
            id: ItemId::Layer(id.clone()),
        };
        let known = match self.new_layer(id) {
            Some(new) => Some(new.record.clone()),
            // An incomplete layer does not count: the next writer removes it.
            None => view.layer_by_id(id)?.map(|layer| (*layer).clone()),
        };
        let Some(known) = known else { return Ok(None) };
        if spec.if_present == IfPresent::Refuse {
            return Err(taken().into());
        }
        if known.parent() != spec.parent.as_ref() {
            return Err(Conflict::OtherParent { id: id.clone() }.into());
        }
        let layer = match self.staged_layer(id) {
            Some(layer) => layer.clone(),
            None => StagedLayer::new(id.clone(), Presence::Found, LayerDigests::of_record(&known)),
        };
        if self.staged_layer(id).is_none() {
            self.staged.push(layer.clone());
        }
        Ok(Some(layer))
    }

    /// Lets the driver prepare the tree: a copy of the template or parent, or an empty one.
    pub(super) fn stage_contents(&self, plan: &Plan) -> Result<Box<dyn DriverLayer>, StageError> {
        let mut request = StageRequest::new()
            .with_id(&plan.id)
            .with_access(plan.spec.access())
            .with_mount_label(&plan.spec.mount_label)
            .with_id_maps(plan.maps.clone())
            .with_storage_options(plan.spec.storage_options.clone());
        if let Some(parent) = &plan.spec.parent {
            request = request.with_parent(self.layer_ref(parent));
        }
        if let Some(template) = &plan.spec.template {
            request = request.with_template(self.layer_ref(template));
        }
        let mut contents = self
            .engine
            .driver()
            .stage(&request)
            .map_err(StageError::Driver)?;
        let before = plan
            .template
            .as_ref()
            .map(Layer::id_maps)
            .or_else(|| plan.parent_maps.clone());
        if let Some(before) = before.filter(|before| *before != plan.maps) {
            let request =
                RemapRequest::new(&before, &plan.maps).with_mount_label(&plan.spec.mount_label);
            contents.remap(&request).map_err(StageError::Driver)?;
        }
        Ok(contents)
    }

    /// Unpacks the stream in one pass, which yields both digests, the tar-split file and the tree.
    fn unpack(
        &mut self,
        plan: &Plan,
        contents: &mut dyn DriverLayer,
        reader: impl Read + Send,
        advance: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(Imported, StagedAddition), StageError> {
        let tar_split = self.area.addition()?;
        let destination = Destination {
            root: contents.root().clone(),
            options: contents.unpack_options(),
            maps: plan.maps.clone(),
            settle: &mut |unsettled| contents.settle(unsettled),
        };
        let options = plan.spec.import_options(&self.engine.options);
        let imported = import(reader, destination, &tar_split, &options, advance)?;
        Ok((imported, tar_split))
    }

    /// Copies the tar-split file of a template, which is valid for the copied contents too.
    fn copy_tar_split(&mut self, plan: &Plan) -> Result<Option<StagedAddition>, StageError> {
        let Some(template) = &plan.spec.template else {
            return Ok(None);
        };
        let source = match self.new_layer(template) {
            Some(new) => new
                .tar_split
                .as_ref()
                .map(|staged| staged.area().open_file(staged.name()))
                .transpose()?,
            None => {
                let engine = &self.engine;
                open_tar_split(engine, &engine.catalog.read_layers()?, template)?
            }
        };
        let Some(source) = source else {
            return Ok(None);
        };
        let addition = self.area.addition()?;
        let stat = stat_file(&source)?;
        copy_contents(&source, &addition.create_file(FILE_MODE)?, &stat)?;
        Ok(Some(addition))
    }

    fn add_layer(
        &mut self,
        plan: Box<Plan>,
        contents: Box<dyn DriverLayer>,
        tar_split: Option<StagedAddition>,
        imported: Option<(Imported, LayerDigests)>,
    ) -> Result<StagedLayer, StageError> {
        let data = self.area.data_items(&plan.spec.big_data)?;
        let mut record = plan.record();
        let digests = imported.map(|(imported, digests)| {
            digests.note(&mut record, &imported);
            digests
        });
        let record =
            Layer::new(record).map_err(StageError::invalid(ItemId::Layer(plan.id.clone())))?;
        let tar_split_of_import = tar_split.as_ref().filter(|_| digests.is_some());
        let counting = tar_split_of_import.and_then(|file| self.count(&record, &*contents, file));
        let layer = StagedLayer::new(plan.id.clone(), Presence::New, digests);
        self.layers.push(NewLayer {
            counting,
            record,
            placement: self.placement_for(&plan.spec),
            contents,
            tar_split,
            data,
            if_present: plan.spec.if_present,
            parent_maps: plan.parent_maps,
            area_of_tree: None,
        });
        self.staged.push(layer.clone());
        Ok(layer)
    }

    /// Returns where the record is put (Go: layers.go, `pickStoreLocation`).
    pub(super) fn placement_for(&self, spec: &LayerSpec) -> Placement {
        if spec.volatile {
            return VOLATILE;
        }
        match (spec.access(), &self.engine.catalog.layout.image_store) {
            (LayerAccess::ReadOnly, Some(_)) => IMAGE_STORE,
            _ => DURABLE,
        }
    }

    /// Refuses an ID that a layer of the transaction or the store has.
    pub(super) fn layer_id_is_free(&self, view: &Snapshot, id: &LayerId) -> Result<(), Conflict> {
        if self.new_layer(id).is_some() {
            return Err(Conflict::Id {
                id: ItemId::Layer(id.clone()),
            });
        }
        check::id_is_free(&view.layers, id.as_str())
    }

    /// Starts counting the disk usage of an imported layer. This is free while the commit waits for
    /// the flush. Without a flush, the layer is counted when its usage is asked for.
    pub(super) fn count(
        &self,
        record: &Layer,
        contents: &dyn DriverLayer,
        tar_split: &StagedAddition,
    ) -> Option<UsageCount> {
        if self.engine.sync == SyncMode::None {
            return None;
        }
        let stat = tar_split.area().stat(tar_split.name()).ok()??;
        let cancel = &self.engine.options.cancel;
        Some(UsageCount::start(
            record,
            contents.root(),
            stat.size,
            cancel,
        ))
    }
}

/// A planned layer: a new one, or an existing one to use instead.
pub(super) enum Planned {
    New(Box<Plan>),
    Present(StagedLayer),
}

/// A new layer without conflicts.
pub(super) struct Plan {
    /// The ID; provisional until it is known.
    pub(super) id: LayerId,
    /// Whether the ID is final. One that derives from the contents is known after the import.
    id_is_known: bool,
    pub(super) spec: LayerSpec,
    pub(super) maps: IdMappings,
    pub(super) parent_maps: Option<IdMappings>,
    pub(super) template: Option<Layer>,
}

impl Plan {
    pub(super) fn record(&self) -> LayerRecord {
        let spec = &self.spec;
        let mut record = match &self.template {
            // A copy has the same tar as its template (Go: layers.go, `create`).
            Some(template) => {
                let from = template.record();
                LayerRecord {
                    metadata: from.metadata.clone(),
                    compressed_diff_digest: from.compressed_diff_digest.clone(),
                    compressed_size: from.compressed_size,
                    diff_digest: from.diff_digest.clone(),
                    toc_digest: from.toc_digest.clone(),
                    diff_size: from.diff_size,
                    compression: from.compression,
                    uid_set: from.uid_set.clone(),
                    gid_set: from.gid_set.clone(),
                    ..LayerRecord::default()
                }
            }
            None => LayerRecord::default(),
        };
        if !spec.metadata.is_empty() {
            record.metadata.clone_from(&spec.metadata);
        }
        record.id = self.id.to_string();
        record.names.clone_from(&spec.names);
        record.parent = spec
            .parent
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        record.mount_label.clone_from(&spec.mount_label);
        record.created = Timestamp::now();
        record.flags = spec.flags.clone();
        record.uid_map = id_map_to_entries(&self.maps.uids);
        record.gid_map = id_map_to_entries(&self.maps.gids);
        record.big_data_names = spec.big_data.iter().map(|item| item.key.clone()).collect();
        record
    }
}

impl LayerSpec {
    /// Describes a layer for a container.
    pub(super) fn for_container() -> Self {
        let mut spec = Self::new();
        spec.access = Some(LayerAccess::ReadWrite);
        spec.of_container = true;
        spec
    }
}
