//! The environment of a process, as a value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use layerhold_idmap::home_of_uid;
use layerhold_sys::{Capability, effective_user, has_capability, in_user_namespace};

use crate::error::ConfigError;
use crate::files::ConfigFiles;

/// The user who made the user namespace of the process.
const ROOTLESS_UID: &str = "_CONTAINERS_ROOTLESS_UID";
/// Set in a user namespace that podman, buildah or layerhold made.
const USERNS_CONFIGURED: &str = "_CONTAINERS_USERNS_CONFIGURED";
const DISABLE_IDMAP: &str = "_CONTAINERS_OVERLAY_DISABLE_IDMAP";

/// The environment that a configuration is loaded for, as a value.
///
/// [`of_process`](Self::of_process) reads that of the process; nothing else in this crate does.
///
/// Variables are bytes, as in the kernel. Directories in variables may be of any bytes. A driver
/// or an option of a driver that is not UTF-8 is refused
/// ([`ConfigError::NotUtf8`](crate::ConfigError::NotUtf8)) when a configuration is loaded.
/// Variables that the configuration does not use are never looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// The variables.
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

    /// The driver that `STORAGE_DRIVER` names.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NotUtf8`](crate::ConfigError::NotUtf8).
    pub fn driver(&self) -> Result<Option<String>, ConfigError> {
        let text = self.text("STORAGE_DRIVER")?;
        Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
    }

    /// The text of a variable that is set, even to nothing.
    pub(crate) fn text(&self, variable: &'static str) -> Result<Option<&str>, ConfigError> {
        let value = self.variables.get(OsStr::new(variable));
        value
            .map(|value| value.to_str().ok_or(ConfigError::NotUtf8 { variable }))
            .transpose()
    }

    /// The user that the store belongs to: in a user namespace made by podman, buildah or
    /// layerhold, the user outside (Go: `pkg/unshare`, `GetRootlessUID`).
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
    /// `/etc/passwd`. `None` if neither names one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Read`](crate::ConfigError::Read) if `/etc/passwd` is needed and cannot be
    /// read.
    pub fn home(&self, files: &dyn ConfigFiles) -> Result<Option<PathBuf>, ConfigError> {
        if let Some(home) = self.get("HOME") {
            return Ok(Some(self.directory.join(home)));
        }
        let path = Path::new("/etc/passwd");
        let users = files.read(path).map_err(|source| ConfigError::Read {
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

    /// Whether the overlay driver must not shift owners in mounts (Go: `drivers/overlay`).
    #[must_use]
    pub fn forbids_shifting(&self) -> bool {
        self.get(DISABLE_IDMAP).is_some_and(|value| value == "yes")
    }
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
    fn shifting_is_forbidden_by_one_word() {
        for (value, forbidden) in [("yes", true), ("1", false), ("", false)] {
            let environment = Environment::new(0).with(DISABLE_IDMAP, value);
            assert_eq!(environment.forbids_shifting(), forbidden, "{value:?}");
        }
    }
}
