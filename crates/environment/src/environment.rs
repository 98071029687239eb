//! The environment of a process, as a value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use layerhold_idmap::home_of_uid;
use layerhold_sys::{Capability, effective_user, has_capability, in_user_namespace};

use crate::files::ConfigFiles;

/// The user who made the user namespace of the process.
const ROOTLESS_UID: &str = "_CONTAINERS_ROOTLESS_UID";
/// Set in a user namespace that podman, buildah or layerhold made.
const USERNS_CONFIGURED: &str = "_CONTAINERS_USERNS_CONFIGURED";

/// The environment that a configuration is loaded for, as a value.
///
/// [`of_process`](Self::of_process) reads that of the process; nothing else in this crate does.
///
/// Variables are bytes, as in the kernel. Variables often hold secrets, so their values are not in
/// the `Debug` form.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// The variables. Programs that are started, such as credential helpers, get all of them.
    pub variables: BTreeMap<OsString, OsString>,
    /// The working directory, for relative paths.
    pub directory: PathBuf,
    /// The effective user.
    pub user: u32,
    /// Whether the process has what root of the host has: it has the capability `CAP_SYS_ADMIN` and
    /// is in no user namespace.
    pub has_host_privileges: bool,
}

impl Environment {
    /// The environment of a user without any variables, in the root directory.
    #[must_use]
    pub fn new(user: u32) -> Self {
        Environment {
            variables: BTreeMap::new(),
            directory: PathBuf::from("/"),
            user,
            has_host_privileges: user == 0,
        }
    }

    /// Reads the environment of this process: its variables, working directory, effective user and
    /// privileges.
    ///
    /// This never fails. A working directory that was deleted counts as `/`. Where the kernel does
    /// not tell the privileges, the usual ones of the user are assumed.
    #[must_use]
    pub fn of_process() -> Self {
        let has_host_privileges = has_capability(Capability::SysAdmin).unwrap_or(true)
            && !in_user_namespace().unwrap_or(false);
        Environment {
            variables: std::env::vars_os().collect(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            user: effective_user(),
            has_host_privileges,
        }
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets all variables.
    #[must_use]
    pub fn with_variables<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter();
        self.variables = variables
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        self
    }

    /// Sets whether the process has the privileges of the host's root.
    #[must_use]
    pub fn with_host_privileges(mut self, has_them: bool) -> Self {
        self.has_host_privileges = has_them;
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

    /// The text of a variable that is set, even to nothing.
    ///
    /// # Errors
    ///
    /// It is not UTF-8.
    pub fn text(&self, variable: &'static str) -> Result<Option<&str>, NotUtf8> {
        let value = self.variables.get(OsStr::new(variable));
        value
            .map(|value| value.to_str().ok_or(NotUtf8 { variable }))
            .transpose()
    }

    /// The path in a variable that is set and not empty, completed from the working directory.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|path| self.directory.join(path))
    }

    /// The user that files belong to: in a user namespace made by podman, buildah or layerhold, the
    /// user outside (Go: `pkg/unshare`, `GetRootlessUID`).
    #[must_use]
    pub fn owner(&self) -> u32 {
        match self.get(ROOTLESS_UID) {
            // Go takes a malformed number for 0.
            Some(text) => text
                .to_str()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            None => self.user,
        }
    }

    /// The home directory of the user: `HOME`, or the one of the [`owner`](Self::owner) in
    /// `/etc/passwd` (Go: `pkg/unshare`, `HomeDir`). `None` if neither names one.
    ///
    /// # Errors
    ///
    /// `/etc/passwd` is needed and cannot be read.
    pub fn home(&self, files: &dyn ConfigFiles) -> Result<Option<PathBuf>, HomeError> {
        if let Some(home) = self.path("HOME") {
            return Ok(Some(home));
        }
        let path = Path::new("/etc/passwd");
        let users = files.read(path).map_err(|source| HomeError {
            path: path.to_owned(),
            source,
        })?;
        let users = String::from_utf8_lossy(users.as_deref().unwrap_or_default());
        Ok(home_of_uid(&users, self.owner()).map(PathBuf::from))
    }

    /// Whether the store is a user's own, in the home directory, and not the system's.
    #[must_use]
    pub fn is_per_user(&self) -> bool {
        self.owner() != 0
    }

    /// Whether the process may do less than root of the host, which is certain only without any
    /// sign of a user namespace (Go: `pkg/unshare`, `IsRootless`).
    #[must_use]
    pub fn is_rootless(&self) -> bool {
        self.user != 0
            || !self.has_host_privileges
            || self.get(ROOTLESS_UID).is_some_and(|uid| uid != "0")
            || self.get(USERNS_CONFIGURED).is_some()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("directory", &self.directory)
            .field("user", &self.user)
            .field("has_host_privileges", &self.has_host_privileges)
            .finish()
    }
}

/// The home directory of a user cannot be found.
#[derive(Debug, thiserror::Error)]
#[error("cannot find the home directory in {}: set HOME", path.display())]
#[non_exhaustive]
pub struct HomeError {
    /// The file of users.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// A variable that has to be text is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {variable}: its value is not UTF-8")]
#[non_exhaustive]
pub struct NotUtf8 {
    /// The variable.
    pub variable: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_who_started_the_user_namespace() {
        assert_eq!(Environment::new(7).owner(), 7);
        let inside = Environment::new(0).with("_CONTAINERS_ROOTLESS_UID", "1000");
        assert_eq!(inside.owner(), 1000);
        assert!(inside.is_per_user());
        let nested = Environment::new(1000).with("_CONTAINERS_ROOTLESS_UID", "0");
        assert!(!nested.is_per_user());
        assert!(
            !Environment::new(9)
                .with("_CONTAINERS_ROOTLESS_UID", "x")
                .is_per_user()
        );
    }

    #[test]
    fn an_empty_variable_is_none() {
        let environment = Environment::new(0).with("A", "").with("B", "b");
        assert_eq!(
            (environment.get("A"), environment.get("B")),
            (None, Some(OsStr::new("b")))
        );
    }

    #[test]
    fn root_is_rootless_with_any_sign_of_a_user_namespace() {
        let root = || Environment::new(0);
        assert!(!root().is_rootless());
        assert!(!root().with(ROOTLESS_UID, "0").is_rootless());
        assert!(!root().with(USERNS_CONFIGURED, "").is_rootless());
        assert!(Environment::new(1000).is_rootless());
        assert!(root().with_host_privileges(false).is_rootless());
        assert!(root().with(ROOTLESS_UID, "1000").is_rootless());
        assert!(root().with(ROOTLESS_UID, "x").is_rootless());
        assert!(root().with(USERNS_CONFIGURED, "done").is_rootless());
    }

    #[test]
    fn values_of_variables_are_not_printed() {
        let environment = Environment::new(7).with("A", "hunter2");
        let wanted = "Environment { variables: [\"A\"], directory: \"/\", user: 7, \
                      has_host_privileges: false }";
        assert_eq!(format!("{environment:?}"), wanted);
        assert_eq!(environment.get("A"), Some(OsStr::new("hunter2")));
    }

    #[test]
    fn paths_are_completed_from_the_working_directory() {
        let environment = Environment::new(0)
            .with("A", "a")
            .with("B", "/b")
            .with("C", "");
        let environment = environment.in_directory("/w");
        let paths = ["A", "B", "C", "D"].map(|name| environment.path(name));
        assert_eq!(paths, [Some("/w/a".into()), Some("/b".into()), None, None]);
    }
}
