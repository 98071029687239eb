//! An overlay mount as it is planned: its directories and options.

use std::path::{Path, PathBuf};

use layerhold_driver::LayerError;
use layerhold_sys::mount::{Detach, MountOptions, unmount};
use layerhold_sys::{Dir, OverlayApi, OverlayMount, best_effort};

use super::label::with_label;
use crate::disk::NAME;

/// A lower directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lower {
    /// The home it is in, or the directory itself when it is in no home.
    pub(crate) home: PathBuf,
    /// Where it is in the home; empty for the home itself.
    pub(crate) inside: PathBuf,
    /// A shorter path to it from the home, for kernels with little room for options.
    pub(crate) short: PathBuf,
}

impl Lower {
    /// A directory outside of every home.
    pub(crate) fn outside(path: PathBuf) -> Self {
        Self {
            home: path,
            inside: PathBuf::new(),
            short: PathBuf::new(),
        }
    }

    /// A directory in a home.
    pub(crate) fn inside(home: &Path, inside: impl Into<PathBuf>) -> Self {
        let inside = inside.into();
        Self {
            home: home.to_owned(),
            short: inside.clone(),
            inside,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        match self.inside.as_os_str().is_empty() {
            true => self.home.clone(),
            false => self.home.join(&self.inside),
        }
    }
}

/// The upper directory of a writable mount, and its work directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upper {
    pub(crate) diff: PathBuf,
    pub(crate) work: PathBuf,
}

/// The directories and options of an overlay mount.
#[derive(Debug, Clone)]
pub(crate) struct OverlayPlan {
    /// The home that short names are relative to.
    pub(crate) base: PathBuf,
    /// Nearest first.
    pub(crate) lowers: Vec<Lower>,
    pub(crate) upper: Option<Upper>,
    /// Mount flags and options of overlayfs.
    pub(crate) options: Vec<String>,
    /// The SELinux label; empty for none.
    pub(crate) label: String,
}

impl OverlayPlan {
    /// The options as one text: for mount programs and for messages.
    pub(crate) fn data(&self) -> String {
        let lowers: Vec<_> = self
            .lowers
            .iter()
            .map(|lower| lower.path().display().to_string())
            .collect();
        let mut parts = vec![format!("lowerdir={}", lowers.join(":"))];
        if let Some(upper) = &self.upper {
            parts.push(format!("upperdir={}", upper.diff.display()));
            parts.push(format!("workdir={}", upper.work.display()));
        }
        parts.extend(self.options.iter().cloned());
        with_label(parts.join(","), &self.label)
    }

    fn overlay(&self, api: OverlayApi) -> Result<OverlayMount, LayerError> {
        let base = Dir::open_ambient(&self.base)?;
        let lowers = self.lowers.iter().map(|lower| match api {
            OverlayApi::Classic if lower.home == self.base => lower.short.clone(),
            _ => lower.path(),
        });
        let mut overlay = OverlayMount::new(&base)
            .lowers(lowers)
            .options(MountOptions::parse(&self.options.join(",")));
        if let Some(upper) = &self.upper {
            let short = |path: &PathBuf| match (api, path.strip_prefix(&self.base)) {
                (OverlayApi::Classic, Ok(short)) => short.to_owned(),
                _ => path.clone(),
            };
            overlay = overlay.upper(short(&upper.diff), short(&upper.work));
        }
        if !self.label.is_empty() {
            overlay = overlay.label(&self.label);
        }
        Ok(overlay)
    }

    fn failed(
        &self,
        target: &Path,
    ) -> impl FnOnce(layerhold_sys::OverlayMountError) -> LayerError + '_ {
        let target = target.to_owned();
        move |source| LayerError::Mount {
            target,
            data: self.data(),
            source: Box::new(source),
        }
    }

    /// Mounts at `target`.
    pub(crate) fn mount(&self, target: &Path, api: OverlayApi) -> Result<(), LayerError> {
        self.overlay(api)?
            .mount(target, api)
            .map_err(self.failed(target))
    }

    /// Mounts where no other process sees it, as far as the kernel supports that: detached from the
    /// tree, else at `place`, a directory that is the caller's alone.
    pub(crate) fn mount_privately(
        &self,
        place: &Path,
        api: OverlayApi,
    ) -> Result<PrivateMount, LayerError> {
        if api == OverlayApi::Context {
            let mount = self.overlay(api)?.detached().map_err(self.failed(place))?;
            return Ok(PrivateMount {
                root: Some(mount.open(place)?),
                place: None,
            });
        }
        self.mount(place, api)?;
        let mut mounted = PrivateMount {
            root: None,
            place: Some(place.to_owned()),
        };
        mounted.root = Some(Dir::open_ambient(place)?);
        Ok(mounted)
    }
}

/// A mount that no other process knows of. Dropping it unmounts.
#[derive(Debug)]
pub(crate) struct PrivateMount {
    root: Option<Dir>,
    place: Option<PathBuf>,
}

impl PrivateMount {
    /// Takes over a mount at a place that is the caller's alone.
    pub(crate) fn at(place: &Path) -> Result<Self, LayerError> {
        let mut mounted = Self {
            root: None,
            place: Some(place.to_owned()),
        };
        mounted.root = Some(Dir::open_ambient(place)?);
        Ok(mounted)
    }

    /// Works with the mounted tree, and unmounts.
    pub(crate) fn with<T>(
        mut self,
        work: impl FnOnce(&Dir) -> Result<T, LayerError>,
    ) -> Result<T, LayerError> {
        let Some(root) = self.root.take() else {
            return Err(LayerError::NotSupported {
                driver: NAME,
                operation: "use a mount twice",
            });
        };
        work(&root)
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Option<Dir> {
        self.root.clone()
    }
}

impl Drop for PrivateMount {
    fn drop(&mut self) {
        self.root = None;
        if let Some(place) = &self.place {
            // What stays mounted is detached when the place is erased.
            best_effort(unmount(place, Detach::Lazy));
        }
    }
}
