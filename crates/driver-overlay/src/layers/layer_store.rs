//! Additional layer stores: directories in which another program shows layers (Go:
//! drivers/overlay/overlay.go, `additionalLayer`).
//!
//! `<store>/[<image in base64>/]<digest>` has the tree in `diff`, what is known about the layer in
//! `info`, and the archive in `blob`.
//!
//! The program counts the users of a layer: one more when a process tries to create `use` in its
//! directory, one less when a process tries to remove the directory. Both attempts fail. A crash
//! leaves a count that is too high.

use std::fs::File;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use layerhold_driver::{LayerError, Trash};
use layerhold_ids::TocDigest;
use layerhold_sys::{Dir, best_effort, stat_ambient};

use super::external::{external_error, noted_external};
use crate::disk::DIFF;
use crate::options::LayerStore;

/// What is known about a layer.
const INFO: &str = "info";
/// The archive.
const BLOB: &str = "blob";
/// An attempt to create it says that the layer is in use.
const USE: &str = "use";

/// A record lists the owners in a layer; there are not so many.
const LONGEST_INFO: u64 = 16 << 20;

/// One use of an additional layer. Dropping it ends the use, unless a layer has
/// [taken it over](Self::hand_over).
#[derive(Debug)]
pub(crate) struct LayerUse {
    path: PathBuf,
    is_ours: bool,
}

impl LayerUse {
    /// Tells the program that the layer is in use.
    pub(crate) fn begin(path: PathBuf) -> Self {
        // A program that counts answers that there is no such file. One that does not count, and a
        // plain directory, may let it be made, or refuse in any other way.
        if let Ok(dir) = Dir::open_ambient(&path)
            && dir.create_file(USE, 0o666).is_ok()
        {
            best_effort(dir.remove_file(USE));
        }
        Self {
            path,
            is_ours: true,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the use to a layer of the driver, whose removal ends it.
    pub(crate) fn hand_over(mut self) {
        self.is_ours = false;
    }

    /// Reads what the program knows about the layer.
    pub(crate) fn info(&self) -> Result<Vec<u8>, LayerError> {
        let missing = || LayerError::ExternalMissing {
            path: self.path.clone(),
        };
        let info = self.open()?.read_file(INFO, LONGEST_INFO)?;
        info.ok_or_else(missing)
    }

    /// Opens the archive of the layer.
    pub(crate) fn blob(&self) -> Result<File, LayerError> {
        Ok(self.open()?.open_file(BLOB)?)
    }

    fn open(&self) -> Result<Dir, LayerError> {
        Dir::open_ambient(&self.path).map_err(external_error(&self.path))
    }
}

impl Drop for LayerUse {
    fn drop(&mut self) {
        if self.is_ours {
            release(&self.path);
        }
    }
}

/// Tells the program that one use has ended, by trying to remove the directory. A plain directory
/// refuses, because it is not empty.
fn release(path: &Path) {
    if let (true, Some(above), Some(name)) = (path.is_absolute(), path.parent(), path.file_name()) {
        best_effort(Dir::open_ambient(above).and_then(|above| above.remove_empty_dir(name)));
    }
}

/// Ends the use by a layer that is removed, once it is erased.
pub(crate) fn release_layer(dir: &Dir, trash: &mut Trash) -> Result<(), LayerError> {
    if let Some(path) = noted_external(dir)? {
        trash.defer(move || {
            release(&path);
            Ok(())
        });
    }
    Ok(())
}

/// Looks for a layer in the stores, in their order.
pub(crate) fn find_in_stores(
    stores: &[LayerStore],
    toc: &TocDigest,
    image: &str,
) -> Option<PathBuf> {
    let reference = base64(image.as_bytes());
    for store in stores {
        let mut path = store.path.clone();
        if store.with_reference && !reference.is_empty() {
            // It is the name of one directory. No name of an image is encoded with a slash.
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

/// Whether a directory has all entries of a layer. An entry that cannot be looked at counts as
/// missing, as in Go: a store whose program is dead must not block the other stores.
fn is_layer(path: &Path) -> bool {
    let is_there = |part| matches!(stat_ambient(path.join(part)), Ok(Some(_)));
    [DIFF, INFO, BLOB].into_iter().all(is_there)
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
