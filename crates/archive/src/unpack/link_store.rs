//! The directory in which AUFS kept the targets of hard links.
//!
//! Old archives hold files below `/.wh..wh.plnk` and hard links to them. The
//! files are unpacked into a directory of ours, found there by the links, and
//! removed with it at the end (Go: `pkg/archive/diff.go`, `UnpackLayer`).

use std::ffi::OsString;

use layerhold_sys::{Dir, remove_tree};
use layerhold_tar_format::{EntryKind, Header};

use crate::entry_path::{os, split};
use crate::unpack::unpacker::{Result, Unpacker, refused};
use crate::whiteout::{LINK_STORE, OPAQUE_NAME, WHITEOUT_META_PREFIX};

#[derive(Debug)]
pub(super) struct LinkStore {
    root: Dir,
    name: OsString,
    dir: Dir,
}

impl Unpacker {
    /// Takes care of top-level names with a special meaning: files of the link
    /// store are put aside, everything else but an opaque whiteout means nothing
    /// here. Tells whether the entry is dealt with.
    pub(super) fn is_link_store_matter(&mut self, header: &Header, path: &[u8]) -> Result<bool> {
        if !path.starts_with(WHITEOUT_META_PREFIX.as_bytes()) || path == OPAQUE_NAME.as_bytes() {
            return Ok(false);
        }
        let stored = path
            .strip_prefix(LINK_STORE)
            .is_some_and(|rest| rest.starts_with(b"/"));
        if stored && header.kind == EntryKind::Regular {
            self.store_link_target(header, path)?;
        }
        Ok(true)
    }

    /// Where a link target below the link store really is.
    pub(super) fn stored_link(&self, target: &[u8]) -> Option<(Dir, OsString)> {
        let rest = target.strip_prefix(LINK_STORE)?;
        let store = self.link_store.as_ref()?;
        rest.starts_with(b"/")
            .then(|| (store.dir.clone(), os(split(target).1).to_owned()))
    }

    /// Whether a path is the directory of ours.
    pub(super) fn is_link_store(&self, path: &[u8]) -> bool {
        let store = self.link_store.as_ref();
        store.is_some_and(|store| store.name.as_encoded_bytes() == path)
    }

    pub(super) fn drop_link_store(&mut self) -> Result<()> {
        let Some(store) = self.link_store.take() else {
            return Ok(());
        };
        remove_tree(self.parents.root(), &store.name)
            .map_err(|source| refused(store.name.as_encoded_bytes(), source))
    }

    fn store_link_target(&mut self, header: &Header, path: &[u8]) -> Result<()> {
        let dir = self.open_link_store(path)?;
        let place = self.place_in(header, path, dir)?;
        self.open_file(path, os(split(path).1), place)
    }

    fn open_link_store(&mut self, path: &[u8]) -> Result<Dir> {
        if let Some(store) = &self.link_store {
            return Ok(store.dir.clone());
        }
        let root = self.parents.root();
        let made = layerhold_sys::random_suffix().and_then(|suffix| {
            let name = OsString::from(format!(".wh..wh.plnk-{suffix}"));
            root.create_dir(&name, 0o700)?;
            let dir = root.open_dir(&name)?;
            let root = root.clone();
            Ok(LinkStore { root, name, dir })
        });
        let store = made.map_err(|source| refused(path, source))?;
        let dir = store.dir.clone();
        self.link_store = Some(store);
        Ok(dir)
    }
}

/// After an error the whole tree is usually thrown away; this is for callers
/// that keep it.
impl Drop for LinkStore {
    fn drop(&mut self) {
        drop(remove_tree(&self.root, &self.name));
    }
}
