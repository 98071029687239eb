//! Directories and files that callers keep beside images and containers.
//!
//! `GRAPH/DRIVER-containers/ID/userdata` survives a reboot, `RUN/DRIVER-containers/ID/userdata`
//! does not; images have the same. They are made when asked for. Unlike Go's, the calls for images
//! resolve names and refuse unknown images instead of making a directory that nobody ever removes.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use layerhold_sys::{Dir, Durability, OpenOptions, publish};

use crate::catalog::layout::{DIR_MODE, FILE_MODE, USER_DATA};
use crate::engine::Engine;
use crate::errors::DirectoryError;
use crate::store::Store;

/// The largest file that is read into memory.
const MAX_FILE: u64 = 1 << 30;

impl Store {
    /// Returns the durable directory of an image for its callers' files, made when missing.
    ///
    /// Go: `Store.ImageDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown image.
    pub fn image_directory(&self, key: &str) -> Result<PathBuf, DirectoryError> {
        Ok(self
            .inner
            .image_user_data(key, Place::Durable)?
            .path()
            .to_owned())
    }

    /// Returns the directory of an image for files that may be lost at a reboot, made when missing.
    ///
    /// Go: `Store.ImageRunDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown image.
    pub fn image_run_directory(&self, key: &str) -> Result<PathBuf, DirectoryError> {
        Ok(self
            .inner
            .image_user_data(key, Place::Runtime)?
            .path()
            .to_owned())
    }

    /// Returns the durable directory of a container for its callers' files, made when missing.
    ///
    /// Go: `Store.ContainerDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown container.
    pub fn container_directory(&self, key: &str) -> Result<PathBuf, DirectoryError> {
        Ok(self
            .inner
            .container_user_data(key, Place::Durable)?
            .path()
            .to_owned())
    }

    /// Returns the directory of a container for files that may be lost at a reboot, made when
    /// missing.
    ///
    /// Go: `Store.ContainerRunDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown container.
    pub fn container_run_directory(&self, key: &str) -> Result<PathBuf, DirectoryError> {
        Ok(self
            .inner
            .container_user_data(key, Place::Runtime)?
            .path()
            .to_owned())
    }

    /// Reads a file below [`container_directory`](Self::container_directory).
    ///
    /// Go: `Store.FromContainerDirectory`.
    ///
    /// # Errors
    ///
    /// A [`DirectoryError::Os`] that says "not found" when there is no such file.
    pub fn container_file(&self, key: &str, name: &Path) -> Result<Vec<u8>, DirectoryError> {
        read_below(&self.inner.container_user_data(key, Place::Durable)?, name)
    }

    /// Writes a file below [`container_directory`](Self::container_directory): readers see the old
    /// or the new contents. The name may have several components; directories between are made.
    ///
    /// Go: `Store.SetContainerDirectoryFile`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::InvalidName`] for a name that leads outside.
    pub fn set_container_file(
        &self,
        key: &str,
        name: &Path,
        data: &[u8],
    ) -> Result<(), DirectoryError> {
        write_below(
            &self.inner.container_user_data(key, Place::Durable)?,
            name,
            data,
            Durability::Durable,
        )
    }

    /// Reads a file below [`container_run_directory`](Self::container_run_directory).
    ///
    /// Go: `Store.FromContainerRunDirectory`.
    ///
    /// # Errors
    ///
    /// As [`container_file`](Self::container_file).
    pub fn container_run_file(&self, key: &str, name: &Path) -> Result<Vec<u8>, DirectoryError> {
        read_below(&self.inner.container_user_data(key, Place::Runtime)?, name)
    }

    /// Writes a file below [`container_run_directory`](Self::container_run_directory).
    ///
    /// Go: `Store.SetContainerRunDirectoryFile`.
    ///
    /// # Errors
    ///
    /// As [`set_container_file`](Self::set_container_file).
    pub fn set_container_run_file(
        &self,
        key: &str,
        name: &Path,
        data: &[u8],
    ) -> Result<(), DirectoryError> {
        write_below(
            &self.inner.container_user_data(key, Place::Runtime)?,
            name,
            data,
            Durability::Volatile,
        )
    }
}

/// Which of the two roots a directory is below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Durable,
    Runtime,
}

impl Engine {
    fn image_user_data(&self, key: &str, place: Place) -> Result<Dir, DirectoryError> {
        let image = crate::catalog::lookup::lookup(&self.images_view()?, key)?;
        let parent = match place {
            // Below the graph root, wherever the image is, as in Go.
            Place::Durable => self.layout.images.clone(),
            Place::Runtime => Dir::create_ambient_all(&self.layout.run_images, DIR_MODE)?,
        };
        user_data_below(&parent, image.id().as_ref())
    }

    pub(crate) fn container_user_data(
        &self,
        key: &str,
        place: Place,
    ) -> Result<Dir, DirectoryError> {
        let container = crate::catalog::lookup::lookup(&self.containers_view()?, key)?;
        let parent = match place {
            Place::Durable => self.layout.containers.clone(),
            Place::Runtime => Dir::create_ambient_all(&self.layout.run_containers, DIR_MODE)?,
        };
        user_data_below(&parent, container.id().as_ref())
    }
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
