//! What may belong to an opening of the store that this one knows nothing of.
//!
//! Not all that lies in a graph root has its record there or below the run root that was named:
//!
//! - a tar-split file and data items of a layer are in the graph root, its record and its contents
//!   in an image store;
//! - files of a caller are beside the images of an additional store;
//! - contents and directories of containers are in the graph root, their records below the run root
//!   of a transient opening.
//!
//! Without a record those look like garbage. They are none as long as this cannot be ruled out.
//! Records below a run root do not outlive the machine, so a directory of a container that is older
//! than that is nothing of a running one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use layerhold_ids::{LayerId, is_canonical_id};
use layerhold_sys::{Dir, PathError, Stat, boot_time};

use crate::catalog::layout::USER_DATA;
use crate::engine::Engine;
use crate::mount::kernel_table::{home_of_mounts, mounted_anywhere};

/// What may belong to containers that are recorded below a run root which was not named.
#[derive(Debug, Default)]
pub(crate) struct ForeignItems {
    container_dirs: BTreeSet<String>,
    /// Where the driver mounts layers.
    home: Option<PathBuf>,
    /// The layers that are mounted, in whatever mount namespace; `None` when that cannot be told.
    /// Looked for when asked for.
    mounted: OnceLock<Option<BTreeMap<LayerId, PathBuf>>>,
}

/// Looks for directories of containers that this opening has no record of, and for layers that
/// are mounted.
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
    /// Tells whether a directory of a container that has no record may be a stranger's.
    pub(crate) fn may_include_container(&self, id: &str) -> bool {
        self.container_dirs.contains(id)
    }

    /// Tells whether contents without a record may be a stranger's. Which layer a container has
    /// that is not known cannot be told.
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

/// Tells whether a caller keeps files in the directory of an image, as callers also do beside
/// images of other stores.
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
