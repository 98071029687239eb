//! Directories and files that callers keep with images and containers.
//!
//! `GRAPH/DRIVER-containers/ID/userdata` survives a reboot, `RUN/DRIVER-containers/ID/userdata`
//! does not; images have the same. They are created when they are asked for. Unlike in Go, the
//! calls for images resolve names and refuse unknown images, instead of creating a directory that
//! is never removed.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use layerhold_ids::{ContainerId, ImageId};
use layerhold_sys::{Dir, Durability, OpenOptions, PathError, publish};

use crate::catalog::error::{AccessError, LookupError, file_errors_are_access};
use crate::catalog::files::read_all;
use crate::catalog::key::Key;
use crate::catalog::layout::{DIR_MODE, FILE_MODE, USER_DATA};
use crate::engine::Engine;
use crate::records::error_kind::{ErrorKind, error_kind};

/// The largest file that is read into memory.
const MAX_FILE: u64 = 1 << 30;

pub(crate) fn image_directory(
    engine: &Engine,
    key: &Key<'_, ImageId>,
) -> Result<PathBuf, DirectoryError> {
    Ok(image_user_data(engine, key, UserDataRoot::Durable)?
        .path()
        .to_owned())
}

pub(crate) fn image_run_directory(
    engine: &Engine,
    key: &Key<'_, ImageId>,
) -> Result<PathBuf, DirectoryError> {
    Ok(image_user_data(engine, key, UserDataRoot::Runtime)?
        .path()
        .to_owned())
}

pub(crate) fn container_directory(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
) -> Result<PathBuf, DirectoryError> {
    Ok(container_user_data(engine, key, UserDataRoot::Durable)?
        .dir
        .path()
        .to_owned())
}

pub(crate) fn container_run_directory(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
) -> Result<PathBuf, DirectoryError> {
    Ok(container_user_data(engine, key, UserDataRoot::Runtime)?
        .dir
        .path()
        .to_owned())
}

pub(crate) fn container_file(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    name: &Path,
) -> Result<Vec<u8>, DirectoryError> {
    container_user_data(engine, key, UserDataRoot::Durable)?.read(name)
}

pub(crate) fn set_container_file(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    name: &Path,
    data: &[u8],
) -> Result<(), DirectoryError> {
    let files = container_user_data(engine, key, UserDataRoot::Durable)?;
    files.write(name, data, Durability::Durable)
}

pub(crate) fn container_run_file(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    name: &Path,
) -> Result<Vec<u8>, DirectoryError> {
    container_user_data(engine, key, UserDataRoot::Runtime)?.read(name)
}

pub(crate) fn set_container_run_file(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    name: &Path,
    data: &[u8],
) -> Result<(), DirectoryError> {
    let files = container_user_data(engine, key, UserDataRoot::Runtime)?;
    files.write(name, data, Durability::Volatile)
}

/// The root that a directory is below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserDataRoot {
    Durable,
    Runtime,
}

fn image_user_data(
    engine: &Engine,
    key: &Key<'_, ImageId>,
    place: UserDataRoot,
) -> Result<Dir, DirectoryError> {
    let image = crate::catalog::lookup::lookup(&engine.catalog.read_images()?, key)?;
    let parent = match place {
        // Below the graph root, even for images of a separate image store, as in Go.
        UserDataRoot::Durable => engine.catalog.layout.images.clone(),
        UserDataRoot::Runtime => {
            Dir::create_ambient_all(&engine.catalog.layout.run_images, DIR_MODE)?
        }
    };
    user_data_below(&parent, image.id().as_ref())
}

pub(crate) fn container_user_data(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    place: UserDataRoot,
) -> Result<ContainerFiles, DirectoryError> {
    let container = crate::catalog::lookup::lookup(&engine.catalog.read_containers()?, key)?;
    let parent = match place {
        UserDataRoot::Durable => engine.catalog.layout.containers.clone(),
        UserDataRoot::Runtime => {
            Dir::create_ambient_all(&engine.catalog.layout.run_containers, DIR_MODE)?
        }
    };
    Ok(ContainerFiles {
        dir: user_data_below(&parent, container.id().as_ref())?,
        container: container.id().clone(),
    })
}

fn user_data_below(parent: &Dir, id: &OsStr) -> Result<Dir, DirectoryError> {
    Ok(parent
        .ensure_plain_dir(id, DIR_MODE)?
        .ensure_plain_dir(USER_DATA, DIR_MODE)?)
}

/// The caller's files of a container.
#[derive(Debug)]
pub(crate) struct ContainerFiles {
    pub(crate) dir: Dir,
    container: ContainerId,
}

impl ContainerFiles {
    fn read(&self, name: &Path) -> Result<Vec<u8>, DirectoryError> {
        self.check_name(name)?;
        // A FIFO does not block this: `open_in_root` never waits.
        let file = self.dir.open_in_root(name, OpenOptions::read());
        let bytes = file.and_then(|file| read_all(file, MAX_FILE, &self.dir.path().join(name)));
        bytes
            .map_err(|source| self.failed(name, source))?
            .ok_or_else(|| DirectoryError::TooLarge {
                container: self.container.clone(),
                name: name.to_owned(),
                limit: MAX_FILE,
            })
    }

    fn write(
        &self,
        name: &Path,
        data: &[u8],
        durability: Durability,
    ) -> Result<(), DirectoryError> {
        let file_name = self.check_name(name)?;
        let parent = match name.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => {
                self.dir
                    .create_dir_all_in_root(parent, DIR_MODE, &mut |_| Ok(()))
            }
            _ => Ok(self.dir.clone()),
        };
        parent
            .and_then(|parent| publish(&parent, file_name, FILE_MODE, &[data], durability))
            .map_err(|source| self.failed(name, source))
    }

    /// Returns the last component of a name, and refuses names that lead out of the directory.
    /// Links in the directory are the caller's, and are followed only inside it.
    fn check_name<'n>(&self, name: &'n Path) -> Result<&'n OsStr, DirectoryError> {
        let is_inside = name
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let file_name = name.file_name().filter(|_| is_inside);
        file_name.ok_or_else(|| DirectoryError::InvalidName {
            container: self.container.clone(),
            name: name.to_owned(),
        })
    }

    fn failed(&self, name: &Path, source: PathError) -> DirectoryError {
        DirectoryError::File {
            container: self.container.clone(),
            name: name.to_owned(),
            source,
        }
    }
}

/// A directory or file of a container or image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// No such image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The file name would lead out of the directory.
    #[error(
        "cannot use {name:?} as the name of a file of container {container}: it leads out of the directory"
    )]
    InvalidName {
        /// The container.
        container: ContainerId,
        /// The name.
        name: PathBuf,
    },
    /// The file is too large to be read into memory.
    #[error("cannot read file {name:?} of container {container}: it is larger than {limit} bytes")]
    TooLarge {
        /// The container.
        container: ContainerId,
        /// The name.
        name: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A file of a container cannot be read or written, usually because it does not exist.
    #[error("cannot use file {name:?} of container {container}")]
    File {
        /// The container.
        container: ContainerId,
        /// The name.
        name: PathBuf,
        /// Why.
        #[source]
        source: PathError,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

file_errors_are_access!(DirectoryError);
error_kind!(DirectoryError, |error| match error {
    Self::File { source, .. } if source.is_not_found() => Some(ErrorKind::FileUnknown),
    Self::Lookup(error) => error.kind(),
    Self::Access(error) => error.kind(),
    _ => None,
});
