//! Which files are read, and in which order (Go: `pkg/configfile/parse.go`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::ConfigError;
use crate::files::Files;
use crate::roots::home;
use crate::warning::Warning;

/// Names one file instead of all others.
const CONF: &str = "CONTAINERS_STORAGE_CONF";
/// Names one file that is read after all others.
const CONF_OVERRIDE: &str = "CONTAINERS_STORAGE_CONF_OVERRIDE";
const NAME: &str = "storage.conf";

/// The directories of the system that configuration is looked for in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Places {
    /// What came with the system: `/usr/share/containers`.
    pub vendor: PathBuf,
    /// What its administrator says: `/etc/containers`.
    pub admin: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Places::below("/")
    }
}

impl Places {
    /// The usual directories of a system whose root directory is elsewhere.
    #[must_use]
    pub fn below(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Places {
            vendor: root.join("usr/share/containers"),
            admin: root.join("etc/containers"),
        }
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// Reads all files that count, in the order in which later ones win over earlier ones.
pub(crate) fn search(
    places: &Places,
    environment: &Environment,
    files: &dyn Files,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Found>, ConfigError> {
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

/// The file that a variable names, which has to exist.
fn named(
    variable: &'static str,
    environment: &Environment,
    files: &dyn Files,
) -> Result<Option<Found>, ConfigError> {
    let Some(text) = environment.get(variable) else {
        return Ok(None);
    };
    let path = environment.directory.join(text);
    match read(&path, files)? {
        None => Err(ConfigError::Missing { variable, path }),
        found => Ok(found),
    }
}

/// The user's own directory, which root has as well.
///
/// An `XDG_CONFIG_HOME` that is set and empty means what an unset one does; Go looks into the
/// working directory then.
fn user_directory(
    environment: &Environment,
    files: &dyn Files,
) -> Result<Option<PathBuf>, ConfigError> {
    let configuration = match environment.get("XDG_CONFIG_HOME") {
        Some(directory) => Some(environment.directory.join(directory)),
        None => home(environment, files)?.map(|home| home.join(".config")),
    };
    Ok(configuration.map(|directory| directory.join("containers")))
}

/// The first of the main files that exists.
fn main_file(
    places: &Places,
    user: Option<&Path>,
    files: &dyn Files,
) -> Result<Option<Found>, ConfigError> {
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

/// All drop-ins in the order of their names; of several with one name the last directory's.
fn drop_ins(
    places: &Places,
    user: Option<&Path>,
    owner: u32,
    files: &dyn Files,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Found>, ConfigError> {
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
        // What vanished since it was listed is not there.
        found.extend(read(&path, files)?);
    }
    Ok(found)
}

fn drop_in_directories(places: &Places, user: Option<&Path>, owner: u32) -> Vec<PathBuf> {
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

fn read(path: &Path, files: &dyn Files) -> Result<Option<Found>, ConfigError> {
    match files.read(path) {
        Ok(bytes) => Ok(bytes.map(|bytes| Found {
            path: path.to_owned(),
            bytes,
        })),
        Err(source) => Err(ConfigError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
