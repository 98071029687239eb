//! The environment of a process, as a value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use layerhold_sys::effective_user;

/// What decides where credentials are, and what helpers run with.
///
/// [`of_process`](Self::of_process) reads that of the process; nothing else in this crate does.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// The variables. Helpers get all of them.
    pub variables: BTreeMap<OsString, OsString>,
    /// The working directory, for relative paths.
    pub directory: PathBuf,
    /// The user.
    pub user: u32,
}

/// Variables often hold secrets, so their values are not shown.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("directory", &self.directory)
            .field("user", &self.user)
            .finish()
    }
}

impl Environment {
    /// The environment of a user without any variables, in the root directory.
    #[must_use]
    pub fn new(user: u32) -> Self {
        Environment {
            variables: BTreeMap::new(),
            directory: PathBuf::from("/"),
            user,
        }
    }

    /// Reads the variables, the working directory and the effective user of this process.
    ///
    /// This never fails. A working directory that was deleted counts as `/`.
    #[must_use]
    pub fn of_process() -> Self {
        Environment {
            variables: std::env::vars_os().collect(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            user: effective_user(),
        }
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// The path that a variable has.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|path| self.directory.join(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_are_not_printed() {
        let environment = Environment::new(7).with("A", "hunter2");
        let shown = format!("{environment:?}");
        assert_eq!(
            shown,
            "Environment { variables: [\"A\"], directory: \"/\", user: 7 }"
        );
        assert_eq!(environment.get("A"), Some(OsStr::new("hunter2")));
    }
}
