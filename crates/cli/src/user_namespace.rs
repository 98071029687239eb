//! The user namespace in which an ordinary user's store can hold files of several owners (Go: `pkg/unshare`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Command, Output};

use layerhold_idmap::{IdMap, SubIdFile, SubIdOwner, user_of_uid};
use layerhold_sys::{NewUserNamespace, PathError};

use crate::environment::Environment;
use crate::failure::Failure;

/// Whether the process is in a new namespace now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It just came in.
    Now,
    /// There was no need to: it is root, in one of these namespaces or outside of any.
    NoNeed,
}

/// Why there is no namespace.
#[derive(Debug, thiserror::Error)]
enum NamespaceError {
    #[error("cannot make a user namespace; does the system permit them?")]
    Create(#[source] PathError),
    #[error("cannot enter the user namespace")]
    Enter(#[source] PathError),
    #[error("cannot run {program}")]
    Run {
        program: &'static str,
        source: io::Error,
    },
    #[error("{program} failed: {words}")]
    Refused {
        program: &'static str,
        words: String,
    },
    #[error("cannot write {path}")]
    Map { path: String, source: io::Error },
}

/// Brings this process, which must have one thread, into a new user namespace, unless it is root already.
///
/// There, the user is root. The other IDs are those that `/etc/subuid` and `/etc/subgid` give to the user; without any,
/// there are no others.
pub(crate) fn enter_if_needed(environment: &Environment) -> Result<Entered, Failure> {
    if environment.user == 0 {
        return Ok(Entered::NoNeed);
    }
    enter(environment).map_err(Failure::value)?;
    Ok(Entered::Now)
}

/// What tells programs in the namespace where they are.
pub(crate) fn variables(environment: &Environment) -> [(&'static str, String); 3] {
    [
        ("_CONTAINERS_USERNS_CONFIGURED", "done".to_owned()),
        ("_CONTAINERS_ROOTLESS_UID", environment.user.to_string()),
        ("_CONTAINERS_ROOTLESS_GID", environment.group.to_string()),
    ]
}

fn enter(environment: &Environment) -> Result<(), NamespaceError> {
    let namespace = NewUserNamespace::new().map_err(NamespaceError::Create)?;
    let pid = namespace.pid();
    let users = subordinate("/etc/subuid", environment.user);
    let groups = subordinate("/etc/subgid", environment.user);
    if users.is_empty() || groups.is_empty() {
        // The kernel lets nobody map a group who could leave one in this way.
        write(format!("/proc/{pid}/setgroups"), "deny")?;
        write(
            format!("/proc/{pid}/uid_map"),
            &format!("0 {} 1\n", environment.user),
        )?;
        write(
            format!("/proc/{pid}/gid_map"),
            &format!("0 {} 1\n", environment.group),
        )?;
    } else {
        map("newuidmap", pid, environment.user, users)?;
        map("newgidmap", pid, environment.group, groups)?;
    }
    namespace.enter().map_err(NamespaceError::Enter)
}

/// The ranges that a file gives a user. A file that is missing or makes no sense gives none.
fn subordinate(path: &str, user: u32) -> Vec<layerhold_idmap::SubIdRange> {
    let passwd = read("/etc/passwd");
    let name = user_of_uid(&passwd, user).unwrap_or_default();
    let text = read(path);
    let owner = SubIdOwner {
        name,
        uid: Some(user),
    };
    let ranges = SubIdFile::parse(&text).and_then(|file| file.ranges_for(owner));
    ranges.unwrap_or_default()
}

fn read(path: &str) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    read.map(|_| text).unwrap_or_default()
}

fn write(path: String, text: &str) -> Result<(), NamespaceError> {
    let opened = File::options().write(true).open(&path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| NamespaceError::Map { path, source })
}

/// Has a privileged program set a map: the own ID becomes 0, the ranges follow from 1 on.
fn map(
    program: &'static str,
    pid: u32,
    own: u32,
    ranges: Vec<layerhold_idmap::SubIdRange>,
) -> Result<(), NamespaceError> {
    let mut command = Command::new(program);
    command.args([pid.to_string(), "0".into(), own.to_string(), "1".into()]);
    for range in IdMap::contiguous_from_zero(ranges).ranges() {
        let inside = u64::from(range.container.get()) + 1;
        command.args([
            inside.to_string(),
            range.host.get().to_string(),
            range.size.to_string(),
        ]);
    }
    let output = command
        .output()
        .map_err(|source| NamespaceError::Run { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let words = last_words(&output);
    Err(NamespaceError::Refused { program, words })
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.trim().lines().last().unwrap_or_default().to_owned()
}
