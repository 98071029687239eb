//! Finds files that may belong to records which this store cannot see.
//!
//! Not everything in a graph root has its record there or below the run root of this store:
//!
//! - the tar-split file and the big data items of a layer can be in the graph root, its record and
//!   its contents in an image store;
//! - a caller can keep files in the directory of an image of an additional store;
//! - contents and directories of containers can be in the graph root, their records below the run
//!   root of a transient store.
//!
//! Without a record these look like garbage. They are kept unless a foreign record can be ruled
//! out. Records below a run root do not survive a reboot, so a container directory that is older
//! than the last boot belongs to no such record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use layerhold_ids::{LayerId, is_canonical_id};
use layerhold_sys::{Dir, PathError, Stat, boot_time};

use crate::catalog::layout::USER_DATA;
use crate::engine::Engine;
use crate::mount::kernel_table::{home_of_mounts, mounted_anywhere};

/// What may belong to containers that are recorded below another run root.
#[derive(Debug, Default)]
pub(crate) struct ForeignItems {
    container_dirs: BTreeSet<String>,
    /// Where the driver mounts layers.
    home: Option<PathBuf>,
    /// The layers that are mounted in any mount namespace, filled on first use; `None` when that
    /// cannot be found out.
    mounted: OnceLock<Option<BTreeMap<LayerId, PathBuf>>>,
}

/// Lists the container directories that this store has no record of.
pub(crate) fn foreign_items(
    engine: &Engine,
    is_recorded: &dyn Fn(&str) -> bool,
) -> Result<ForeignItems, PathError> {
    let mut container_dirs = BTreeSet::new();
    let dir = &engine.catalog.layout.containers;
    let start = boot_time();
    for entry in dir.entries()? {
        let name = entry?.name;
        let id = name
            .to_str()
            .filter(|id| is_canonical_id(id) && !is_recorded(id));
        let Some(id) = id else { continue };
        let is_young = |stat: &Stat| start.is_none_or(|start| stat.mtime.seconds >= start);
        if dir.stat(id)?.is_some_and(|stat| is_young(&stat)) && holds_any(dir, id)? {
            container_dirs.insert(id.to_owned());
        }
    }
    Ok(ForeignItems {
        container_dirs,
        home: home_of_mounts(engine),
        mounted: OnceLock::new(),
    })
}

impl ForeignItems {
    /// Tells whether a container directory without a record may be a foreign one.
    pub(crate) fn may_include_container(&self, id: &str) -> bool {
        self.container_dirs.contains(id)
    }

    /// Tells whether contents without a record may be foreign. The layer of a foreign container is
    /// unknown, so with one of these every layer may be its own.
    pub(crate) fn may_include_layer(&self, id: &LayerId) -> bool {
        !self.container_dirs.is_empty() || self.may_be_mounted(id)
    }

    fn may_be_mounted(&self, id: &LayerId) -> bool {
        let Some(home) = &self.home else { return false };
        let mounted = self.mounted.get_or_init(|| mounted_anywhere(home).ok());
        mounted
            .as_ref()
            .is_none_or(|layers| layers.contains_key(id))
    }
}

/// Tells whether a caller keeps files in the directory of an image. Callers also do this for images
/// of other stores.
pub(crate) fn holds_files_of_a_caller(images: &Dir, id: &str) -> Result<bool, PathError> {
    match images.open_dir(id) {
        Ok(dir) if dir.exists(USER_DATA)? => holds_any(&dir, USER_DATA),
        Ok(_) => Ok(false),
        Err(error) if error.is_not_found() || is_no_dir(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn holds_any(dir: &Dir, name: &str) -> Result<bool, PathError> {
    match dir.open_dir(name) {
        Ok(dir) => Ok(dir.entries()?.next().transpose()?.is_some()),
        Err(error) if error.is_not_found() || is_no_dir(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_no_dir(error: &PathError) -> bool {
    error.kind() == std::io::ErrorKind::NotADirectory
}
