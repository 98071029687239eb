//! Deletions, carried out or written down for overlayfs.

use std::ffi::OsStr;

use layerhold_sys::{Dir, FileType, NodeKind, PathError, remove_tree, xattr};
use layerhold_tar_format::Header;

use crate::entry_path::{os, split};
use crate::unpack::parents::Missing;
use crate::unpack::unpacker::{Result, Unpacker, refused};
use crate::unpack::wanted::{Wanted, owner};
use crate::unpack::{OverlayNamespace, UnpackError, Whiteouts};

impl Unpacker {
    /// Hides `hidden`, a sibling of the whiteout at `path`.
    pub(super) fn white_out(
        &mut self,
        header: &Header,
        path: &[u8],
        parent: &[u8],
        hidden: &[u8],
    ) -> Result<()> {
        let dir = match self.enter(path, parent, Missing::Create) {
            // Its directory was deleted itself, or is a file now: nothing is
            // left to hide (Go: pkg/archive/archive_linux.go, ENOTDIR).
            Err(UnpackError::ParentNotDirectory { .. }) => return Ok(()),
            other => other?,
        };
        let name = os(hidden);
        match self.options.whiteouts {
            Whiteouts::Apply => {
                let found = dir.stat(name).map_err(|source| refused(path, source))?;
                match found {
                    Some(stat) => self.remove(path, &dir, name, &stat),
                    None => Ok(()),
                }
            }
            _ => {
                let owner = owner(header, &self.options.id_maps, path)?;
                self.make(path, &dir, name, FileType::CharDevice, || {
                    dir.make_node(name, NodeKind::CharDevice, 0, 0)
                })?;
                let mut wanted = Wanted::new(header, owner, &self.options);
                wanted.mode = 0;
                self.settle_whiteout(path, name, &dir, &wanted)
            }
        }
    }

    /// A whiteout has an owner and nothing else.
    fn settle_whiteout(
        &mut self,
        path: &[u8],
        name: &OsStr,
        dir: &Dir,
        wanted: &Wanted,
    ) -> Result<()> {
        let found = dir.stat(name).map_err(|source| refused(path, source))?;
        match (found, wanted.owner) {
            (Some(stat), Some((uid, gid))) if (stat.uid, stat.gid) != (uid, gid) => {
                let done = dir.set_owner(name, Some(uid), Some(gid));
                self.check_owner(path, (uid, gid), done)
            }
            _ => Ok(()),
        }
    }

    /// Hides everything lower layers have in `parent`.
    pub(super) fn make_opaque(&mut self, path: &[u8], parent: &[u8]) -> Result<()> {
        let dir = match self.enter(path, parent, Missing::Create) {
            Err(UnpackError::ParentNotDirectory { .. }) => return Ok(()),
            other => other?,
        };
        match self.options.whiteouts {
            Whiteouts::Overlay(namespace) => self.mark_opaque(path, &dir, namespace),
            _ if self.put.is_none() => Ok(()),
            _ => self.clear_lower(path, parent),
        }
    }

    fn mark_opaque(&mut self, path: &[u8], dir: &Dir, namespace: OverlayNamespace) -> Result<()> {
        xattr::set(dir, namespace.opaque_attribute(), b"y").map_err(|source| refused(path, source))
    }

    /// Removes what this layer has not put below `top`.
    ///
    /// Directories this layer has put, or has put something into, stay, and are
    /// searched. A link in place of `top` is not followed: the whiteout is for
    /// the directory of that name, and there is none (Go walks without following).
    fn clear_lower(&mut self, path: &[u8], top: &[u8]) -> Result<()> {
        let mut pending = vec![top.to_vec()];
        while let Some(directory) = pending.pop() {
            let Some(dir) = self.open_unfollowed(path, &directory)? else {
                continue;
            };
            let mut names = Vec::new();
            for entry in dir.entries().map_err(|source| refused(path, source))? {
                let entry = entry.map_err(|source| refused(path, source))?;
                names.push((entry.name, entry.file_type));
            }
            for (name, file_type) in names {
                let mut child = directory.clone();
                if !child.is_empty() {
                    child.push(b'/');
                }
                child.extend_from_slice(name.as_encoded_bytes());
                if self.stays(&child) {
                    if file_type == FileType::Dir {
                        pending.push(child);
                    }
                    continue;
                }
                self.parents.forget();
                remove_tree(&dir, &name).map_err(|source| refused(path, source))?;
            }
        }
        Ok(())
    }

    fn stays(&self, path: &[u8]) -> bool {
        self.put.as_ref().is_none_or(|put| put.contains(path)) || self.is_link_store(path)
    }

    fn open_unfollowed(&mut self, path: &[u8], directory: &[u8]) -> Result<Option<Dir>> {
        if directory.is_empty() {
            return Ok(Some(self.parents.root().clone()));
        }
        let (parent, name) = split(directory);
        let above = self.enter(path, parent, Missing::Fail)?;
        match above.open_dir(os(name)) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if is_no_directory(&error) => Ok(None),
            Err(source) => Err(refused(path, source)),
        }
    }
}

fn is_no_directory(error: &PathError) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::NotFound
    )
}
