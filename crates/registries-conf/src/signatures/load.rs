//! Finds and reads the files.

use std::io;
use std::path::{Path, PathBuf};

use layerhold_environment::{ConfigFiles, Environment, HostFiles};

use crate::signatures::error::RegistriesDError;
use crate::signatures::registries_d::RegistriesD;

const SYSTEM: &str = "/etc/containers/registries.d";
/// The user's directory, below the home directory. `XDG_CONFIG_HOME` does not change it.
const USER: &str = ".config/containers/registries.d";
/// Where signatures of other users than root are, below the home directory.
const SIGNATURES: &str = ".local/share/containers/sigstore";

impl RegistriesD {
    /// Loads the configuration of the user of this process on this host: [`load`](Self::load) with
    /// [`Environment::of_process`] and [`HostFiles`].
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    pub fn of_process() -> Result<Self, RegistriesDError> {
        Self::load(&Environment::of_process(), &HostFiles)
    }

    /// Loads the configuration of a user: all `*.yaml` of `~/.config/containers/registries.d`, or,
    /// if there is no such directory, of `/etc/containers/registries.d`.
    ///
    /// Signatures are in `/var/lib/containers/sigstore` for root, and in
    /// `~/.local/share/containers/sigstore` for others, where no file says something else.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is invalid, or two files have a section for one scope.
    pub fn load(
        environment: &Environment,
        files: &dyn ConfigFiles,
    ) -> Result<Self, RegistriesDError> {
        let home = environment.home(files)?;
        let mut found = Self::load_directory(home.as_ref().map(|home| home.join(USER)), files)?;
        if environment.is_per_user() {
            found.directory = home.map(|home| home.join(SIGNATURES));
        }
        Ok(found)
    }

    fn load_directory(
        user: Option<PathBuf>,
        files: &dyn ConfigFiles,
    ) -> Result<Self, RegistriesDError> {
        let directories = user.into_iter().chain([PathBuf::from(SYSTEM)]);
        for directory in directories {
            if let Some(paths) = listed(&directory, files)? {
                return Self::read(paths, files);
            }
        }
        Ok(Self::default())
    }

    fn read(paths: Vec<PathBuf>, files: &dyn ConfigFiles) -> Result<Self, RegistriesDError> {
        let mut found = Self::default();
        for path in paths {
            let bytes = files.read(&path).map_err(|source| RegistriesDError::Read {
                path: path.clone(),
                source,
            })?;
            // A file that vanished after the listing is skipped.
            if let Some(bytes) = bytes {
                found.add(path, bytes)?;
            }
        }
        Ok(found)
    }
}

/// The files of a directory, sorted; `None` if it does not exist, or cannot be reached.
fn listed(
    directory: &Path,
    files: &dyn ConfigFiles,
) -> Result<Option<Vec<PathBuf>>, RegistriesDError> {
    let entries = match files.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            match files.resolve(directory) {
                Ok(_) => Err(error),
                Err(_) => Ok(None),
            }
        }
        other => other,
    };
    let entries = entries.map_err(|source| RegistriesDError::Read {
        path: directory.to_owned(),
        source,
    })?;
    let Some(entries) = entries else {
        return Ok(None);
    };
    let names = entries.into_iter().map(|entry| entry.name);
    let names = names.filter(|name| name.as_encoded_bytes().ends_with(b".yaml"));
    let mut paths: Vec<_> = names.map(|name| directory.join(name)).collect();
    paths.sort();
    Ok(Some(paths))
}
