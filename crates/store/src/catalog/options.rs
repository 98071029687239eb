//! How a catalog is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_sys::{Cancel, MetadataIo};

use crate::catalog::transient::Persistence;

/// How a catalog is opened.
#[derive(Debug)]
pub(crate) struct CatalogOptions<'a> {
    pub(crate) graph_root: &'a Path,
    /// The graph driver's name, with which the names of directories begin.
    pub(crate) driver: &'a str,
    /// The roots of additional stores, each once and without those that are written.
    pub(crate) additional: Vec<PathBuf>,
    pub(crate) persistence: Persistence,
    pub(crate) io: Arc<dyn MetadataIo>,
    pub(crate) cancel: Cancel,
}
