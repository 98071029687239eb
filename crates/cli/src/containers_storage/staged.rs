//! `applydiff-using-staging-dir`: the content of a directory becomes the content of a layer.
//!
//! Go has this command to test partial pulls: it packs the directory as a zstd:chunked blob,
//! unpacks that with its code for partial pulls, and discards the blob. So it requires the option
//! of such pulls, and so do we.

use std::io::PipeReader;

use layerhold::{Error, ErrorKind, FilledTree, LayerAccess, LayerSpec, Store, TreeSpec};
use layerhold_archive::{PackError, PackOptions};
use layerhold_sys::{Dir, PathError};

use super::call::Call;
use crate::failure::Failure;
use crate::packing::{Interrupted, while_packing};

/// The option that enables partial pulls (Go: pkg/chunked/storage_linux.go,
/// `parsePullOptions`).
const PARTIAL: &str = "enable_partial_images";

/// Why the directory does not become a layer.
#[derive(Debug, thiserror::Error)]
enum StagedError {
    #[error("partial images are disabled")]
    Disabled,
    #[error("graph driver {0} does not support partial pull")]
    Driver(&'static str),
    #[error("cannot read the directory")]
    Directory(#[from] PathError),
    #[error("cannot create a pipe")]
    Pipe(#[source] std::io::Error),
    #[error("cannot read {path}")]
    Pack { path: String, source: PackError },
}

pub(crate) fn run(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let [key, directory] = call.operands else {
        return Ok(2);
    };
    let store = call.store;
    let is_enabled = store.pull_options().get(PARTIAL);
    if !is_enabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Err(Failure::value(StagedError::Disabled));
    }
    let source = call.environment.absolute(directory);
    let source =
        Dir::open_ambient(source).map_err(|error| Failure::value(StagedError::from(error)))?;
    match store.snapshot()?.layer(key) {
        Ok(layer) => {
            let tree = filled(store, TreeSpec::for_layer(&layer), &source)?;
            store.replace_tree(layer.id().as_str(), tree)?;
        }
        // A missing layer is created, with that ID.
        Err(error) if error.kind() == Some(ErrorKind::LayerUnknown) => {
            let spec = LayerSpec::new().id(key.parse().map_err(Failure::value)?);
            let tree = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
            let tree = filled(store, tree, &source)?;
            let mut transaction = store.begin()?;
            transaction.create_layer_from_tree(spec.read_only(), tree)?;
            transaction.commit()?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(0)
}

/// A staged tree with the content of a directory.
fn filled(store: &Store, spec: TreeSpec, source: &Dir) -> Result<FilledTree, Failure> {
    let tree = store.stage_tree(spec).map_err(|error| match error.kind() {
        Some(ErrorKind::NotSupported) => Failure::value(StagedError::Driver(store.driver_name())),
        _ => error.into(),
    })?;
    let read = |archive: PipeReader| tree.unpack_tar(archive);
    while_packing(source, &PackOptions::default(), read).map_err(|error| match error {
        Interrupted::Pipe(error) => Failure::value(StagedError::Pipe(error)),
        Interrupted::Pack(error) => Failure::value(StagedError::Pack {
            path: source.path().display().to_string(),
            source: error,
        }),
        Interrupted::Read(error) => Error::from(error).into(),
    })
}
