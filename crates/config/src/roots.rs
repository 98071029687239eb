//! The default paths of a store (Go: `types/options.go`, `pkg/homedir`).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::ConfigError;
use crate::files::ConfigFiles;

/// The graph root of the system.
pub(crate) const GRAPH_ROOT: &str = "/var/lib/containers/storage";
/// The run root of the system.
pub(crate) const RUN_ROOT: &str = "/run/containers/storage";

/// The home directory: `HOME`, or the one in `/etc/passwd`.
pub(crate) fn home(
    environment: &Environment,
    files: &dyn ConfigFiles,
) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(home) = environment.get("HOME") {
        return Ok(Some(environment.directory.join(home)));
    }
    let path = Path::new("/etc/passwd");
    let users = files.read(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let users = String::from_utf8_lossy(users.as_deref().unwrap_or_default()).into_owned();
    Ok(home_in(&users, environment.owner()))
}

/// The home directory of a user in the text of `/etc/passwd`: name, password, UID, GID, comment,
/// home, shell.
fn home_in(users: &str, user: u32) -> Option<PathBuf> {
    users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2).and_then(|uid| uid.parse().ok()) == Some(user))
        .and_then(|fields| fields.get(5).copied())
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
}

/// The graph root.
pub(crate) fn graph_root(
    environment: &Environment,
    files: &dyn ConfigFiles,
) -> Result<PathBuf, ConfigError> {
    if !environment.is_per_user() {
        return Ok(PathBuf::from(GRAPH_ROOT));
    }
    let data = match environment.get("XDG_DATA_HOME") {
        Some(directory) => environment.directory.join(directory),
        None => home(environment, files)?
            .ok_or(ConfigError::NoHome {
                user: environment.owner(),
            })?
            .join(".local/share"),
    };
    Ok(data.join("containers/storage"))
}

/// The run root.
pub(crate) fn run_root(
    environment: &Environment,
    files: &dyn ConfigFiles,
) -> Result<PathBuf, ConfigError> {
    if !environment.is_per_user() {
        return Ok(PathBuf::from(RUN_ROOT));
    }
    Ok(runtime_directory(environment, files)?.join("containers"))
}

/// The user's directory for data that may be lost at a reboot.
fn runtime_directory(
    environment: &Environment,
    files: &dyn ConfigFiles,
) -> Result<PathBuf, ConfigError> {
    if let Some(directory) = environment.get("XDG_RUNTIME_DIR") {
        let path = environment.directory.join(directory);
        return files
            .resolve(&path)
            .map_err(|source| ConfigError::RuntimeDirectory { path, source });
    }
    let owner = environment.owner();
    let usual = PathBuf::from(format!("/run/user/{owner}"));
    if files.is_private_directory(&usual, environment.user) {
        return Ok(usual);
    }
    let temporary = environment.get("TMPDIR").unwrap_or(OsStr::new("/tmp"));
    let last = environment
        .directory
        .join(temporary)
        .join(format!("storage-run-{owner}"));
    // Any user can write to its parent, so the directory's owner is certain only if it is created
    // before it is checked.
    files.make_private_directory(&last);
    if files.is_private_directory(&last, environment.user) {
        return Ok(last);
    }
    Err(ConfigError::NoRuntimeDirectory {
        path: last,
        user: environment.user,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_are_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbad\nu:x:7:7::/home/u:\nnone:x:8:8:::\n";
        assert_eq!(home_in(users, 0), Some("/root".into()));
        assert_eq!(home_in(users, 7), Some("/home/u".into()));
        assert_eq!(home_in(users, 8), None);
        assert_eq!(home_in(users, 9), None);
    }
}
