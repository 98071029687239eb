//! A filesystem in memory, and configurations of one text.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use layerhold_environment::{ConfigFiles, Environment, Listed};
use layerhold_registries_conf::{FileKind, RegistriesConf, RegistriesError};

/// The digest of nothing.
pub(crate) const DIGEST: &str =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Files by path; directories exist implicitly.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    links: BTreeSet<PathBuf>,
    unreadable: BTreeSet<PathBuf>,
    unreachable: BTreeSet<PathBuf>,
}

impl Memory {
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.bytes(path, text.as_bytes())
    }

    pub(crate) fn bytes(mut self, path: &str, bytes: &[u8]) -> Self {
        self.files.insert(path.into(), bytes.into());
        self
    }

    /// A link to a file with this text.
    pub(crate) fn link(mut self, path: &str, text: &str) -> Self {
        self.links.insert(path.into());
        self.file(path, text)
    }

    pub(crate) fn unreadable(mut self, path: &str) -> Self {
        self.unreadable.insert(path.into());
        self
    }

    /// A path below a directory that this user may not search.
    pub(crate) fn unreachable(mut self, path: &str) -> Self {
        self.unreachable.insert(path.into());
        self.unreadable(path)
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

/// A configuration of one file.
pub(crate) fn conf(text: &str) -> Result<RegistriesConf, RegistriesError> {
    let mut conf = RegistriesConf::default();
    conf.add("f", FileKind::Main, text)?;
    Ok(conf)
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
        let mut names: BTreeMap<&Path, bool> = BTreeMap::new();
        for path in self.files.keys() {
            let Ok(below) = path.strip_prefix(directory) else {
                continue;
            };
            let Some(first) = below.iter().next() else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            let is_file = below.iter().count() == 1 && !self.links.contains(path);
            names.insert(Path::new(first), is_file);
        }
        // In reverse, because no order is guaranteed.
        let names = names.into_iter().rev();
        let listed: Vec<_> = names
            .map(|(name, is_file)| Listed::new(name, is_file))
            .collect();
        Ok(Some(listed).filter(|listed| !listed.is_empty()))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        match self.unreachable.contains(path) {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => Ok(path.to_owned()),
        }
    }

    fn is_private_directory(&self, _path: &Path, _user: u32) -> bool {
        false
    }

    fn make_private_directory(&self, _path: &Path) {}
}
