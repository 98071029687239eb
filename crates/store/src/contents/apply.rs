//! Unpacks a diff into an existing layer.
//!
//! The tree is changed in place, because it may be mounted; that needs no store lock. Then, under
//! the layers lock, the new tar-split file replaces the old one and the record is saved. A crash
//! before that leaves the old record with some of the new files, as in Go. A crash in between
//! leaves a tar-split file that is newer than the record.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use layerhold_driver::SyncMode;
use layerhold_ids::LayerId;
use layerhold_staging::TempRoot;
use layerhold_sys::PathError;

use crate::catalog::error::Conflict;
use crate::catalog::key::Key;
use crate::catalog::layout::tar_split_name;
use crate::catalog::locks::WithKind;
use crate::catalog::lookup::{by_id, lookup_to_change};
use crate::contents::error::DiffError;
use crate::contents::import::{Destination, ImportFailure, LayerDigests, import};
use crate::engine::Engine;
use crate::records::Layer;
use crate::records::kinds::ItemId;
use crate::spans::phase;

pub(crate) fn apply_diff(
    engine: &Engine,
    to: &Key<'_, LayerId>,
    reader: impl Read + Send,
) -> Result<u64, DiffError> {
    // The guard is dropped at once, so that a shutdown, or a mount by Go's tools, need not wait for
    // the unpacking.
    let driver = Arc::clone(&engine.use_driver()?.driver);
    let layer = lookup_to_change(&engine.catalog.read_layers()?, to)?;
    let id = layer.id();
    let failed = |source| DiffError::Driver {
        layer: id.clone(),
        source: Box::new(source),
    };
    let target = driver
        .apply_target(id, layer.mount_label())
        .map_err(failed)?;
    let area = TempRoot::new(engine.catalog.layout.temp_root())
        .begin()
        .map_err(DiffError::Staging)?;
    let tar_split = area.stage_addition();
    let destination = Destination {
        root: target.root().clone(),
        options: target.unpack_options(),
        maps: engine.owners_on_disk(&layer)?.maps,
        settle: &mut |unsettled| target.settle(unsettled),
    };
    let options = engine.options.import_options();
    let imported = import(reader, destination, &tar_split, &options, &mut |_| {
        ControlFlow::Continue(())
    })
    .map_err(|failure| match failure {
        ImportFailure::Import(source) => DiffError::Apply {
            layer: id.clone(),
            source,
        },
        ImportFailure::Driver(source) => failed(source),
        ImportFailure::Record(source) => DiffError::Record(source),
        ImportFailure::Os(source) => source.into(),
    })?;
    drop(target);
    if engine.sync == SyncMode::Filesystem {
        engine.flush_contents(&*driver).map_err(failed)?;
        let file = tar_split.area().open_file(tar_split.name())?;
        file.sync_data()
            .map_err(|cause| PathError::new("sync", tar_split.path(), cause))?;
    }
    let mut layers = engine.lock_layers()?;
    let _publishing = phase!("publish");
    if by_id(&layers, id.as_str())?.is_none() {
        return Err(Conflict::Gone {
            id: ItemId::Layer(id.clone()),
        }
        .into());
    }
    let name = tar_split_name(id);
    area.stage_deletion(&engine.catalog.layout.layers, &name)
        .map_err(|error| error.source)?;
    tar_split
        .commit(&engine.catalog.layout.layers, &name)
        .map_err(|error| error.source)?;
    engine.sync_places(&[]).map_err(failed)?;
    let digests = LayerDigests::of_import(&imported);
    let note = |layer: &mut Layer| digests.note(layer.record_mut(), &imported);
    layers.update(id.as_str(), note).for_kind::<Layer>()?;
    layers.save().for_kind::<Layer>()?;
    drop(layers);
    drop(area);
    Ok(imported.unpacked.bytes)
}
