//! The environment of a command line, read once at the start.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use layerhold::Privilege;
use layerhold_config::{Config, HostFiles, driver_variable, forbids_shifting, load};

use crate::failure::Failure;
use crate::interruption::Interruption;

/// The environment of a process, as values: only the entry points read the real one. Variables
/// often hold secrets, so their values are not in the `Debug` form.
#[derive(Clone, Default)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<OsString, OsString>,
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

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("directory", &self.directory)
            .field("user", &self.user)
            .field("group", &self.group)
            .field("privilege", &self.privilege)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// Completes a path from the working directory.
    pub fn absolute(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// The directory for large temporary files.
    pub fn scratch(&self) -> PathBuf {
        PathBuf::from(self.get("TMPDIR").unwrap_or(OsStr::new("/var/tmp")))
    }

    /// Whether the overlay driver must not shift owners of mounts (Go: `drivers/overlay`).
    pub fn forbids_shifting(&self) -> bool {
        forbids_shifting(&self.for_configuration())
    }

    /// The driver that a variable names.
    ///
    /// # Errors
    ///
    /// The name is not UTF-8.
    pub fn driver(&self) -> Result<Option<String>, Failure> {
        driver_variable(&self.for_configuration()).map_err(Failure::value)
    }

    /// The configuration: files, and the variables that override them.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is invalid.
    pub fn configuration(&self) -> Result<Config, Failure> {
        load(&self.for_configuration(), &HostFiles).map_err(Failure::value)
    }

    /// The environment as the loaders of configuration files take it.
    pub(crate) fn for_configuration(&self) -> layerhold_config::Environment {
        layerhold_config::Environment::new(self.user)
            .with_variables(self.variables.clone())
            .in_directory(&self.directory)
            .with_host_privileges(self.privilege == Privilege::Full)
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
    fn values_are_not_shown() {
        let variables = [("TOKEN".into(), "hunter2".into())];
        let environment = Environment {
            variables: variables.into(),
            ..Environment::default()
        };
        let shown = format!("{environment:?}");
        assert!(
            shown.contains("TOKEN") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
