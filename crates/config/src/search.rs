//! Finds the configuration files and their order (Go: `pkg/configfile/parse.go`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use layerhold_environment::{ConfigFiles, Environment};

use crate::error::ConfigError;
use crate::warning::Warning;

/// The variable for a file that is read instead of all others.
const CONF: &str = "CONTAINERS_STORAGE_CONF";
/// The variable for a file that is read after all others.
const CONF_OVERRIDE: &str = "CONTAINERS_STORAGE_CONF_OVERRIDE";
const NAME: &str = "storage.conf";

/// The system's directories of configuration files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigDirs {
    /// The vendor's: `/usr/share/containers`.
    pub vendor: PathBuf,
    /// The administrator's: `/etc/containers`.
    pub admin: PathBuf,
}

impl Default for ConfigDirs {
    fn default() -> Self {
        ConfigDirs::below("/")
    }
}

impl ConfigDirs {
    /// The usual directories below another root directory.
    #[must_use]
    pub fn below(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        ConfigDirs {
            vendor: root.join("usr/share/containers"),
            admin: root.join("etc/containers"),
        }
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// Reads all files, in an order in which later ones win.
pub(crate) fn search(
    places: &ConfigDirs,
    environment: &Environment,
    files: &dyn ConfigFiles,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<ConfigFile>, ConfigError> {
    let mut found = Vec::new();
    if let Some(file) = named(CONF, environment, files)? {
        found.push(file);
    } else {
        let user = user_directory(environment, files)?;
        found.extend(main_file(places, user.as_deref(), files)?);
        found.extend(drop_ins(
            places,
            user.as_deref(),
            environment.owner(),
            files,
            warnings,
        )?);
    }
    found.extend(named(CONF_OVERRIDE, environment, files)?);
    Ok(found)
}

/// The file that a variable names; it must exist.
fn named(
    variable: &'static str,
    environment: &Environment,
    files: &dyn ConfigFiles,
) -> Result<Option<ConfigFile>, ConfigError> {
    let Some(text) = environment.get(variable) else {
        return Ok(None);
    };
    let path = environment.directory.join(text);
    match read(&path, files)? {
        None => Err(ConfigError::Missing { variable, path }),
        found => Ok(found),
    }
}

/// The user's own directory; root has one too.
///
/// An empty `XDG_CONFIG_HOME` counts as unset; Go searches the working directory then.
fn user_directory(
    environment: &Environment,
    files: &dyn ConfigFiles,
) -> Result<Option<PathBuf>, ConfigError> {
    let configuration = match environment.get("XDG_CONFIG_HOME") {
        Some(directory) => Some(environment.directory.join(directory)),
        None => environment.home(files)?.map(|home| home.join(".config")),
    };
    Ok(configuration.map(|directory| directory.join("containers")))
}

/// The first existing main file.
fn main_file(
    places: &ConfigDirs,
    user: Option<&Path>,
    files: &dyn ConfigFiles,
) -> Result<Option<ConfigFile>, ConfigError> {
    for directory in user
        .into_iter()
        .chain([places.admin.as_path(), &places.vendor])
    {
        if let Some(found) = read(&directory.join(NAME), files)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// All drop-ins, sorted by name; of several with the same name, the one in the last directory.
fn drop_ins(
    places: &ConfigDirs,
    user: Option<&Path>,
    owner: u32,
    files: &dyn ConfigFiles,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<ConfigFile>, ConfigError> {
    let mut paths: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in drop_in_directories(places, user, owner) {
        let listed = files.list(&directory).map_err(|source| ConfigError::Read {
            path: directory.clone(),
            source,
        })?;
        for entry in listed.unwrap_or_default() {
            let path = directory.join(&entry.name);
            if !entry.name.as_encoded_bytes().ends_with(b".conf") {
                continue;
            }
            if entry.is_file {
                paths.insert(entry.name, path);
            } else {
                warnings.push(Warning::DropInNotAFile { path });
            }
        }
    }
    let mut found = Vec::new();
    for path in paths.into_values() {
        // A file that vanished after the listing is skipped.
        found.extend(read(&path, files)?);
    }
    Ok(found)
}

fn drop_in_directories(places: &ConfigDirs, user: Option<&Path>, owner: u32) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for place in [&places.vendor, &places.admin] {
        directories.push(place.join("storage.conf.d"));
        if owner == 0 {
            directories.push(place.join("storage.rootful.conf.d"));
        } else {
            let rootless = place.join("storage.rootless.conf.d");
            let own = rootless.join(owner.to_string());
            directories.extend([rootless, own]);
        }
    }
    directories.extend(user.map(|user| user.join("storage.conf.d")));
    directories
}

fn read(path: &Path, files: &dyn ConfigFiles) -> Result<Option<ConfigFile>, ConfigError> {
    match files.read(path) {
        Ok(bytes) => Ok(bytes.map(|bytes| ConfigFile {
            path: path.to_owned(),
            bytes,
        })),
        Err(source) => Err(ConfigError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
