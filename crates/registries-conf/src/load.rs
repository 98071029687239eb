//! Finds and reads the files (Go: `newConfigWrapper`, `dropInConfigs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_environment::{ConfigFiles, Environment, HostFiles};
use layerhold_toml_table::Document;

use crate::aliases::ShortNames;
use crate::conf::{FileKind, RegistriesConf};
use crate::error::RegistriesError;

/// The variables for a file that is read instead of the usual ones. The first that is set counts,
/// even if it is empty.
const VARIABLES: [&str; 2] = ["CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"];
const SYSTEM: &str = "/etc/containers";
/// The user's directory, below the home directory. `XDG_CONFIG_HOME` does not change it.
const USER: &str = ".config/containers";
const NAME: &str = "registries.conf";
const DROP_INS: &str = "registries.conf.d";
const SHORT_NAMES: &str = "containers/short-name-aliases.conf";

impl RegistriesConf {
    /// Loads the configuration of the user of this process on this host: [`load`] with
    /// [`Environment::of_process`] and [`HostFiles`].
    ///
    /// # Errors
    ///
    /// Those of [`load`].
    pub fn of_process() -> Result<Self, RegistriesError> {
        load(&Environment::of_process(), &HostFiles)
    }
}

/// Loads the configuration of a user.
///
/// 1. The file that `CONTAINERS_REGISTRIES_CONF` or `REGISTRIES_CONFIG_PATH` names; else the user's
///    `~/.config/containers/registries.conf`; else `/etc/containers/registries.conf`.
/// 2. All `*.conf` of `/etc/containers/registries.conf.d`, sorted by name, unless the user's file
///    was read.
/// 3. All `*.conf` of `~/.config/containers/registries.conf.d`, sorted by name.
///
/// The aliases that people chose are in `/var/cache/containers/short-name-aliases.conf` for root,
/// and below `XDG_CACHE_HOME` or `~/.cache` for others. If that file is invalid, short names cannot
/// be resolved.
///
/// # Errors
///
/// A file cannot be read or is invalid.
pub fn load(
    environment: &Environment,
    files: &dyn ConfigFiles,
) -> Result<RegistriesConf, RegistriesError> {
    let home = environment.home(files)?;
    let user = home.as_ref().map(|home| home.join(USER));
    let mut conf = RegistriesConf::default();
    let main = main_file(environment, user.as_deref(), files)?;
    let mut directories = Vec::new();
    if main.as_ref().is_none_or(|main| !main.is_of_user) {
        directories.push(Path::new(SYSTEM).join(DROP_INS));
    }
    directories.extend(user.map(|user| user.join(DROP_INS)));
    if let Some(main) = main {
        conf.add_document(&main.document, FileKind::Main)?;
    }
    for directory in directories {
        for path in drop_ins(&directory, files)? {
            // A file that vanished after the listing is skipped.
            if let Some(document) = read(&path, files)? {
                conf.add_document(&document, FileKind::DropIn)?;
            }
        }
    }
    if let Some(path) = short_names_path(environment, home) {
        conf.short_names = short_names(path, files).map_err(Arc::new);
    }
    Ok(conf)
}

/// The file that is read first.
struct Main {
    document: Document,
    is_of_user: bool,
}

fn main_file(
    environment: &Environment,
    user: Option<&Path>,
    files: &dyn ConfigFiles,
) -> Result<Option<Main>, RegistriesError> {
    let is_set = |name: &&str| {
        environment
            .variables
            .contains_key(std::ffi::OsStr::new(name))
    };
    if let Some(variable) = VARIABLES.into_iter().find(is_set)
        && let Some(path) = environment.get(variable)
    {
        let path = environment.directory.join(path);
        return match read(&path, files)? {
            Some(document) => Ok(Some(Main {
                document,
                is_of_user: false,
            })),
            None => Err(RegistriesError::Missing { variable, path }),
        };
    }
    for (directory, is_of_user) in [(user, true), (Some(Path::new(SYSTEM)), false)] {
        let Some(path) = directory.map(|directory| directory.join(NAME)) else {
            continue;
        };
        if let Some(document) = read(&path, files)? {
            return Ok(Some(Main {
                document,
                is_of_user,
            }));
        }
    }
    Ok(None)
}

/// The drop-ins of a directory. Links to files count; directories do not.
fn drop_ins(directory: &Path, files: &dyn ConfigFiles) -> Result<Vec<PathBuf>, RegistriesError> {
    let listed = files
        .list(directory)
        .map_err(|source| RegistriesError::Read {
            path: directory.to_owned(),
            source,
        })?;
    let mut paths = Vec::new();
    for entry in listed.unwrap_or_default() {
        let path = directory.join(&entry.name);
        let is_directory = || matches!(files.list(&path), Ok(Some(_)));
        if entry.name.as_encoded_bytes().ends_with(b".conf") && (entry.is_file || !is_directory()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn short_names_path(environment: &Environment, home: Option<PathBuf>) -> Option<PathBuf> {
    let cache = match environment.get("XDG_CACHE_HOME") {
        _ if !environment.is_per_user() => PathBuf::from("/var/cache"),
        Some(directory) => environment.directory.join(directory),
        None => home?.join(".cache"),
    };
    Some(cache.join(SHORT_NAMES))
}

pub(crate) fn short_names(
    path: PathBuf,
    files: &dyn ConfigFiles,
) -> Result<ShortNames, RegistriesError> {
    match read(&path, files)? {
        Some(document) => ShortNames::of(&document),
        None => Ok(ShortNames::new(path)),
    }
}

fn read(path: &Path, files: &dyn ConfigFiles) -> Result<Option<Document>, RegistriesError> {
    let bytes = files.read(path).map_err(|source| RegistriesError::Read {
        path: path.to_owned(),
        source,
    })?;
    let document = bytes.map(|bytes| Document::new(path, bytes));
    Ok(document.transpose()?)
}
