//! Finds the processes that hold a lock of a file.
//!
//! `/proc/locks` names the process of a classic record lock, but not those of an
//! open-file-description lock, because such a lock belongs to an open file. These are found by the
//! lock lines that `/proc/PID/fdinfo` has for each open file.

use std::fmt;
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::directory::stat::stat_file;
use crate::error::{Context, Result};
use crate::locks::record_lock::LockKind;
use crate::mounts::mount_of::mount_of;
use crate::process::procfs::{command, processes, read};

/// A holder of a lock of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockHolder {
    /// The process ID in this process's procfs; `None` if this process may not inspect the holder.
    pub pid: Option<u32>,
    /// Its name in the kernel, 15 bytes at most, if it is known.
    pub command: Option<String>,
    /// The kind of the lock.
    pub kind: LockKind,
}

/// Writes name and process, such as `podman (process 12)`.
impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.command) {
            (Some(pid), Some(command)) => write!(f, "{command} (process {pid})"),
            (Some(pid), None) => write!(f, "process {pid}"),
            (None, _) => f.write_str("a process that this one may not inspect"),
        }
    }
}

/// Finds the processes that hold a record lock of an open file, in the order of their IDs; those
/// that cannot be told come last. This process is listed too.
///
/// The result is for messages: locks are taken and released at any time. Without privileges, open
/// files of other users' processes cannot be inspected, so their open-file-description locks have
/// no process ID; classic locks have one. Processes outside this process's PID namespace are
/// unknown too. All open files of all processes are looked at, which takes milliseconds to seconds.
///
/// # Errors
///
/// If procfs cannot be read.
pub fn lock_holders(file: &impl AsFd) -> Result<Vec<LockHolder>> {
    let inode = stat_file(file)?.ino;
    // Not the device of `stat`, which on btrfs is that of a subvolume.
    let device = mount_of(file)?.map(|mount| mount.device);
    let is_meant =
        |lock: &Line| lock.inode == inode && device.is_none_or(|device| device == lock.device);
    let path = "/proc/locks";
    let table = std::fs::read_to_string(path).context("read", || path.into())?;
    let locks: Vec<Line> = table.lines().filter_map(parse).filter(is_meant).collect();
    let mut holders: Vec<LockHolder> = Vec::new();
    for lock in &locks {
        if let (Owner::Process, Some(pid)) = (lock.owner, lock.pid) {
            holders.push(holder(pid, lock.kind));
        }
    }
    let of_files = locks.iter().filter(|lock| lock.owner == Owner::OpenFile);
    if let Some(any) = of_files.map(|lock| lock.kind).next() {
        let mut found = Vec::new();
        for pid in processes()? {
            found.extend(locks_of(pid, &is_meant).map(|kind| holder(pid, kind)));
        }
        if found.is_empty() {
            found.push(LockHolder {
                pid: None,
                command: None,
                kind: any,
            });
        }
        holders.append(&mut found);
    }
    holders.sort_by_key(|holder| (holder.pid.is_none(), holder.pid));
    holders.dedup();
    Ok(holders)
}

fn holder(pid: u32, kind: LockKind) -> LockHolder {
    let command = command(&PathBuf::from(format!("/proc/{pid}")));
    LockHolder {
        pid: Some(pid),
        command: (!command.is_empty()).then_some(command),
        kind,
    }
}

/// The kinds of the locks that open files of a process have.
fn locks_of(pid: u32, is_meant: &impl Fn(&Line) -> bool) -> impl Iterator<Item = LockKind> {
    let files = PathBuf::from(format!("/proc/{pid}/fdinfo")).read_dir();
    let mut kinds = Vec::new();
    for entry in files.into_iter().flatten().flatten() {
        let text = read(&entry.path());
        let text = String::from_utf8_lossy(&text);
        let locks = text.lines().filter_map(|line| line.strip_prefix("lock:"));
        let locks = locks.filter_map(parse).filter(is_meant);
        kinds.extend(
            locks
                .filter(|lock| lock.owner == Owner::OpenFile)
                .map(|lock| lock.kind),
        );
    }
    kinds.into_iter()
}

/// What a lock belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Process,
    OpenFile,
}

/// A held record lock, as a line of procfs describes it.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    owner: Owner,
    kind: LockKind,
    pid: Option<u32>,
    device: (u32, u32),
    inode: u64,
}

/// Parses a line such as `1: POSIX  ADVISORY  WRITE 123 fe:00:456 0 EOF`. Waiters, which have an
/// arrow before the type, and locks of other types give `None`.
fn parse(line: &str) -> Option<Line> {
    let mut words = line.split_whitespace().skip(1);
    let owner = match words.next()? {
        "POSIX" => Owner::Process,
        "OFDLCK" => Owner::OpenFile,
        _ => return None,
    };
    let kind = match words.nth(1)? {
        "READ" => LockKind::Shared,
        "WRITE" => LockKind::Exclusive,
        _ => return None,
    };
    let pid = words.next()?.parse().ok();
    let mut file = words.next()?.split(':');
    let mut hex = || u32::from_str_radix(file.next()?, 16).ok();
    let device = (hex()?, hex()?);
    Some(Line {
        owner,
        kind,
        pid,
        device,
        inode: file.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::dir::Dir;
    use crate::directory::options::{Create, OpenOptions};
    use crate::locks::record_lock::RecordLock;

    #[test]
    fn lines_of_procfs() {
        let check = |line, expected| assert_eq!(parse(line), expected, "{line}");
        let lock = |owner, kind, pid| {
            Some(Line {
                owner,
                kind,
                pid,
                device: (0xfe, 0x1a),
                inode: 456,
            })
        };
        check(
            "1: POSIX  ADVISORY  WRITE 123 fe:1a:456 0 EOF",
            lock(Owner::Process, LockKind::Exclusive, Some(123)),
        );
        check(
            "\t1: OFDLCK ADVISORY  READ -1 fe:1a:456 0 EOF",
            lock(Owner::OpenFile, LockKind::Shared, None),
        );
        check("1: -> POSIX  ADVISORY  WRITE 123 fe:1a:456 0 EOF", None);
        check("2: FLOCK  ADVISORY  WRITE 123 fe:1a:456 0 EOF", None);
        check("3: POSIX  ADVISORY  WRITE 123 fe:1a", None);
        check("", None);
    }

    #[test]
    fn this_process_is_found_by_its_open_file() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let open = || {
            let options = OpenOptions::read_write().create(Create::IfMissing);
            dir.open_with("lock", options).unwrap()
        };
        let file = open();
        assert_eq!(lock_holders(&file).unwrap(), []);
        let held = RecordLock::lock_shared(open()).unwrap();
        let also = RecordLock::lock_shared(open()).unwrap();
        let own = holder(std::process::id(), LockKind::Shared);
        assert!(own.command.is_some());
        assert_eq!(lock_holders(&file).unwrap(), [own]);
        drop((held, also));
        let held = RecordLock::lock_exclusive(open()).unwrap();
        let own = holder(std::process::id(), LockKind::Exclusive);
        assert_eq!(lock_holders(&file).unwrap(), [own]);
        drop(held);
    }

    #[test]
    fn holders_as_text() {
        let mut holder = LockHolder {
            pid: Some(12),
            command: Some("podman".to_owned()),
            kind: LockKind::Exclusive,
        };
        assert_eq!(holder.to_string(), "podman (process 12)");
        holder.command = None;
        assert_eq!(holder.to_string(), "process 12");
        holder.pid = None;
        let text = "a process that this one may not inspect";
        assert_eq!(holder.to_string(), text);
    }
}
