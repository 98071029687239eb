//! A filesystem in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use layerhold_config::{Config, ConfigError, ConfigFiles, Environment, Listed, load};

/// Files by path; directories exist implicitly. The paths in `links` are listed and are not
/// files.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    links: BTreeMap<PathBuf, PathBuf>,
    unreadable: BTreeSet<PathBuf>,
    private: Mutex<BTreeSet<PathBuf>>,
    /// Directories that cannot be created.
    forbidden: BTreeSet<PathBuf>,
}

impl Memory {
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    pub(crate) fn bytes(mut self, path: &str, bytes: &[u8]) -> Self {
        self.files.insert(path.into(), bytes.into());
        self
    }

    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        self.links.insert(path.into(), target.into());
        self
    }

    pub(crate) fn unreadable(mut self, path: &str) -> Self {
        self.unreadable.insert(path.into());
        self
    }

    pub(crate) fn private(self, path: &str) -> Self {
        self.private.lock().unwrap().insert(path.into());
        self
    }

    pub(crate) fn forbidden(mut self, path: &str) -> Self {
        self.forbidden.insert(path.into());
        self
    }

    /// The configuration of root without variables.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        load(&root(), self)
    }
}

/// Root, with a home.
pub(crate) fn root() -> Environment {
    Environment::new(0).with("HOME", "/root")
}

/// An unprivileged user, with a home.
pub(crate) fn user() -> Environment {
    Environment::new(1000).with("HOME", "/home/u")
}

/// The configuration of root with one file of the system.
pub(crate) fn conf(text: &str) -> Result<Config, ConfigError> {
    Memory::default()
        .file("/etc/containers/storage.conf", text)
        .load()
}

impl ConfigFiles for Memory {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        if self.unreadable.contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(self.files.get(path).cloned())
    }

    fn list(&self, directory: &Path) -> io::Result<Option<Vec<Listed>>> {
        if self.unreadable.contains(directory) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let inside = |path: &&PathBuf| path.parent() == Some(directory);
        let entry = |path: &PathBuf, is_file| Listed::new(path.file_name().unwrap(), is_file);
        let files = self
            .files
            .keys()
            .filter(inside)
            .map(|path| entry(path, true));
        let links = self
            .links
            .keys()
            .filter(inside)
            .map(|path| entry(path, false));
        // In reverse, because no order is guaranteed.
        let mut listed: Vec<Listed> = files.chain(links).collect();
        listed.reverse();
        Ok(Some(listed).filter(|listed| !listed.is_empty()))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        match self.links.get(path) {
            Some(target) => Ok(target.clone()),
            None if self.private.lock().unwrap().contains(path) => Ok(path.to_owned()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn is_private_directory(&self, path: &Path, _user: u32) -> bool {
        self.private.lock().unwrap().contains(path)
    }

    fn make_private_directory(&self, path: &Path) {
        if !self.forbidden.contains(path) {
            self.private.lock().unwrap().insert(path.to_owned());
        }
    }
}
