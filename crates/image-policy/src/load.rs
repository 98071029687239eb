//! Finds and reads the policy of a user (Go: `defaultPolicyPathWithHomeDir`).

use std::path::{Path, PathBuf};

use layerhold_environment::{ConfigFiles, Environment, HostFiles};

use crate::error::LoadError;
use crate::policy::Policy;

const SYSTEM: &str = "/etc/containers/policy.json";
/// Below the home directory. `XDG_CONFIG_HOME` does not change it.
const USER: &str = ".config/containers/policy.json";

impl Policy {
    /// Loads the policy for the user of this process on this host: [`load`] with
    /// [`Environment::of_process`] and [`HostFiles`].
    ///
    /// # Errors
    ///
    /// Those of [`load`].
    pub fn of_process() -> Result<Self, LoadError> {
        load(&Environment::of_process(), &HostFiles)
    }

    /// Reads a policy that the user names instead of the usual one.
    ///
    /// # Errors
    ///
    /// The file does not exist, cannot be read, or is no policy.
    pub fn read(path: &Path, files: &dyn ConfigFiles) -> Result<Self, LoadError> {
        let policy = read(path, files)?;
        policy.ok_or_else(|| LoadError::Missing {
            candidates: vec![path.to_owned()],
        })
    }
}

/// Loads the policy for a user: `~/.config/containers/policy.json`, or if that does not exist
/// `/etc/containers/policy.json`.
///
/// # Errors
///
/// Neither exists, or the first that exists cannot be read or is no policy.
pub fn load(environment: &Environment, files: &dyn ConfigFiles) -> Result<Policy, LoadError> {
    let home = environment.home(files)?;
    let user = home.map(|home| home.join(USER));
    let candidates: Vec<PathBuf> = user.into_iter().chain([SYSTEM.into()]).collect();
    for path in &candidates {
        if let Some(policy) = read(path, files)? {
            return Ok(policy);
        }
    }
    Err(LoadError::Missing { candidates })
}

fn read(path: &Path, files: &dyn ConfigFiles) -> Result<Option<Policy>, LoadError> {
    let json = files.read(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    let Some(json) = json else {
        return Ok(None);
    };
    let parsed = Policy::parse(&json);
    parsed.map(Some).map_err(|source| LoadError::Policy {
        path: path.to_owned(),
        source,
    })
}
