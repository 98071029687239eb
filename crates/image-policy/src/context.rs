//! What verdicts depend on beside the policy and the image: files with keys, and the time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use layerhold_environment::{ConfigFiles, HostFiles};

use crate::reason::KeyError;
use crate::requirement::Material;

/// Reads the files that a policy names. They are read when a verdict needs them.
pub trait KeyFiles: fmt::Debug {
    /// Reads a file with keys or certificates.
    ///
    /// # Errors
    ///
    /// It does not exist or cannot be read.
    fn read_key(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The files of this host.
impl KeyFiles for HostFiles {
    fn read_key(&self, path: &Path) -> io::Result<Vec<u8>> {
        let contents = self.read(path)?;
        contents.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Files in memory.
impl KeyFiles for BTreeMap<PathBuf, Vec<u8>> {
    fn read_key(&self, path: &Path) -> io::Result<Vec<u8>> {
        let contents = self.get(path).cloned();
        contents.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// What verdicts depend on beside the policy and the image.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub(crate) files: &'a dyn KeyFiles,
    pub(crate) now: SystemTime,
}

impl<'a> Context<'a> {
    /// A context with these files, at the present time.
    #[must_use]
    pub fn new(files: &'a dyn KeyFiles) -> Self {
        Context {
            files,
            now: SystemTime::now(),
        }
    }

    /// Sets the time at which keys, certificates and signatures have to be valid.
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.now = time;
        self
    }

    /// The contents of files, or those in the policy.
    pub(crate) fn load<'m>(&self, material: &'m Material) -> Result<Cow<'m, [Vec<u8>]>, KeyError> {
        let read = |path: &PathBuf| {
            let contents = self.files.read_key(path);
            contents.map_err(|source| KeyError::Read {
                path: path.clone(),
                source,
            })
        };
        match material {
            Material::Data(contents) => Ok(Cow::Borrowed(contents)),
            Material::Files(paths) => {
                let contents: Result<Vec<_>, _> = paths.iter().map(read).collect();
                contents.map(Cow::Owned)
            }
        }
    }
}
