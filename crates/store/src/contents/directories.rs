//! Directories and files that callers keep beside images and containers.
//!
//! `GRAPH/DRIVER-containers/ID/userdata` survives a reboot, `RUN/DRIVER-containers/ID/userdata`
//! does not; images have the same. They are made when asked for. Unlike Go's, the calls for images
//! resolve names and refuse unknown images instead of making a directory that nobody ever removes.

use crate::catalog::error::AccessError;
use crate::catalog::error::LookupError;
use crate::records::error_kind::ErrorKind;
use layerhold_sys::PathError;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use layerhold_sys::{Dir, Durability, OpenOptions, publish};

use crate::catalog::layout::{DIR_MODE, FILE_MODE, USER_DATA};
use crate::engine::Engine;

/// The largest file that is read into memory.
const MAX_FILE: u64 = 1 << 30;

pub(crate) fn image_directory(engine: &Engine, key: &str) -> Result<PathBuf, DirectoryError> {
    Ok(image_user_data(engine, key, UserDataPlace::Durable)?
        .path()
        .to_owned())
}

pub(crate) fn image_run_directory(engine: &Engine, key: &str) -> Result<PathBuf, DirectoryError> {
    Ok(image_user_data(engine, key, UserDataPlace::Runtime)?
        .path()
        .to_owned())
}

pub(crate) fn container_directory(engine: &Engine, key: &str) -> Result<PathBuf, DirectoryError> {
    Ok(container_user_data(engine, key, UserDataPlace::Durable)?
        .path()
        .to_owned())
}

pub(crate) fn container_run_directory(
    engine: &Engine,
    key: &str,
) -> Result<PathBuf, DirectoryError> {
    Ok(container_user_data(engine, key, UserDataPlace::Runtime)?
        .path()
        .to_owned())
}

pub(crate) fn container_file(
    engine: &Engine,
    key: &str,
    name: &Path,
) -> Result<Vec<u8>, DirectoryError> {
    read_below(
        &container_user_data(engine, key, UserDataPlace::Durable)?,
        name,
    )
}

pub(crate) fn set_container_file(
    engine: &Engine,
    key: &str,
    name: &Path,
    data: &[u8],
) -> Result<(), DirectoryError> {
    write_below(
        &container_user_data(engine, key, UserDataPlace::Durable)?,
        name,
        data,
        Durability::Durable,
    )
}

pub(crate) fn container_run_file(
    engine: &Engine,
    key: &str,
    name: &Path,
) -> Result<Vec<u8>, DirectoryError> {
    read_below(
        &container_user_data(engine, key, UserDataPlace::Runtime)?,
        name,
    )
}

pub(crate) fn set_container_run_file(
    engine: &Engine,
    key: &str,
    name: &Path,
    data: &[u8],
) -> Result<(), DirectoryError> {
    write_below(
        &container_user_data(engine, key, UserDataPlace::Runtime)?,
        name,
        data,
        Durability::Volatile,
    )
}

/// Which of the two roots a directory is below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserDataPlace {
    Durable,
    Runtime,
}

fn image_user_data(
    engine: &Engine,
    key: &str,
    place: UserDataPlace,
) -> Result<Dir, DirectoryError> {
    let image = crate::catalog::lookup::lookup(&engine.catalog.images_view()?, key)?;
    let parent = match place {
        // Below the graph root, wherever the image is, as in Go.
        UserDataPlace::Durable => engine.catalog.layout.images.clone(),
        UserDataPlace::Runtime => {
            Dir::create_ambient_all(&engine.catalog.layout.run_images, DIR_MODE)?
        }
    };
    user_data_below(&parent, image.id().as_ref())
}

pub(crate) fn container_user_data(
    engine: &Engine,
    key: &str,
    place: UserDataPlace,
) -> Result<Dir, DirectoryError> {
    let container = crate::catalog::lookup::lookup(&engine.catalog.containers_view()?, key)?;
    let parent = match place {
        UserDataPlace::Durable => engine.catalog.layout.containers.clone(),
        UserDataPlace::Runtime => {
            Dir::create_ambient_all(&engine.catalog.layout.run_containers, DIR_MODE)?
        }
    };
    user_data_below(&parent, container.id().as_ref())
}

fn user_data_below(parent: &Dir, id: &OsStr) -> Result<Dir, DirectoryError> {
    Ok(parent
        .ensure_plain_dir(id, DIR_MODE)?
        .ensure_plain_dir(USER_DATA, DIR_MODE)?)
}

/// Refuses names that lead out of the directory. What is below belongs to the caller, links
/// included; they are followed inside it only.
fn check_name(name: &Path) -> Result<(), DirectoryError> {
    let inside = name.file_name().is_some()
        && name
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if inside {
        Ok(())
    } else {
        Err(DirectoryError::InvalidName {
            name: name.to_owned(),
        })
    }
}

fn read_below(dir: &Dir, name: &Path) -> Result<Vec<u8>, DirectoryError> {
    check_name(name)?;
    // Opening for the path alone first would not help against a FIFO; `open_in_root` never waits.
    let file = dir.open_in_root(name, OpenOptions::read())?;
    crate::catalog::files::read_all(file, MAX_FILE, &dir.path().join(name))?.ok_or_else(|| {
        DirectoryError::TooLarge {
            name: name.to_owned(),
            limit: MAX_FILE,
        }
    })
}

fn write_below(
    dir: &Dir,
    name: &Path,
    data: &[u8],
    durability: Durability,
) -> Result<(), DirectoryError> {
    check_name(name)?;
    let parent = match name.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            dir.create_dir_all_in_root(parent, DIR_MODE, &mut |_| Ok(()))?
        }
        _ => dir.clone(),
    };
    let Some(file_name) = name.file_name() else {
        return Err(DirectoryError::InvalidName {
            name: name.to_owned(),
        });
    };
    Ok(publish(&parent, file_name, FILE_MODE, &[data], durability)?)
}

/// A directory or file of a container or image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// No such image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The file name would lead out of the directory.
    #[error("{name:?} does not name a file below the directory")]
    InvalidName {
        /// The name.
        name: PathBuf,
    },
    /// The file is larger than what is read into memory.
    #[error("{name:?} is larger than {limit} bytes")]
    TooLarge {
        /// The name.
        name: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file or directory cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl DirectoryError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Lookup(error) => error.kind(),
            Self::Access(error) => error.kind(),
            _ => None,
        }
    }
}
