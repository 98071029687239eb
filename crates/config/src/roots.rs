//! The default paths of a store (Go: `types/options.go`, `pkg/homedir`).

use std::ffi::OsStr;
use std::path::PathBuf;

use layerhold_environment::{ConfigFiles, Environment};

use crate::error::ConfigError;

/// The graph root of the system.
pub(crate) const GRAPH_ROOT: &str = "/var/lib/containers/storage";
/// The run root of the system.
pub(crate) const RUN_ROOT: &str = "/run/containers/storage";

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
        None => environment
            .home(files)?
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
