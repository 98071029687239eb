//! Rewriting the owners of a tree.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::{OsStr, OsString};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use layerhold_idmap::{
    ContainerOwner, HostId, HostOwner, IdMap, IdMappings, UnmappedError, capability_for,
};
use layerhold_sys::{Dir, FileType, Stat, Times, xattr};

use crate::error::LayerError;
use crate::work::{Tasks, default_threads, run_tasks};

/// File capabilities, which a change of owner clears.
const CAPABILITY: &str = "security.capability";
/// Set-user-ID and set-group-ID, which a change of owner clears as well.
const SET_ID_BITS: u32 = 0o6000;

/// Which maps the owners of a layer go through.
///
/// An owner on disk is a host ID of `from`. It stands for a container ID, which is looked up in
/// `to`; the host ID found there is written. Empty maps stand for "the same".
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RemapRequest<'a> {
    /// The maps under which the owners are on disk now.
    pub from: &'a IdMappings,
    /// The maps under which they will be.
    pub to: &'a IdMappings,
    /// The SELinux label for mounts; empty for none.
    pub mount_label: &'a str,
}

impl<'a> RemapRequest<'a> {
    /// Requests owners under `from` to be rewritten to those under `to`.
    #[must_use]
    pub fn new(from: &'a IdMappings, to: &'a IdMappings) -> Self {
        Self {
            from,
            to,
            mount_label: "",
        }
    }

    /// Sets the SELinux label.
    #[must_use]
    pub fn with_mount_label(mut self, label: &'a str) -> Self {
        self.mount_label = label;
        self
    }

    /// Returns the owner on disk for one that is there now (Go: drivers/chown_unix.go).
    ///
    /// An owner without a container ID is an error, with two exceptions. Root passes, which repairs
    /// a parent that should have been mapped and was not. The ID that an earlier rewriting put in
    /// place of a container ID without a host ID passes too; it becomes [`IdMap::overflow`] of the
    /// new maps.
    fn map(&self, owner: HostOwner) -> Result<HostOwner, UnmappedError> {
        Ok(self.to.to_host_or_overflow(self.inside(owner)?))
    }

    /// Returns the new owner of the root directory of a layer, which [`remap_tree`] leaves to the
    /// driver. It goes through the maps as every other owner does; one that has no place in them
    /// becomes the superuser inside.
    ///
    /// # Errors
    ///
    /// [`LayerError::RootPair`] for maps without a superuser.
    pub fn owner_of_root(&self, now: HostOwner) -> Result<HostOwner, LayerError> {
        let root = self.to.root_pair().map_err(LayerError::RootPair)?;
        Ok(match self.inside(now) {
            Ok(inside) => self.to.to_host(inside).unwrap_or(root),
            Err(_) => root,
        })
    }

    fn inside(&self, owner: HostOwner) -> Result<ContainerOwner, UnmappedError> {
        if owner == HostOwner::new(0, 0) {
            let root = |map: &IdMap| map.to_container(HostId::ROOT).unwrap_or_default();
            return Ok(ContainerOwner {
                uid: root(&self.from.uids),
                gid: root(&self.from.gids),
            });
        }
        let inside = |map: &IdMap, id: HostId| match map.to_container(id) {
            Err(_) if id == map.overflow() => Ok(map.to_container_or_overflow(id)),
            other => other,
        };
        Ok(ContainerOwner {
            uid: inside(&self.from.uids, owner.uid)?,
            gid: inside(&self.from.gids, owner.gid)?,
        })
    }

    /// Returns a file capability for the new maps; `None` if it does not change.
    fn map_capability(&self, value: &[u8]) -> Option<Vec<u8>> {
        capability_for(value, |id| {
            let inside = self.from.uids.to_container(HostId::new(id)).ok()?;
            Some(self.to.uids.to_host(inside).ok()?.get())
        })
    }

    fn map_at(
        &self,
        stat: &Stat,
        path: impl FnOnce() -> PathBuf,
    ) -> Result<(u32, u32), LayerError> {
        match self.map(HostOwner::new(stat.uid, stat.gid)) {
            Ok(owner) => Ok((owner.uid.get(), owner.gid.get())),
            Err(source) => Err(LayerError::Map {
                path: path(),
                uid: stat.uid,
                gid: stat.gid,
                source,
            }),
        }
    }
}

/// What to do with the other names of a file that has got its new owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HardLinks {
    /// Nothing: all names stay one inode.
    OneInode,
    /// Link them to the first name again: a change of owner has split them (overlay without
    /// `index`).
    SplitByCopyUp,
}

/// Rewrites the owners of everything below `root`, but not of `root` itself (Go: drivers/chown.go).
///
/// Set-ID bits and file capabilities survive. An inode is changed once, however many names it has.
/// Symbolic links are changed, not followed. Runs on several threads of this process.
///
/// # Errors
///
/// [`LayerError::Map`] when an owner is outside the maps. Files visited before keep their new
/// owners.
pub fn remap_tree(
    root: &Dir,
    request: &RemapRequest<'_>,
    links: HardLinks,
) -> Result<(), LayerError> {
    let threads = match links {
        HardLinks::OneInode => default_threads(),
        // A second name may only be linked when the first one has been copied up.
        HardLinks::SplitByCopyUp => NonZero::<usize>::MIN,
    };
    let walk = Walk {
        request,
        links,
        seen: Mutex::default(),
    };
    run_tasks(
        threads,
        Task {
            parent: root.clone(),
            name: None,
        },
        |task, tasks| walk.directory(task, tasks),
    )
}

/// A directory to go through: `name` in `parent`, or `parent` itself.
///
/// It is opened when its turn comes, so that waiting tasks of one directory share one descriptor.
struct Task {
    parent: Dir,
    name: Option<OsString>,
}

/// Filesystem and number.
type Inode = (u64, u64);
/// Where an inode was found first.
type FirstName = (Dir, OsString);

struct Walk<'a> {
    request: &'a RemapRequest<'a>,
    links: HardLinks,
    /// The inodes that may have more names, with the first name where it will be needed.
    seen: Mutex<HashMap<Inode, Option<FirstName>>>,
}

impl Walk<'_> {
    fn directory(&self, task: Task, tasks: &Tasks<'_, Task, LayerError>) -> Result<(), LayerError> {
        let dir = match task.name {
            Some(name) => task.parent.open_dir(name)?,
            None => task.parent,
        };
        let before = dir.stat_self()?;
        let mut relinked = false;
        let mut below = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            relinked |= self.entry(&dir, &entry.name)? == Done::Relinked;
            if entry.file_type == FileType::Dir {
                below.push(Task {
                    parent: dir.clone(),
                    name: Some(entry.name),
                });
            }
        }
        if relinked {
            dir.set_own_times(&Times::of(&before))?;
        }
        tasks.add_all(below);
        Ok(())
    }

    fn entry(&self, dir: &Dir, name: &OsStr) -> Result<Done, LayerError> {
        let Some(stat) = dir.stat(name)? else {
            return Ok(Done::OwnerOnly);
        };
        if let Some(done) = self.second_name(dir, name, &stat)? {
            return Ok(done);
        }
        let (uid, gid) = self.request.map_at(&stat, || dir.path().join(name))?;
        if (uid, gid) == (stat.uid, stat.gid) {
            return Ok(Done::OwnerOnly);
        }
        // Only files that are executed have capabilities, and only regular files are executed.
        let capability = if stat.is_file() {
            xattr::get_at(dir, name, CAPABILITY)?
        } else {
            None
        };
        dir.set_owner(name, Some(uid), Some(gid))
            .map_err(|source| LayerError::of_owner(source, uid, gid))?;
        if stat.file_type() != FileType::Symlink && stat.mode & SET_ID_BITS != 0 {
            dir.set_mode(name, stat.permissions())?;
        }
        if let Some(capability) = capability {
            let mapped = self.request.map_capability(&capability);
            xattr::set_at(
                dir,
                name,
                CAPABILITY,
                mapped.as_ref().unwrap_or(&capability),
            )?;
        }
        Ok(Done::OwnerOnly)
    }

    /// Handles a name whose inode was found under another name; `None` when it was not.
    fn second_name(
        &self,
        dir: &Dir,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<Option<Done>, LayerError> {
        if stat.is_dir() || stat.nlink < 2 {
            return Ok(None);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.entry((stat.dev, stat.ino)) {
            Entry::Vacant(vacant) => {
                let split = self.links == HardLinks::SplitByCopyUp;
                vacant.insert(split.then(|| (dir.clone(), name.to_owned())));
                Ok(None)
            }
            Entry::Occupied(occupied) => {
                let Some((first_dir, first_name)) = occupied.get() else {
                    return Ok(Some(Done::OwnerOnly));
                };
                dir.remove_file(name)?;
                first_dir.hard_link(first_name, dir, name)?;
                Ok(Some(Done::Relinked))
            }
        }
    }
}

/// What happened to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// The directory it is in was not changed.
    OwnerOnly,
    /// It was removed and made again.
    Relinked,
}
