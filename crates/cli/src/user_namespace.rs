//! The user namespace in which an ordinary user's store can hold files of several owners (Go:
//! `pkg/unshare`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Command, Output};

use layerhold_idmap::{IdMap, SubIdError, SubIdFile, SubIdOwner, SubIdRange, user_of_uid};
use layerhold_sys::{NewUserNamespace, PathError};

use crate::environment::Environment;
use crate::failure::{Failure, chain};

/// Whether the process is in a new namespace now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It just entered one.
    Now,
    /// It did not have to: it is root, in such a namespace or outside of any.
    NoNeed,
}

/// Why there is no namespace.
#[derive(Debug, thiserror::Error)]
enum NamespaceError {
    #[error("cannot create a user namespace; does the system permit them?")]
    Create(#[source] PathError),
    #[error("cannot enter the user namespace")]
    Enter(#[source] PathError),
    #[error("cannot run {program}")]
    Run {
        program: &'static str,
        source: io::Error,
    },
    #[error("cannot write {path}")]
    Map { path: String, source: io::Error },
}

/// Why a namespace has fewer IDs than it could: it has only the user's own ID of one kind, so that
/// files of other owners cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("the user namespace has no {what} ID but that of {user}")]
struct OneId {
    what: &'static str,
    user: String,
    source: NoRanges,
}

/// Why there are no subordinate IDs.
#[derive(Debug, thiserror::Error)]
enum NoRanges {
    #[error("{path} has no range of IDs for the user")]
    None { path: &'static str },
    #[error("cannot read {path}")]
    Read {
        path: &'static str,
        source: io::Error,
    },
    #[error("cannot use {path}")]
    Malformed {
        path: &'static str,
        source: SubIdError,
    },
    #[error("{program} failed: {words}")]
    Refused {
        program: &'static str,
        words: String,
    },
}

/// User IDs or group IDs.
struct IdKind {
    what: &'static str,
    /// The file with the ranges of subordinate IDs.
    file: &'static str,
    /// The privileged program that maps them.
    program: &'static str,
    /// The file below `/proc/PID` that says which are mapped.
    map: &'static str,
}

const USERS: IdKind = IdKind {
    what: "user",
    file: "/etc/subuid",
    program: "newuidmap",
    map: "uid_map",
};
const GROUPS: IdKind = IdKind {
    what: "group",
    file: "/etc/subgid",
    program: "newgidmap",
    map: "gid_map",
};

/// Brings this process, which must have one thread, into a new user namespace, unless it is root
/// already.
///
/// There, the user is root. The other IDs are the ranges of the user in `/etc/subuid` and
/// `/etc/subgid`. If there are none, or they cannot be used, that is reported.
pub(crate) fn enter_if_needed(
    environment: &Environment,
    tell: &mut dyn FnMut(&str),
) -> Result<Entered, Failure> {
    if environment.user == 0 {
        return Ok(Entered::NoNeed);
    }
    enter(environment, tell).map_err(Failure::value)?;
    Ok(Entered::Now)
}

/// The variable that tells buildah how to run commands.
const ISOLATION: &str = "BUILDAH_ISOLATION";

/// The variables that tell programs in the namespace about it.
pub(crate) fn variables(environment: &Environment) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("_CONTAINERS_USERNS_CONFIGURED", "done".to_owned()),
        ("_CONTAINERS_ROOTLESS_UID", environment.user.to_string()),
        ("_CONTAINERS_ROOTLESS_GID", environment.group.to_string()),
    ];
    // How buildah is to run commands there, unless it was told already.
    if !environment.variables.contains_key(OsStr::new(ISOLATION)) {
        variables.push((ISOLATION, "rootless".to_owned()));
    }
    variables
}

fn enter(environment: &Environment, tell: &mut dyn FnMut(&str)) -> Result<(), NamespaceError> {
    let namespace = NewUserNamespace::new().map_err(NamespaceError::Create)?;
    let pid = namespace.pid();
    let passwd = read("/etc/passwd").unwrap_or_default();
    let name = user_of_uid(&passwd, environment.user).unwrap_or_default();
    for (kind, own) in [(GROUPS, environment.group), (USERS, environment.user)] {
        let mapped = match subordinate(&kind, name, environment.user) {
            Ok(ranges) => map(kind.program, pid, own, ranges)?,
            Err(why) => Err(why),
        };
        if let Err(source) = mapped {
            map_own(&kind, pid, own)?;
            let user = match name {
                "" => environment.user.to_string(),
                name => name.to_owned(),
            };
            tell(&chain(&OneId {
                what: kind.what,
                user,
                source,
            }));
        }
    }
    namespace.enter().map_err(NamespaceError::Enter)
}

/// Maps only the user's own ID, which needs no privilege.
fn map_own(kind: &IdKind, pid: u32, own: u32) -> Result<(), NamespaceError> {
    if kind.map == GROUPS.map {
        // The kernel refuses to map a group while the process could still drop groups.
        write(format!("/proc/{pid}/setgroups"), "deny")?;
    }
    write(format!("/proc/{pid}/{}", kind.map), &format!("0 {own} 1\n"))
}

/// The ranges that a file gives a user.
fn subordinate(kind: &IdKind, name: &str, user: u32) -> Result<Vec<SubIdRange>, NoRanges> {
    let path = kind.file;
    let text = match read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(NoRanges::Read { path, source }),
    };
    let owner = SubIdOwner::new(name).with_uid(user);
    let ranges = SubIdFile::parse(&text).and_then(|file| file.ranges_for(owner));
    match ranges {
        Ok(ranges) if ranges.is_empty() => Err(NoRanges::None { path }),
        Ok(ranges) => Ok(ranges),
        Err(source) => Err(NoRanges::Malformed { path, source }),
    }
}

fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

fn write(path: String, text: &str) -> Result<(), NamespaceError> {
    let opened = File::options().write(true).open(&path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| NamespaceError::Map { path, source })
}

/// Runs the privileged program that sets a map: the user's own ID becomes 0, the ranges follow from
/// 1 on. The program may refuse.
fn map(
    program: &'static str,
    pid: u32,
    own: u32,
    ranges: Vec<SubIdRange>,
) -> Result<Result<(), NoRanges>, NamespaceError> {
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
        return Ok(Ok(()));
    }
    let words = last_words(&output);
    Ok(Err(NoRanges::Refused { program, words }))
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.trim().lines().last().unwrap_or_default().to_owned()
}
