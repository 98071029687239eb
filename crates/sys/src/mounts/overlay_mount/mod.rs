//! Mounts overlays with as many layers as the kernel supports.

mod classic;
mod context;
mod error;

use std::path::{Path, PathBuf};

pub use error::OverlayMountError;

use crate::directory::dir::Dir;
use crate::mounts::detached::DetachedMount;
use crate::mounts::in_directory::in_directory;
use crate::mounts::mount::{MountOptions, REMOUNT_OR_MOVE};

/// Which of the kernel's two interfaces mounts an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlayApi {
    /// `fsopen`, with one call for each directory (`lowerdir+`, Linux 6.8): no limit on the total
    /// length, and the kernel explains refusals.
    Context,
    /// `mount(2)`, whose options have to fit into one page.
    Classic,
}

impl OverlayApi {
    /// Asks the kernel. This takes four system calls, so a caller that mounts often keeps the
    /// answer. A process that may not mount gets [`Classic`](Self::Classic).
    #[must_use]
    pub fn detect() -> Self {
        if context::is_supported() {
            Self::Context
        } else {
            Self::Classic
        }
    }
}

/// The directories and options of an overlay mount.
///
/// Relative paths are relative to the base directory, and the mount table shows them as given. They
/// may contain any character, without escaping.
#[derive(Clone, Debug)]
pub struct OverlayMount {
    base: Dir,
    lowers: Vec<PathBuf>,
    data_lowers: Vec<PathBuf>,
    upper: Option<Upper>,
    options: MountOptions,
    label: Option<String>,
}

#[derive(Clone, Debug)]
struct Upper {
    upper: PathBuf,
    work: PathBuf,
}

impl OverlayMount {
    /// An overlay without directories.
    #[must_use]
    pub fn new(base: &Dir) -> Self {
        Self {
            base: base.clone(),
            lowers: Vec::new(),
            data_lowers: Vec::new(),
            upper: None,
            options: MountOptions::default(),
            label: None,
        }
    }

    /// Adds a lower directory below all that were added before.
    #[must_use]
    pub fn lower(mut self, path: impl Into<PathBuf>) -> Self {
        self.lowers.push(path.into());
        self
    }

    /// Adds lower directories, the uppermost first, below all that were added before.
    #[must_use]
    pub fn lowers<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.lowers.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Adds a data-only lower directory: its files are visible only through `redirect` attributes
    /// of upper ones (Linux 6.5).
    #[must_use]
    pub fn data_lower(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_lowers.push(path.into());
        self
    }

    /// Makes the overlay writable. `work` is an empty directory on the same
    /// filesystem as `upper`.
    #[must_use]
    pub fn upper(mut self, upper: impl Into<PathBuf>, work: impl Into<PathBuf>) -> Self {
        self.upper = Some(Upper {
            upper: upper.into(),
            work: work.into(),
        });
        self
    }

    /// Sets the mount flags (`nodev`, `ro`) and overlayfs's own options (`metacopy=on`, `volatile`,
    /// `userxattr`).
    #[must_use]
    pub fn options(mut self, options: MountOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the SELinux label of all files of the mount (`context=`).
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Mounts at `target`, which may be relative to the base directory.
    pub fn mount(&self, target: &Path, api: OverlayApi) -> Result<(), OverlayMountError> {
        self.check()?;
        match api {
            OverlayApi::Classic => classic::mount(self, target),
            OverlayApi::Context => in_directory(&self.base, || {
                let mount = context::detached(self, target)?;
                mount.attach(target).map_err(OverlayMountError::from)
            })?,
        }
    }

    /// Creates the mount without a mount point, which needs [`OverlayApi::Context`].
    pub fn detached(&self) -> Result<DetachedMount, OverlayMountError> {
        self.check()?;
        in_directory(&self.base, || context::detached(self, self.base.path()))?
    }

    fn check(&self) -> Result<(), OverlayMountError> {
        if self.options.flags() & REMOUNT_OR_MOVE != 0 {
            return Err(OverlayMountError::NotForNewMounts {
                flags: self.options.flags() & REMOUNT_OR_MOVE,
            });
        }
        match &self.label {
            Some(label) if label.contains(['"', '\\', '\0']) => Err(OverlayMountError::BadLabel {
                label: label.clone(),
            }),
            _ => Ok(()),
        }
    }
}
