//! Names of the files and directories of a store.
//!
//! ```text
//! GRAPH/storage.lock                         the lock of the graph driver
//! GRAPH/userns.lock                          the lock of automatically chosen ID ranges
//! GRAPH/DRIVER-layers/layers.lock            and layers.json, volatile-layers.json
//! GRAPH/DRIVER-layers/ID.tar-split.gz        the tar-split of a layer
//! GRAPH/DRIVER-layers/ID/                    big data items of a layer
//! GRAPH/DRIVER-layers/tmp/                   temporary areas
//! GRAPH/DRIVER-layers/layerhold-intent.json  our own: the intent file of an unfinished commit (see `intent`)
//! GRAPH/DRIVER-layers/layerhold-usage.jsonl  our own: the disk usage of layers (see `usage::counters`)
//! GRAPH/DRIVER-images/images.lock            and images.json
//! GRAPH/DRIVER-images/ID/                    big data items of an image, and `userdata`
//! GRAPH/DRIVER-containers/                   the same for containers, with volatile-containers.json
//! RUN/DRIVER-layers/mountpoints.lock         and mountpoints.json, layerhold-mountpoints.json (see `mount_counts`)
//! RUN/DRIVER-containers/ID/userdata          run-time files of a container
//! RUN/DRIVER-locks/DIGEST                    locks by digest
//! ```
//!
//! In a transient store, `containers.lock`, `volatile-containers.json` and `volatile-layers.json`
//! are below the run root.
//!
//! A separate image store has the driver's contents of image layers and these (Go: store.go,
//! layers.go):
//!
//! ```text
//! IMAGES/DRIVER-layers/layers.lock           and layers.json, of image layers; their files stay in GRAPH/DRIVER-layers
//! IMAGES/DRIVER-layers/tmp/                  temporary areas
//! IMAGES/DRIVER-images/                      new images; those in GRAPH/DRIVER-images are still there to be used
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use layerhold_ids::LayerId;
use layerhold_sys::{Dir, Result};

/// The mode of every directory that is not the driver's.
pub(crate) const DIR_MODE: u32 = 0o700;
/// The mode of record files and of every file beside them.
pub(crate) const FILE_MODE: u32 = 0o600;
/// The lock of the graph root.
pub(crate) const STORAGE_LOCK: &str = "storage.lock";
/// The lock of automatically chosen ID ranges.
pub(crate) const USERNS_LOCK: &str = "userns.lock";
/// The directory of temporary areas, below the layers directory.
pub(crate) const TEMP_DIR: &str = "tmp";
/// The directory of the caller's files, below that of an image or container.
pub(crate) const USER_DATA: &str = "userdata";
/// The suffix of a tar-split file's name, after the layer ID.
pub(crate) const TAR_SPLIT_SUFFIX: &str = ".tar-split.gz";

/// The directories that a store has for one graph driver.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Records of layers, and the files beside the contents of all layers.
    pub(crate) layers: Dir,
    /// Images in the graph root.
    pub(crate) images: Dir,
    pub(crate) containers: Dir,
    /// The directories in the image store, if there is one.
    pub(crate) image_store: Option<ImageStoreDirs>,
    pub(crate) run_layers: PathBuf,
    pub(crate) run_images: PathBuf,
    pub(crate) run_containers: PathBuf,
    pub(crate) run_locks: PathBuf,
}

/// The directories in a separate image store.
#[derive(Debug, Clone)]
pub(crate) struct ImageStoreDirs {
    pub(crate) layers: Dir,
    pub(crate) images: Dir,
}

impl Layout {
    /// Opens the directories, making those that are missing.
    pub(crate) fn open(
        graph: &Dir,
        run: &Dir,
        image_store: Option<&Dir>,
        driver: &str,
    ) -> Result<Self> {
        let below = |root: &Dir, what: &str| root.ensure_dir(format!("{driver}-{what}"), DIR_MODE);
        let run_layers = below(run, "layers")?;
        let run_containers = below(run, "containers")?;
        let run_locks = below(run, "locks")?;
        let dirs_of = |root| {
            Ok(ImageStoreDirs {
                layers: below(root, "layers")?,
                images: below(root, "images")?,
            })
        };
        Ok(Self {
            layers: below(graph, "layers")?,
            images: below(graph, "images")?,
            containers: below(graph, "containers")?,
            image_store: image_store.map(dirs_of).transpose()?,
            run_layers: run_layers.path().to_owned(),
            run_images: run.path().join(format!("{driver}-images")),
            run_containers: run_containers.path().to_owned(),
            run_locks: run_locks.path().to_owned(),
        })
    }

    /// Returns the directory to which the data of new images goes.
    pub(crate) fn new_images(&self) -> &Dir {
        self.image_store
            .as_ref()
            .map_or(&self.images, |store| &store.images)
    }

    /// Returns the directories of images, in lock order.
    pub(crate) fn image_dirs(&self) -> impl Iterator<Item = &Dir> {
        let store = self.image_store.as_ref().map(|store| &store.images);
        store.into_iter().chain([&self.images])
    }

    /// Returns the directories in which files of a layer may be.
    pub(crate) fn layer_dirs(&self) -> impl Iterator<Item = &Dir> {
        let store = self.image_store.as_ref().map(|store| &store.layers);
        [&self.layers].into_iter().chain(store)
    }

    /// Returns the root of temporary areas on the filesystem of the layer records.
    pub(crate) fn temp_root(&self) -> PathBuf {
        self.layers.path().join(TEMP_DIR)
    }

    /// Returns the root of temporary areas on the filesystem of the image store, if there is one.
    pub(crate) fn image_temp_root(&self) -> Option<PathBuf> {
        self.image_store
            .as_ref()
            .map(|store| store.layers.path().join(TEMP_DIR))
    }
}

/// Returns the name of a layer's tar-split file.
pub(crate) fn tar_split_name(id: &LayerId) -> OsString {
    format!("{id}{TAR_SPLIT_SUFFIX}").into()
}

/// Returns a path made absolute without resolving links in it, as Go does.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
