//! Changes the file of aliases that people chose (Go: `editShortNameAlias`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_environment::HostFiles;
use layerhold_lockfile::{LockError, LockFile};
use layerhold_reference::Reference;
use layerhold_sys::{Dir, Durability, PathError, canonical_ambient, publish};

use crate::aliases::ShortNames;
use crate::conf::RegistriesConf;
use crate::error::{Problem, RegistriesError};
use crate::load::short_names;
use crate::resolve::Resolved;

/// The mode of a directory that is made, and of the file.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Why an alias cannot be kept. The file is as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The name cannot have an alias.
    #[error(transparent)]
    Name(#[from] Problem),
    /// The file cannot be read or is invalid.
    #[error(transparent)]
    Read(Arc<RegistriesError>),
    /// The lock file `short-name-aliases.conf.lock` cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file cannot be replaced.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl RegistriesConf {
    /// Keeps the choice of a person: from now on the short name that was resolved stands for this
    /// image, without its tag and digest. Returns whether there was a choice to keep.
    ///
    /// podman calls this after a pull, and only if it asked a person: an image that was taken in
    /// order, without a terminal, is not kept.
    ///
    /// ```no_run
    /// use layerhold_registries_conf::RegistriesConf;
    ///
    /// let mut conf = RegistriesConf::of_process()?;
    /// let resolved = conf.resolve("busybox")?;
    /// let chosen = &resolved.candidates[0];
    /// // The image is pulled here.
    /// conf.keep_choice(&resolved, chosen)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`ShortNames::keep`].
    pub fn keep_choice(
        &mut self,
        resolved: &Resolved,
        image: &Reference,
    ) -> Result<bool, RecordError> {
        let path = match &self.short_names {
            Ok(short_names) => short_names.path().to_owned(),
            Err(error) => return Err(RecordError::Read(Arc::clone(error))),
        };
        let Some(name) = resolved.kept_as.as_deref() else {
            return Ok(false);
        };
        if path.as_os_str().is_empty() {
            return Ok(false);
        }
        self.set_short_names(ShortNames::keep(path, name, image.clone())?);
        Ok(true)
    }
}

impl ShortNames {
    /// Sets what a short name stands for in a file, without the tag and the digest of the image;
    /// other aliases stay. Returns all aliases that the file has then.
    ///
    /// The lock `PATH.lock` is held from reading to writing, as podman does. The file is replaced
    /// at once, with mode 0600; where the path is a link, the file that it leads to is. Comments
    /// are lost, as with podman.
    ///
    /// # Errors
    ///
    /// The name has a registry, a tag or a digest; or the file is invalid, or cannot be locked,
    /// read or written.
    pub fn keep(
        path: impl Into<PathBuf>,
        name: &str,
        image: Reference,
    ) -> Result<Self, RecordError> {
        edit(path.into(), |aliases| {
            aliases.insert(name, image)?;
            Ok(true)
        })
    }

    /// Removes an alias from a file, under the same lock. Without it the file stays as it is.
    /// Returns all aliases that the file has then.
    ///
    /// # Errors
    ///
    /// The file is invalid, or cannot be locked, read or written.
    pub fn forget(path: impl Into<PathBuf>, name: &str) -> Result<Self, RecordError> {
        edit(path.into(), |aliases| Ok(aliases.remove(name)))
    }
}

/// Changes the file if `change` says that there is something new.
fn edit(
    path: PathBuf,
    change: impl FnOnce(&mut ShortNames) -> Result<bool, Problem>,
) -> Result<ShortNames, RecordError> {
    let failed = |error: PathError| RecordError::Write {
        path: path.clone(),
        source: error.into_source(),
    };
    let directory = path.parent().unwrap_or(Path::new("."));
    drop(Dir::create_ambient_all(directory, DIRECTORY_MODE).map_err(failed)?);
    let lock = LockFile::new(lock_path(&path))?.write()?;
    let read = short_names(path.clone(), &HostFiles);
    let mut aliases = read.map_err(|error| RecordError::Read(Arc::new(error)))?;
    if change(&mut aliases)? {
        write(&path, &aliases).map_err(failed)?;
    }
    drop(lock);
    Ok(aliases)
}

fn write(path: &Path, aliases: &ShortNames) -> Result<(), PathError> {
    let target = match canonical_ambient(path) {
        Err(error) if error.is_not_found() => path.to_owned(),
        other => other?,
    };
    let directory = Dir::open_ambient(target.parent().unwrap_or(Path::new(".")))?;
    let name = target.file_name().unwrap_or_default();
    let text = aliases.to_string();
    publish(
        &directory,
        name,
        FILE_MODE,
        &[text.as_bytes()],
        Durability::Durable,
    )
}

fn lock_path(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}
