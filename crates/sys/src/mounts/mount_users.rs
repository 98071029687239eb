//! Finds the processes that keep a mount busy.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::mounts::mount_of::{mount_at, mount_id_at};
use crate::mounts::mountinfo::{MountInfo, parse};
use crate::process::procfs::{command, processes, read};

/// How a process keeps a mount busy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Hold {
    /// Its current directory is in the mount.
    CurrentDirectory,
    /// Its root directory is in the mount.
    RootDirectory,
    /// It has a file open, with this descriptor.
    OpenFile(u32),
    /// It has a file mapped into memory, such as the program it runs.
    MappedFile(PathBuf),
    /// Its mount namespace has the filesystem mounted at this path. One process is listed for each
    /// namespace.
    MountNamespace(PathBuf),
}

/// A process that keeps a mount busy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its process ID in this process's procfs.
    pub pid: u32,
    /// Its name in the kernel, 15 bytes at most.
    pub command: String,
    /// How it keeps the mount busy.
    pub holds: Vec<Hold>,
}

/// Finds the processes that use the mount at `path` or copies of it elsewhere, sorted by process
/// ID. Empty if nothing is mounted there.
///
/// The result is for messages: processes start and end at any time, and processes that this one may
/// not inspect are left out (without privileges, those of all other users).
pub fn mount_users(path: &Path) -> Result<Vec<Holder>> {
    let Some(mount) = mount_at(path)? else {
        return Ok(Vec::new());
    };
    let mut search = Search {
        device: mount.device,
        own: namespace(Path::new("/proc/self")),
        namespaces: BTreeMap::new(),
    };
    let mut holders = Vec::new();
    for pid in processes()? {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let holds = search.holds(&process);
        if !holds.is_empty() {
            holders.push(Holder {
                pid,
                command: command(&process),
                holds,
            });
        }
    }
    Ok(holders)
}

/// The copies of the mount in one namespace.
#[derive(Default)]
struct Copies {
    ids: BTreeSet<u64>,
    places: Vec<PathBuf>,
}

struct Search {
    device: (u32, u32),
    own: Option<PathBuf>,
    namespaces: BTreeMap<PathBuf, Copies>,
}

impl Search {
    fn holds(&mut self, process: &Path) -> Vec<Hold> {
        let Some(namespace) = namespace(process) else {
            return Vec::new();
        };
        let mut holds = Vec::new();
        if !self.namespaces.contains_key(&namespace) {
            let copies = self.copies(process);
            if self.own.as_ref() != Some(&namespace) {
                let places = copies.places.iter().cloned();
                holds.extend(places.map(Hold::MountNamespace));
            }
            self.namespaces.insert(namespace.clone(), copies);
        }
        let everywhere: BTreeSet<u64> = self
            .namespaces
            .values()
            .flat_map(|copies| &copies.ids)
            .copied()
            .collect();
        let is_there = |path: &Path| mount_id_at(path).is_some_and(|id| everywhere.contains(&id));
        if is_there(&process.join("cwd")) {
            holds.push(Hold::CurrentDirectory);
        }
        if is_there(&process.join("root")) {
            holds.push(Hold::RootDirectory);
        }
        holds.extend(open_files(process, &is_there));
        let places = self.namespaces.get(&namespace).map(|copies| &copies.places);
        holds.extend(mapped_files(process, places.map_or(&[], Vec::as_slice)));
        holds
    }

    /// The mounts of the filesystem that a process sees.
    fn copies(&self, process: &Path) -> Copies {
        let mut copies = Copies::default();
        for mount in mounts_of(process) {
            if mount.device == self.device {
                copies.ids.insert(u64::from(mount.id));
                copies.places.push(mount.mount_point);
            }
        }
        copies
    }
}

/// The name of a process's mount namespace, such as `mnt:[4026531841]`.
fn namespace(process: &Path) -> Option<PathBuf> {
    process.join("ns/mnt").read_link().ok()
}

fn mounts_of(process: &Path) -> Vec<MountInfo> {
    parse(&read(&process.join("mountinfo")))
}

fn open_files(process: &Path, is_there: &impl Fn(&Path) -> bool) -> Vec<Hold> {
    let Ok(entries) = process.join("fd").read_dir() else {
        return Vec::new();
    };
    let mut numbers: Vec<u32> = entries
        .flatten()
        .filter(|entry| is_there(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.into_iter().map(Hold::OpenFile).collect()
}

/// Mapped files below one of `places`, as this process names them.
fn mapped_files(process: &Path, places: &[PathBuf]) -> BTreeSet<Hold> {
    let maps = read(&process.join("maps"));
    maps.split(|byte| *byte == b'\n')
        .filter_map(mapped_path)
        .filter(|path| places.iter().any(|place| path.starts_with(place)))
        .map(|path| Hold::MappedFile(path.to_owned()))
        .collect()
}

/// The path is the sixth column and may contain spaces.
fn mapped_path(line: &[u8]) -> Option<&Path> {
    let start = line.iter().position(|byte| *byte == b'/')?;
    let path = Path::new(OsStr::from_bytes(line.get(start..)?));
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_mounted_nobody_holds_it() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(mount_users(scratch.path()).unwrap(), []);
    }

    #[test]
    fn paths_of_maps() {
        let line = b"7f-8f r-xp 00000000 00:1f 123   /a/b c (deleted)";
        assert_eq!(mapped_path(line), Some(Path::new("/a/b c (deleted)")));
        assert_eq!(mapped_path(b"7f-8f rw-p 00000000 00:00 0 [heap]"), None);
        assert_eq!(mapped_path(b""), None);
    }
}
