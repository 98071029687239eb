//! The environment of a process, as a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The environment that a configuration is loaded for. This crate never reads that of the process
/// itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// The working directory, for relative paths.
    pub directory: PathBuf,
    /// The effective user.
    pub user: u32,
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

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets all variables.
    #[must_use]
    pub fn with_variables(mut self, variables: BTreeMap<String, String>) -> Self {
        self.variables = variables;
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
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The user that the store belongs to: in a user namespace made by podman, buildah or
    /// layerhold, the user outside (Go: `pkg/unshare`, `GetRootlessUID`).
    #[must_use]
    pub fn owner(&self) -> u32 {
        match self.get("_CONTAINERS_ROOTLESS_UID") {
            // Go takes a malformed number for 0.
            Some(text) => text.parse().unwrap_or(0),
            None => self.user,
        }
    }

    /// Whether the store is a user's own, in the home directory, and not the system's.
    #[must_use]
    pub fn is_per_user(&self) -> bool {
        self.owner() != 0
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
            (None, Some("b"))
        );
    }
}
