//! Layers that another program shows in a directory of its own (Go: drivers/overlay/overlay.go,
//! `additionalLayer`).
//!
//! `<store>/[<image in base64>/]<digest>` has the tree in `diff`, what is known about the layer in
//! `info`, and the archive in `blob`. A layer that is made of one has a symbolic link to the tree
//! in place of its `diff`, and the path in the file `additionallayer`.
//!
//! The program counts who uses a layer: one more when somebody tries to create `use` in its
//! directory, one less when somebody tries to remove the directory. It lets neither happen. What a
//! crash leaves is a count that is too high.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use layerhold_driver::{AdditionalLayer, LayerError, StageRequest, StagedLayer, Trash};
use layerhold_ids::TocDigest;
use layerhold_sys::{Dir, Durability, FileType, PathError, publish, stat_ambient};

use crate::core::Core;
use crate::names::{ADDITIONAL_LAYER, DIFF, FILE_MODE};
use crate::options::LayerStore;
use crate::staged::OverlayStaged;

/// What is known about a layer.
const INFO: &str = "info";
/// The archive.
const BLOB: &str = "blob";
/// Trying to create it says that the layer is in use.
const USE: &str = "use";

/// A path is no longer than this.
const LONGEST_PATH: u64 = 4096;
/// A record lists the owners in a layer; there are not so many.
const LONGEST_INFO: u64 = 16 << 20;

/// One use of an additional layer; it ends with this, unless it is passed on.
#[derive(Debug)]
pub(crate) struct Hold {
    path: PathBuf,
    is_ours: bool,
}

impl Hold {
    /// Tells the program that the layer is in use.
    pub(crate) fn new(path: PathBuf) -> Self {
        // A program that counts says that there is no such file. One that does not, and a plain
        // directory, may let it be made, or refuse in any other way.
        if let Ok(dir) = Dir::open_ambient(&path)
            && dir.create_file(USE, 0o666).is_ok()
        {
            drop(dir.remove_file(USE));
        }
        Self {
            path,
            is_ours: true,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the use to a layer, whose removal ends it.
    pub(crate) fn pass_on(mut self) {
        self.is_ours = false;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.is_ours {
            release(&self.path);
        }
    }
}

/// Tells the program that one use has ended, by trying to remove the directory. A plain directory
/// refuses, because there is something in it.
fn release(path: &Path) {
    if let (true, Some(above), Some(name)) = (path.is_absolute(), path.parent(), path.file_name()) {
        drop(Dir::open_ambient(above).and_then(|above| above.remove_empty_dir(name)));
    }
}

/// A layer in an additional layer store.
#[derive(Debug)]
pub(crate) struct OverlayAdditional {
    core: Arc<Core>,
    hold: Hold,
}

impl OverlayAdditional {
    pub(crate) fn new(core: &Arc<Core>, path: PathBuf) -> Self {
        Self {
            core: Arc::clone(core),
            hold: Hold::new(path),
        }
    }

    fn open(&self) -> Result<Dir, LayerError> {
        Dir::open_ambient(self.hold.path()).map_err(missing_at(self.hold.path()))
    }
}

impl AdditionalLayer for OverlayAdditional {
    fn path(&self) -> &Path {
        self.hold.path()
    }

    fn info(&self) -> Result<Vec<u8>, LayerError> {
        let missing = || LayerError::ExternalMissing {
            path: self.hold.path().to_owned(),
        };
        let info = self.open()?.read_file(INFO, LONGEST_INFO)?;
        info.ok_or_else(missing)
    }

    fn blob(&self) -> Result<File, LayerError> {
        Ok(self.open()?.open_file(BLOB)?)
    }

    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError> {
        let hold = Hold::new(self.hold.path().to_owned());
        let staged = OverlayStaged::external(&self.core, request, hold)?;
        Ok(Box::new(staged))
    }
}

/// Looks through the stores in their order.
pub(crate) fn find(stores: &[LayerStore], toc: &TocDigest, image: &str) -> Option<PathBuf> {
    let reference = base64(image.as_bytes());
    for store in stores {
        let mut path = store.path.clone();
        if store.with_reference && !reference.is_empty() {
            // The name of one directory. Names of images have no letters that make it two.
            if reference.contains('/') {
                continue;
            }
            path.push(&reference);
        }
        path.push(toc.to_string());
        if is_layer(&path) {
            return Some(path);
        }
    }
    None
}

/// Whether the parts of a layer are there. What cannot be looked at is not, as in Go: a store whose
/// program is dead must not stand in the way of the others.
fn is_layer(path: &Path) -> bool {
    let is_there = |part| matches!(stat_ambient(path.join(part)), Ok(Some(_)));
    [DIFF, INFO, BLOB].into_iter().all(is_there)
}

/// Makes the parts of a layer's directory that stand for the contents, and opens the contents.
pub(crate) fn link_contents(dir: &Dir, path: &Path) -> Result<Dir, LayerError> {
    let contents = path.join(DIFF);
    dir.symlink(&contents, DIFF)?;
    let text = path.as_os_str().as_bytes();
    publish(
        dir,
        ADDITIONAL_LAYER,
        FILE_MODE,
        &[text],
        Durability::Volatile,
    )?;
    Dir::open_ambient(&contents).map_err(missing_at(path))
}

/// The additional layer that a layer has its contents in.
pub(crate) fn noted_path(dir: &Dir) -> Result<Option<PathBuf>, PathError> {
    let text = dir.read_file(ADDITIONAL_LAYER, LONGEST_PATH)?;
    let path = text.map(|text| PathBuf::from(OsString::from_vec(text)));
    Ok(path.filter(|path| path.is_absolute()))
}

/// Ends the use by a layer that is removed, once it is erased.
pub(crate) fn release_layer(dir: &Dir, trash: &mut Trash) -> Result<(), LayerError> {
    if let Some(path) = noted_path(dir)? {
        trash.defer(move || {
            release(&path);
            Ok(())
        });
    }
    Ok(())
}

/// Where `diff` is, when it is in an additional layer store.
pub(crate) fn external_diff(dir: &Dir) -> Result<Option<PathBuf>, PathError> {
    match dir.stat(DIFF)? {
        Some(stat) if stat.file_type() == FileType::Symlink => {}
        _ => return Ok(None),
    }
    let target = dir.read_link(DIFF)?;
    if !target.is_absolute() {
        let cause = std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("linkpath must be absolute (got: {:?})", target.display()),
        );
        return Err(PathError::new("follow", dir.path().join(DIFF), cause));
    }
    Ok(Some(target))
}

/// The same, for somebody who is about to read there.
pub(crate) fn shown_diff(dir: &Dir) -> Result<Option<PathBuf>, LayerError> {
    let Some(target) = external_diff(dir)? else {
        return Ok(None);
    };
    match stat_ambient(&target) {
        Ok(Some(_)) => Ok(Some(target)),
        Ok(None) => Err(LayerError::ExternalMissing { path: target }),
        Err(error) => Err(missing_at(&target)(error)),
    }
}

/// Refuses to change contents that are another program's.
pub(crate) fn refuse_external(dir: &Dir) -> Result<(), LayerError> {
    match external_diff(dir)? {
        Some(path) => Err(LayerError::External { path }),
        None => Ok(()),
    }
}

/// A program that has died leaves a mount that answers with other errors than "not found".
fn missing_at(path: &Path) -> impl FnOnce(PathError) -> LayerError {
    /// "Transport endpoint is not connected".
    const NOT_CONNECTED: i32 = 107;
    let path = path.to_owned();
    move |error| match error.raw_os_error() {
        _ if error.is_not_found() => LayerError::ExternalMissing { path },
        Some(NOT_CONNECTED) => LayerError::ExternalMissing { path },
        _ => error.into(),
    }
}

/// Encodes as RFC 4648 says, with padding.
fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_in_the_standard() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
            ("fedora", "ZmVkb3Jh"),
            ("??>", "Pz8+"),
            ("~~?", "fn4/"),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
