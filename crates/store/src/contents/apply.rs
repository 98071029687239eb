//! Unpacking a diff into a layer that is there already.
//!
//! The tree is changed in place, because it may be mounted; that takes no store lock. Then, under
//! the layers lock, the new tar-split file replaces the old one, and the record is saved. A crash
//! before leaves the layer's old record with more or fewer of the new files, as it does in Go; a
//! crash between leaves a tar-split file that is newer than the record.

use crate::engine::Engine;
use std::io::{BufWriter, Read};
use std::sync::Arc;

use layerhold_archive::{ImportOptions, OwnFiles, Unpacker, import};
use layerhold_driver::SyncMode;
use layerhold_staging::TempRoot;
use layerhold_sys::PathError;
use layerhold_tar_split::Recorder;

use crate::catalog::error::Conflict;
use crate::catalog::files;
use crate::catalog::layout::{FILE_MODE, tar_split_name};
use crate::catalog::locks::InContext;
use crate::catalog::lookup::{by_id, lookup_to_change};
use crate::contents::error::DiffError;
use crate::records::Layer;
use crate::records::kinds::ItemId;

use crate::transaction::{digests_of_import, note_imported};

pub(crate) fn apply_diff(
    engine: &Engine,
    to: &str,
    reader: impl Read + Send,
) -> Result<u64, DiffError> {
    let engine = &engine;
    // Not held on to: who waits to shut the store down, or to mount with Go's tools, need not
    // wait for the unpacking.
    let driver = Arc::clone(&engine.use_driver()?.driver);
    let layer = lookup_to_change(&engine.catalog.layers_view()?, to)?;
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
    let mut recorder = Recorder::new(BufWriter::new(tar_split.create_file(FILE_MODE)?));
    let mut unpack_options = target.unpack_options();
    unpack_options.id_maps = engine.owners_on_disk(&layer)?.maps;
    unpack_options.own_files = OwnFiles::Keep;
    let unpacker = Unpacker::new(target.root(), unpack_options)?;
    let imported =
        import(reader, &mut recorder, unpacker, &ImportOptions::default()).map_err(|source| {
            DiffError::Apply {
                layer: id.clone(),
                source: Box::new(source),
            }
        })?;
    files::finish(recorder, &tar_split.path()).map_err(DiffError::Record)?;
    target
        .settle(&imported.unpacked.unsettled)
        .map_err(failed)?;
    drop(target);
    if engine.sync == SyncMode::Filesystem {
        driver.sync().map_err(failed)?;
        let file = tar_split.area().open_file(tar_split.name())?;
        file.sync_data()
            .map_err(|cause| PathError::new("sync", tar_split.path(), cause))?;
    }
    let mut layers = engine.lock_layers()?;
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
    let digests = digests_of_import(&imported);
    let note = |layer: &mut Layer| note_imported(layer.record_mut(), &imported, &digests);
    layers.update(id.as_str(), note).of::<Layer>()?;
    layers.save().of::<Layer>()?;
    drop(layers);
    drop(area);
    Ok(imported.unpacked.bytes)
}
