//! The environment of a command line, read once at the start.

use std::collections::BTreeMap;
use std::path::PathBuf;

use layerhold::Privilege;
use layerhold_config::{Config, HostFiles, load};

use crate::failure::Failure;
use crate::interruption::Interruption;

/// The environment of a process, as values: only the entry points read the real one.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// The working directory.
    pub directory: PathBuf,
    /// The effective user.
    pub user: u32,
    /// The effective group.
    pub group: u32,
    /// What the process may do.
    pub privilege: Privilege,
    /// The request to stop.
    pub interruption: Interruption,
    /// The limit of open files for programs that this one starts; `None` if the limit was not
    /// raised.
    pub open_files: Option<u64>,
}

impl Environment {
    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Completes a path from the working directory.
    pub fn absolute(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// The directory for large temporary files.
    pub fn scratch(&self) -> PathBuf {
        PathBuf::from(self.get("TMPDIR").unwrap_or("/var/tmp"))
    }

    /// Whether the overlay driver must not shift owners of mounts (Go: `drivers/overlay`).
    pub fn forbids_shifting(&self) -> bool {
        self.get("_CONTAINERS_OVERLAY_DISABLE_IDMAP") == Some("yes")
    }

    /// The configuration: files, and the variables that override them.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is invalid.
    pub fn configuration(&self) -> Result<Config, Failure> {
        load(&self.for_configuration(), &HostFiles).map_err(Failure::value)
    }

    fn for_configuration(&self) -> layerhold_config::Environment {
        layerhold_config::Environment::new(self.user)
            .with_variables(self.variables.clone())
            .in_directory(&self.directory)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn paths_start_at_the_working_directory() {
        let environment = Environment {
            directory: PathBuf::from("/here"),
            ..Environment::default()
        };
        assert_eq!(environment.absolute("x"), Path::new("/here/x"));
        assert_eq!(environment.absolute("/x"), Path::new("/x"));
    }

    #[test]
    fn shifting_is_forbidden_by_one_word() {
        for (value, forbidden) in [("yes", true), ("1", false), ("", false)] {
            let name = "_CONTAINERS_OVERLAY_DISABLE_IDMAP".to_owned();
            let environment = Environment {
                variables: [(name, value.to_owned())].into(),
                ..Environment::default()
            };
            assert_eq!(environment.forbids_shifting(), forbidden, "{value:?}");
        }
    }
}
