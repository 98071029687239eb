//! Lists the mounts of all mount namespaces.
//!
//! Every process may read the mount tables of all processes that it sees in procfs. A mount that is
//! in none of them is gone, unless a namespace was missed; [`Coverage`] says whether that is
//! possible. A namespace is missed if
//!
//! - its processes are hidden from this one: by a PID namespace, or by the option `hidepid` of
//!   procfs;
//! - a table cannot be read, or only through processes that have changed their root directory,
//!   which hides mounts;
//! - no process is in it, and a mount (`unshare --mount=FILE`) or an open descriptor keeps it.
//!   Descriptors are seen only of processes that this one may inspect.
//!
//! Threads that have left the namespace of their process are not considered: their mounts end with
//! them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::mounts::mountinfo::{MountInfo, parse, read_mounts};
use crate::process::procfs::processes;

/// Whether a listing of all mount namespaces may be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// No namespace was missed, or the caller stopped early.
    Complete,
    /// There may be namespaces that this process cannot read.
    Incomplete,
}

/// Visits the mounts of all mount namespaces that this process can read, until the visitor stops.
///
/// Mount points are relative to the root directory of some process of the namespace, and may mean
/// something else in this process. A mount may be visited more than once.
pub fn visit_mounts_everywhere(
    look: &mut dyn FnMut(&MountInfo) -> ControlFlow<()>,
) -> Result<Coverage> {
    let mut survey = Survey::new(look);
    // A namespace that is new in a round may belong to a child whose parent ended before it was
    // read.
    for _ in 0..MOST_ROUNDS {
        match survey.look_at_processes()? {
            ControlFlow::Break(()) => return Ok(Coverage::Complete),
            ControlFlow::Continue(Seen::Before) => return survey.coverage(),
            ControlFlow::Continue(Seen::Now) => {}
        }
    }
    Ok(Coverage::Incomplete)
}

/// How often processes are listed at most.
const MOST_ROUNDS: usize = 8;

/// The initial PID namespace (`PROC_PID_INIT_INO` in the kernel's `proc_ns.h`).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Now,
    Before,
}

struct Survey<'a> {
    look: &'a mut dyn FnMut(&MountInfo) -> ControlFlow<()>,
    /// Processes that were read.
    processes: BTreeSet<u32>,
    /// Namespaces that were read from their root directory.
    whole: BTreeSet<PathBuf>,
    /// Namespaces that were read from another directory, and that directory.
    in_part: BTreeSet<(PathBuf, PathBuf)>,
    /// Tables of processes whose namespace is unknown.
    unnamed: BTreeSet<Vec<u8>>,
    /// Namespaces that a mount or a descriptor keeps.
    kept: BTreeSet<PathBuf>,
    has_unreadable: bool,
}

impl<'a> Survey<'a> {
    fn new(look: &'a mut dyn FnMut(&MountInfo) -> ControlFlow<()>) -> Self {
        Self {
            look,
            processes: BTreeSet::new(),
            whole: BTreeSet::new(),
            in_part: BTreeSet::new(),
            unnamed: BTreeSet::new(),
            kept: BTreeSet::new(),
            has_unreadable: false,
        }
    }

    /// Reads the tables of all processes.
    fn look_at_processes(&mut self) -> Result<ControlFlow<(), Seen>> {
        let mut seen = Seen::Before;
        for pid in processes()? {
            if !self.processes.insert(pid) {
                continue;
            }
            match self.look_at(&PathBuf::from(format!("/proc/{pid}"))) {
                ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                ControlFlow::Continue(Seen::Now) => seen = Seen::Now,
                ControlFlow::Continue(Seen::Before) => {}
            }
        }
        Ok(ControlFlow::Continue(seen))
    }

    fn look_at(&mut self, process: &Path) -> ControlFlow<(), Seen> {
        let before = ControlFlow::Continue(Seen::Before);
        let name = process.join("ns/mnt").read_link().ok();
        let root = process.join("root").read_link().ok();
        let place = name.zip(root);
        if let Some((name, root)) = &place
            && (self.whole.contains(name) || self.in_part.contains(&(name.clone(), root.clone())))
        {
            return before;
        }
        let table = match read_table(process) {
            Ok(table) => table,
            Err(error) => {
                self.has_unreadable |= !has_ended(&error);
                return before;
            }
        };
        match place {
            Some((name, root)) if root == Path::new("/") => drop(self.whole.insert(name)),
            Some(place) => drop(self.in_part.insert(place)),
            None if self.unnamed.contains(&table) => return before,
            None => drop(self.unnamed.insert(table.clone())),
        }
        for mount in parse(&table) {
            if mount.fs_type == "nsfs" {
                self.keep(mount.root.as_os_str());
            }
            (self.look)(&mount)?;
        }
        ControlFlow::Continue(Seen::Now)
    }

    /// Notes a namespace if `text` is the name of a mount namespace.
    fn keep(&mut self, text: &OsStr) {
        if text.as_bytes().starts_with(b"mnt:[") {
            self.kept.insert(text.into());
        }
    }

    fn coverage(&mut self) -> Result<Coverage> {
        if self.has_unreadable || !sees_all_processes()? {
            return Ok(Coverage::Incomplete);
        }
        for pid in processes()? {
            for descriptor in names_in(&PathBuf::from(format!("/proc/{pid}/fd"))) {
                if let Ok(target) = descriptor.read_link() {
                    self.keep(target.as_os_str());
                }
            }
        }
        let in_part = self.in_part.iter().map(|(name, _)| name);
        let mut known = self.kept.iter().chain(in_part);
        Ok(match known.all(|name| self.whole.contains(name)) {
            true => Coverage::Complete,
            false => Coverage::Incomplete,
        })
    }
}

/// The paths in a procfs directory; none if it is gone or cannot be listed.
fn names_in(dir: &Path) -> Vec<PathBuf> {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn read_table(process: &Path) -> io::Result<Vec<u8>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "procfs is reached by its fixed path; this is the crate that others go through"
    )]
    std::fs::read(process.join("mountinfo"))
}

/// Whether a process could not be read because it has ended or is in no namespace any more.
fn has_ended(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let kinds = [Errno::NOENT, Errno::SRCH, Errno::INVAL];
    kinds
        .iter()
        .any(|kind| error.raw_os_error() == Some(kind.raw_os_error()))
}

/// Whether procfs shows all processes to this one.
fn sees_all_processes() -> Result<bool> {
    let path = Path::new("/proc/self/ns/pid");
    let name = path.read_link().context("read link", || path.to_owned())?;
    if name != Path::new(FIRST_PID_NAMESPACE) {
        return Ok(false);
    }
    let mounts = read_mounts()?.into_iter();
    let mut procfs = mounts.filter(|mount| mount.mount_point == Path::new("/proc"));
    Ok(procfs.all(|mount| !hides_processes(&mount.super_options)))
}

/// Whether procfs's options hide processes, even if only from some users.
fn hides_processes(options: &OsStr) -> bool {
    let words = options.as_bytes().split(|byte| *byte == b',');
    words
        .filter_map(|word| word.strip_prefix(b"hidepid="))
        .any(|value| value != b"0" && value != b"off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_this_process_are_among_all() {
        let own = read_mounts().unwrap();
        let root = own.iter().find(|mount| mount.mount_point == Path::new("/"));
        let (root, mut seen) = (root.unwrap(), 0);
        let coverage = visit_mounts_everywhere(&mut |mount| {
            seen += 1;
            match mount == root {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        assert_eq!(coverage.unwrap(), Coverage::Complete);
        assert!(seen > 0);
    }

    #[test]
    fn what_hides_processes() {
        for hiding in ["rw,hidepid=2", "hidepid=invisible,gid=5", "rw,hidepid=1"] {
            assert!(hides_processes(hiding.as_ref()), "{hiding}");
        }
        for open in ["", "rw", "rw,hidepid=0", "rw,hidepid=off,gid=5"] {
            assert!(!hides_processes(open.as_ref()), "{open}");
        }
    }

    #[test]
    fn a_kept_namespace_without_processes_is_missed() {
        let mut look = |_: &MountInfo| ControlFlow::Continue(());
        let mut survey = Survey::new(&mut look);
        survey.keep("mnt:[1]".as_ref());
        survey.keep("net:[2]".as_ref());
        assert_eq!(survey.kept.len(), 1);
        assert_eq!(survey.coverage().unwrap(), Coverage::Incomplete);
    }
}
