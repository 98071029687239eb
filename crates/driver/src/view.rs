//! Reading the merged tree of a layer.

use std::fmt;

use layerhold_archive::OverlayForm;
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, best_effort};

use crate::driver::Driver;
use crate::error::LayerError;
use crate::mount::MountOptions;

/// The merged tree of a layer, for reading. It stays until the view is dropped.
///
/// A view is not a user of the layer's mount. Opening one needs no lock and disturbs no container.
pub struct LayerView<'a> {
    root: Dir,
    release: Option<Box<dyn FnOnce() + Send + 'a>>,
}

/// What a layer itself holds, in the form of an overlay.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OwnTree {
    /// The directory.
    pub root: Dir,
    /// How deletions are represented in it.
    pub form: OverlayForm,
}

impl OwnTree {
    /// Describes the directory of a layer.
    #[must_use]
    pub fn new(root: Dir, form: OverlayForm) -> Self {
        Self { root, form }
    }
}

impl<'a> LayerView<'a> {
    /// Shows the tree at `root`.
    #[must_use]
    pub fn new(root: Dir) -> Self {
        Self {
            root,
            release: None,
        }
    }

    /// Runs `release` when the view is dropped.
    #[must_use]
    pub fn on_release(mut self, release: impl FnOnce() + Send + 'a) -> Self {
        self.release = Some(Box::new(release));
        self
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> &Dir {
        &self.root
    }

    /// Mounts the layer, and unmounts it when the view is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`Driver::mount`].
    pub fn of_mount<D: Driver + ?Sized>(
        driver: &'a D,
        id: &LayerId,
        label: &str,
    ) -> Result<Self, LayerError> {
        let path = driver.mount(id, &MountOptions::read_only().with_label(label))?;
        let id = id.clone();
        // What was read is right. A mount that stays is found by the next check of counts against
        // the kernel.
        let unmount = move || best_effort(driver.unmount(&id));
        match Dir::open_ambient(&path) {
            Ok(root) => Ok(Self::new(root).on_release(unmount)),
            Err(error) => {
                unmount();
                Err(error.into())
            }
        }
    }
}

impl Drop for LayerView<'_> {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            release();
        }
    }
}

impl fmt::Debug for LayerView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LayerView").field(&self.root).finish()
    }
}
