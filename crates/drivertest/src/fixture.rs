//! A driver on a store of its own, and the steps that cases share.

use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_driver::{
    Access, DiffRequest, Driver, DriverConfig, DriverFactory, LayerAccess, LayerRef, LayerTarget,
    MountOptions, OpenError, StageRequest, StagedLayer, Trash, fallback,
};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, best_effort, remove_tree};
use layerhold_testkit::{SkipReason, TempDir, Tree, scratch, skip};

/// How a suite opens the driver under test.
pub struct Factory {
    make: Box<dyn Fn() -> Box<dyn DriverFactory> + Send + Sync>,
    options: Vec<String>,
    place: Option<PathBuf>,
    mount_fidelity: MountFidelity,
}

/// How exactly a mount shows what is in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MountFidelity {
    /// Everything is shown, as a filesystem shows its own files.
    #[default]
    Exact,
    /// As fuse-overlayfs 1.10 and similar programs show it:
    ///
    /// - Names have at most 251 bytes, so that there is room for `.wh.` before them.
    /// - New directories have files in them that mark them as opaque, which count like others.
    /// - Hard links show one link each, and a write to one of them may change another.
    LikeFuse,
}

impl Factory {
    /// Opens the driver that `make`'s factory makes.
    #[must_use]
    pub fn new(make: impl Fn() -> Box<dyn DriverFactory> + Send + Sync + 'static) -> Self {
        Self {
            make: Box::new(make),
            options: Vec::new(),
            place: None,
            mount_fidelity: MountFidelity::Exact,
        }
    }

    /// Adds a driver option to every store.
    #[must_use]
    pub fn with_option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Sets what mounts of the driver show.
    #[must_use]
    pub fn with_mount_fidelity(mut self, fidelity: MountFidelity) -> Self {
        self.mount_fidelity = fidelity;
        self
    }

    /// Puts the stores below `place`, on another filesystem for instance.
    #[must_use]
    pub fn in_dir(mut self, place: &Path) -> Self {
        self.place = Some(place.to_owned());
        self
    }

    /// Opens the driver on a store at `root` with the suite's options.
    ///
    /// # Errors
    ///
    /// The driver's.
    pub fn open(&self, root: &Path, access: Access) -> Result<Arc<dyn Driver>, OpenError> {
        (self.make)().open(&self.config(root).with_access(access))
    }

    fn config(&self, root: &Path) -> DriverConfig {
        DriverConfig::new(root, root.with_extension("run")).with_options(self.options.clone())
    }

    fn scratch(&self) -> TempDir {
        match &self.place {
            Some(place) => TempDir::new_in(place).expect("the filesystem is writable"),
            None => scratch(),
        }
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory")
            .field("options", &self.options)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// A driver on a store of its own.
#[derive(Debug)]
pub struct DriverFixture<'f> {
    factory: &'f Factory,
    /// The driver under test.
    pub driver: Arc<dyn Driver>,
    root: PathBuf,
    _place: TempDir,
}

/// Makes an ID of a readable name.
pub(crate) fn id(name: &str) -> LayerId {
    name.parse().expect("a valid ID")
}

impl<'f> DriverFixture<'f> {
    /// Opens the driver on an empty store; `None` (reported) when it cannot work here.
    pub fn open(factory: &'f Factory) -> Option<Self> {
        let place = factory.scratch();
        Self::on(factory, place.path().join("graph"), place)
    }

    fn on(factory: &'f Factory, root: PathBuf, place: TempDir) -> Option<Self> {
        match factory.open(&root, Access::ReadWrite) {
            Ok(driver) => Some(Self {
                factory,
                driver,
                root,
                _place: place,
            }),
            Err(error) if error.is_unsuitable() => skip(&error.to_string(), SkipReason::Kernel),
            Err(error) => panic!("cannot open the driver: {error}"),
        }
    }

    /// Opens a second driver on the same store, as another process would.
    pub(crate) fn reopen(&self, access: Access) -> Arc<dyn Driver> {
        self.factory.open(&self.root, access).unwrap()
    }

    /// Opens the driver on another root.
    pub(crate) fn open_at(&self, root: &Path, access: Access) -> Arc<dyn Driver> {
        self.factory.open(root, access).unwrap()
    }

    /// Makes a fixture for a store at `root`; `None` (reported) when the driver cannot work there.
    pub(crate) fn at(&self, root: &Path) -> Option<Self> {
        Self::on(self.factory, root.to_owned(), scratch())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What mounts of the driver can show.
    pub(crate) fn mount_fidelity(&self) -> MountFidelity {
        self.factory.mount_fidelity
    }

    /// Stages a layer on a committed parent.
    #[track_caller]
    pub(crate) fn stage(&self, parent: Option<&LayerId>) -> Box<dyn StagedLayer> {
        let mut request = StageRequest::new();
        request.parent = parent.map(LayerRef::Committed);
        self.driver.stage(&request).unwrap()
    }

    /// Makes a container layer, whose mounted tree can be changed.
    #[track_caller]
    pub(crate) fn writable(&self, name: &str, parent: Option<&str>) -> LayerId {
        let parent = parent.map(id);
        let mut request = StageRequest::new().with_access(LayerAccess::ReadWrite);
        request.parent = parent.as_ref().map(LayerRef::Committed);
        self.driver
            .stage(&request)
            .unwrap()
            .commit(&id(name))
            .unwrap();
        id(name)
    }

    /// Makes a layer from a tar.
    #[track_caller]
    pub(crate) fn layer(&self, name: &str, parent: Option<&str>, tar: &[u8]) -> LayerId {
        let parent = parent.map(id);
        let staged = self.stage(parent.as_ref());
        fill(&*staged, tar);
        staged.commit(&id(name)).unwrap();
        id(name)
    }

    /// Makes a layer by changing files of its mounted tree.
    #[track_caller]
    pub(crate) fn changed(&self, name: &str, parent: &str, change: impl FnOnce(&Path)) -> LayerId {
        let made = self.writable(name, Some(parent));
        self.mounted(name, change);
        made
    }

    /// Does something with the mounted tree of a layer.
    #[track_caller]
    pub(crate) fn mounted<T>(&self, name: &str, work: impl FnOnce(&Path) -> T) -> T {
        let path = self.driver.mount(&id(name), &MountOptions::new()).unwrap();
        let result = work(&path);
        self.driver.unmount(&id(name)).unwrap();
        result
    }

    /// Reads the whole tree of a layer.
    #[track_caller]
    pub(crate) fn tree(&self, name: &str) -> Tree {
        self.mounted(name, Tree::of)
    }

    /// Lists the changes of a layer as `C path`, `A path` and `D path`.
    #[track_caller]
    pub(crate) fn changes(&self, name: &str, parent: Option<&str>) -> Vec<String> {
        let (id, parent) = (id(name), parent.map(id));
        let mut request = DiffRequest::new(&id);
        request.parent = parent.as_ref();
        self.driver
            .changes(&request)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Packs the difference of a layer.
    #[track_caller]
    pub(crate) fn diff(&self, name: &str, parent: Option<&str>) -> Vec<u8> {
        let (id, parent) = (id(name), parent.map(id));
        let mut request = DiffRequest::new(&id);
        request.parent = parent.as_ref();
        let mut tar = Vec::new();
        self.driver.diff(&request, &mut tar).unwrap();
        tar
    }

    #[track_caller]
    pub(crate) fn diff_size(&self, name: &str, parent: Option<&str>) -> u64 {
        let (id, parent) = (id(name), parent.map(id));
        let mut request = DiffRequest::new(&id);
        request.parent = parent.as_ref();
        self.driver.diff_size(&request).unwrap()
    }

    /// Removes a layer and erases it.
    #[track_caller]
    pub(crate) fn remove(&self, name: &str) {
        let mut trash = Trash::new();
        self.driver.remove(&id(name), &mut trash).unwrap();
        trash.erase().unwrap();
    }

    /// Lists the driver's layers.
    #[track_caller]
    pub(crate) fn list(&self) -> Vec<String> {
        let mut listed: Vec<_> = match self.driver.list().unwrap() {
            Some(ids) => ids.into_iter().map(LayerId::into_string).collect(),
            None => panic!("the driver says it can list"),
        };
        listed.sort();
        listed
    }

    /// Whether the driver can list its layers.
    pub(crate) fn lists(&self) -> bool {
        self.driver.capabilities().listing
    }

    /// What is in the temporary roots.
    pub(crate) fn temporary(&self) -> Vec<PathBuf> {
        let entries = |root: PathBuf| {
            fs::read_dir(root)
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
        };
        self.driver
            .temp_roots()
            .into_iter()
            .flat_map(entries)
            .collect()
    }

    /// Every path of the store, by which leftovers are found.
    pub(crate) fn everything(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![self.root.clone()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if fs::symlink_metadata(&path).unwrap().is_dir() {
                    waiting.push(path.clone());
                }
                found.push(path);
            }
        }
        found.sort();
        // Made with the first temporary area, and kept.
        found.retain(|path| !self.driver.temp_roots().contains(path));
        found
    }
}

impl Drop for DriverFixture<'_> {
    fn drop(&mut self) {
        // The temporary directory cannot remove entries of read-only directories for an ordinary
        // user.
        if let (Some(above), Some(name)) = (self.root.parent(), self.root.file_name())
            && let Ok(above) = Dir::open_ambient(above)
        {
            best_effort(remove_tree(&above, name));
        }
    }
}

/// Unpacks a tar into a staged layer.
#[track_caller]
pub(crate) fn fill(target: &dyn LayerTarget, tar: &[u8]) {
    fill_mapped(target, IdMappings::default(), tar);
}

/// Unpacks a tar into a staged layer whose owners are mapped.
#[track_caller]
pub(crate) fn fill_mapped(target: &dyn LayerTarget, maps: IdMappings, mut tar: &[u8]) {
    fallback::unpack(target, maps, &mut tar).unwrap();
}

/// Reads a file of a mounted tree.
#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads an open file.
#[track_caller]
pub(crate) fn read_open(mut file: fs::File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

/// Returns mode and owner.
#[track_caller]
pub(crate) fn attributes(path: impl AsRef<Path>) -> (u32, u32, u32) {
    let stat = fs::symlink_metadata(path).unwrap();
    (stat.mode() & 0o7777, stat.uid(), stat.gid())
}
