//! Applies whiteouts, or converts them for overlayfs.
//!
//! Whiteouts concern the lower layers: the layer's own entries stay, wherever in the archive the
//! whiteouts stand.

use std::ffi::OsStr;

use layerhold_sys::{Dir, FileType, NodeKind, remove_tree, xattr};
use layerhold_tar_format::Header;

use crate::entry_path::{os, shown};
use crate::unpack::entry_attributes::{EntryAttributes, owner};
use crate::unpack::error::{Result, refused};
use crate::unpack::parents::{EnterError, Entered, is_whiteout, joined};
use crate::unpack::unpacker::Unpacker;
use crate::unpack::{UnpackError, Whiteouts};

impl Unpacker {
    /// Hides `hidden`, a sibling of the whiteout at `path`.
    pub(super) fn white_out(
        &mut self,
        header: &Header,
        path: &[u8],
        parent: &[u8],
        hidden: &[u8],
    ) -> Result<()> {
        let Some(place) = self.directory_of_whiteout(path, parent)? else {
            return Ok(());
        };
        let name = os(hidden);
        let found = place.dir.stat(name).map_err(|error| refused(path, error))?;
        match found {
            Some(stat) if self.parents.unsettled.is_tentative(stat.ino) && stat.is_dir() => {
                self.remove(path, &place, name, &stat)?;
                self.write_down(header, path, &place, name)
            }
            Some(stat) if self.parents.is_own(&place, hidden) => match stat.is_dir() {
                true => self.detach_from_lower(path, &place, hidden),
                false => Ok(()),
            },
            Some(stat) => {
                self.remove(path, &place, name, &stat)?;
                self.write_down(header, path, &place, name)
            }
            None => self.write_down(header, path, &place, name),
        }
    }

    /// Creates a whiteout, unless whiteouts are applied.
    fn write_down(
        &mut self,
        header: &Header,
        path: &[u8],
        place: &Entered,
        name: &OsStr,
    ) -> Result<()> {
        if self.options.whiteouts == Whiteouts::Apply {
            return Ok(());
        }
        let owner = owner(header, &self.options.id_maps, path)?;
        let made = place.dir.make_node(name, NodeKind::CharDevice, 0, 0);
        made.map_err(|source| refused(path, source))?;
        self.parents.unsettled.note_whiteout(&place.path);
        let mut attributes = EntryAttributes::new(header, owner, &self.options);
        attributes.mode = 0;
        self.set_whiteout_owner(path, name, &place.dir, &attributes)
    }

    /// Sets the owner of a whiteout, its only attribute.
    fn set_whiteout_owner(
        &mut self,
        path: &[u8],
        name: &OsStr,
        dir: &Dir,
        attributes: &EntryAttributes,
    ) -> Result<()> {
        let found = dir.stat(name).map_err(|source| refused(path, source))?;
        match (found, attributes.owner) {
            (Some(stat), Some((uid, gid))) if (stat.uid, stat.gid) != (uid, gid) => {
                let done = dir.set_owner(name, Some(uid), Some(gid));
                self.check_owner(path, (uid, gid), done)
            }
            _ => Ok(()),
        }
    }

    /// Opens the directory of a whiteout; returns `None` if there is nothing to hide (Go:
    /// pkg/archive/archive_linux.go, ENOTDIR).
    fn directory_of_whiteout(&mut self, path: &[u8], parent: &[u8]) -> Result<Option<Entered>> {
        self.parents
            .enter_for_whiteout(parent)
            .map_err(|error| match error {
                EnterError::NotDirectory | EnterError::Dangling => {
                    UnpackError::ParentNotDirectory { entry: shown(path) }
                }
                EnterError::Refused(source) => refused(path, source),
            })
    }

    /// Makes one of the layer's own directories opaque, so that it no longer continues that of the
    /// lower layers.
    fn detach_from_lower(&mut self, path: &[u8], place: &Entered, name: &[u8]) -> Result<()> {
        let failed = |source| refused(path, source);
        let dir = place.dir.open_dir(os(name)).map_err(failed)?;
        self.parents.mark_opaque(&dir).map_err(failed)?;
        let entered = self.parents.entered(place, name, dir).map_err(failed)?;
        self.reset_attributes(path, &entered)?;
        self.remove_lower_entries(path, entered)
    }

    /// Resets the attributes that a directory without an entry took from lower layers.
    fn reset_attributes(&mut self, path: &[u8], entered: &Entered) -> Result<()> {
        let failed = |source| refused(path, source);
        match &self.parents.own {
            Some(own) if own.is_described(entered.inode) => return Ok(()),
            Some(_) => {
                self.drop_xattrs(path, &entered.dir)?;
                self.parents
                    .set_implied_attributes(&entered.dir)
                    .map_err(failed)?;
            }
            None => {}
        }
        let stat = entered.dir.stat_self().map_err(failed)?;
        self.parents.unsettled.note_described(stat.ino);
        Ok(())
    }

    /// Removes attributes of lower layers, except for labels and the drivers' own.
    pub(super) fn drop_xattrs(&mut self, path: &[u8], dir: &Dir) -> Result<()> {
        let names = xattr::list(dir).map_err(|source| refused(path, source))?;
        for name in names {
            if !super::entry_attributes::is_of_machine(name.as_encoded_bytes()) {
                let done = xattr::remove(dir, &name).map(drop);
                self.summary.skipped_xattrs += self.xattr_policy().check(path, done)?;
            }
        }
        Ok(())
    }

    /// Hides all entries of lower layers in `parent`.
    pub(super) fn make_opaque(&mut self, path: &[u8], parent: &[u8]) -> Result<()> {
        let Some(place) = self.directory_of_whiteout(path, parent)? else {
            return Ok(());
        };
        if place.path.is_empty() {
            self.parents.unsettled.make_root_opaque();
        }
        let marked = self.parents.mark_opaque(&place.dir);
        marked.map_err(|source| refused(path, source))?;
        self.remove_lower_entries(path, place)
    }

    /// Removes entries of lower layers below a directory. The layer's own directories stay and are
    /// searched; they no longer continue those of lower layers.
    fn remove_lower_entries(&mut self, path: &[u8], top: Entered) -> Result<()> {
        // So they do not take attributes of lower layers either.
        self.parents.unsettled.detach_below(&top.path);
        if self.parents.own.is_none() {
            return Ok(());
        }
        let mut pending = vec![(top.path.to_vec(), true)];
        while let Some((place, is_top)) = pending.pop() {
            let here = self
                .parents
                .at(&place)
                .map_err(|source| refused(path, source))?;
            let Some(here) = here else {
                continue;
            };
            if !is_top {
                self.reset_attributes(path, &here)?;
            }
            let mut names = Vec::new();
            for entry in here.dir.entries().map_err(|source| refused(path, source))? {
                let entry = entry.map_err(|source| refused(path, source))?;
                names.push((entry.name, entry.file_type));
            }
            for (name, file_type) in names {
                let bytes = name.as_encoded_bytes();
                if self.parents.is_own(&here, bytes) {
                    if file_type == FileType::Dir {
                        pending.push((joined(&here.path, bytes), false));
                    }
                    continue;
                }
                self.parents.forget();
                remove_tree(&here.dir, &name).map_err(|source| refused(path, source))?;
            }
        }
        Ok(())
    }

    /// Whether this layer hides the entry.
    pub(super) fn is_hidden(&self, stat: &layerhold_sys::Stat) -> bool {
        self.parents.overlay.is_some() && is_whiteout(stat)
    }
}
