//! What the tests share: a driver on a store of its own, layers made of tars.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use layerhold_driver::layerhold_ids::LayerId;
use layerhold_driver::layerhold_sys::{Dir, remove_tree};
use layerhold_driver::{
    DiffRequest, Driver, DriverConfig, LayerAccess, LayerRef, MountOptions, StageRequest,
    StagedLayer, Trash, fallback,
};
use layerhold_driver_overlay::OverlayDriver;
use layerhold_testkit::{TempDir, require_root, scratch};

pub(crate) fn id(name: &str) -> LayerId {
    name.parse().unwrap()
}

/// A driver on a store of its own. What it mounted goes with it.
pub(crate) struct Place {
    pub(crate) driver: OverlayDriver,
    pub(crate) config: DriverConfig,
    base: PathBuf,
    _scratch: Option<TempDir>,
}

impl Place {
    /// A store without options; `None` (reported) without root.
    pub(crate) fn new() -> Option<Self> {
        Self::with(&[])
    }

    pub(crate) fn with(options: &[&str]) -> Option<Self> {
        require_root()?;
        let scratch = scratch();
        let base = scratch.path().to_owned();
        Some(Self::at(&base, options).holding(scratch))
    }

    /// A store in a directory of the caller's.
    pub(crate) fn at(base: &Path, options: &[&str]) -> Self {
        let config = DriverConfig::new(base.join("g"), base.join("r"))
            .with_options(options.iter().map(|option| (*option).to_owned()).collect());
        Self {
            driver: OverlayDriver::open(&config).unwrap(),
            config,
            base: base.to_owned(),
            _scratch: None,
        }
    }

    fn holding(mut self, scratch: TempDir) -> Self {
        self._scratch = Some(scratch);
        self
    }

    /// Opens a second driver on the store, as another process would.
    pub(crate) fn reopen(&self) -> OverlayDriver {
        OverlayDriver::open(&self.config).unwrap()
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The directory of the driver, or something in it.
    pub(crate) fn home(&self, path: &str) -> PathBuf {
        self.base.join("g/overlay").join(path)
    }

    pub(crate) fn run(&self, path: &str) -> PathBuf {
        self.base.join("r/overlay").join(path)
    }

    pub(crate) fn stage(&self, parent: Option<&str>, access: LayerAccess) -> Box<dyn StagedLayer> {
        let parent = parent.map(id);
        let mut request = StageRequest::new().with_access(access);
        request.parent = parent.as_ref().map(LayerRef::Committed);
        self.driver.stage(&request).unwrap()
    }

    /// Makes an image layer of a tar.
    pub(crate) fn layer(&self, name: &str, parent: Option<&str>, tar: &[u8]) {
        let staged = self.stage(parent, LayerAccess::ReadOnly);
        fallback::unpack(&*staged, Default::default(), &mut &*tar).unwrap();
        staged.commit(&id(name)).unwrap();
    }

    /// Makes a layer for a container.
    pub(crate) fn writable(&self, name: &str, parent: Option<&str>) {
        let staged = self.stage(parent, LayerAccess::ReadWrite);
        staged.commit(&id(name)).unwrap();
    }

    /// Does something with the mounted tree of a layer.
    #[track_caller]
    pub(crate) fn mounted<T>(&self, name: &str, work: impl FnOnce(&Path) -> T) -> T {
        self.mounted_with(name, &MountOptions::new(), work)
    }

    #[track_caller]
    pub(crate) fn mounted_with<T>(
        &self,
        name: &str,
        options: &MountOptions,
        work: impl FnOnce(&Path) -> T,
    ) -> T {
        let path = self.driver.mount(&id(name), options).unwrap();
        let done = work(&path);
        self.driver.unmount(&id(name)).unwrap();
        done
    }

    #[track_caller]
    pub(crate) fn changes(&self, name: &str, parent: Option<&str>) -> Vec<String> {
        let (layer, parent) = (id(name), parent.map(id));
        let mut request = DiffRequest::new(&layer);
        request.parent = parent.as_ref();
        let changes = self.driver.changes(&request).unwrap();
        changes.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    pub(crate) fn diff(&self, name: &str, parent: Option<&str>) -> Vec<u8> {
        let (layer, parent) = (id(name), parent.map(id));
        let mut request = DiffRequest::new(&layer);
        request.parent = parent.as_ref();
        let mut tar = Vec::new();
        self.driver.diff(&request, &mut tar).unwrap();
        tar
    }

    #[track_caller]
    pub(crate) fn remove(&self, name: &str) {
        let mut trash = Trash::new();
        self.driver.remove(&id(name), &mut trash).unwrap();
        trash.erase().unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.driver.cleanup());
        // The means of the temporary directory do not reach below mounts.
        if let Ok(base) = Dir::open_ambient(&self.base) {
            drop(remove_tree(&base, "g"));
            drop(remove_tree(&base, "r"));
        }
    }
}

pub(crate) fn write(path: impl AsRef<Path>, content: &str) {
    let mut file = File::create(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in a directory, sorted.
pub(crate) fn names(path: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The line of the kernel's table for a mount point.
pub(crate) fn mount_line(path: &Path) -> Option<String> {
    let table = read("/proc/self/mountinfo");
    let lines: Vec<_> = table
        .lines()
        .filter(|line| line.split(' ').nth(4) == path.to_str())
        .collect();
    lines.last().map(|line| (*line).to_owned())
}
