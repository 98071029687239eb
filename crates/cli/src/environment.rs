//! What the command lines take from their environment, read once at the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The environment of a process, as values: only the entry points read the real one.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// The working directory.
    pub directory: PathBuf,
    /// The effective user.
    pub user: u32,
}

/// Where a store is when nothing says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The graph root.
    pub graph: PathBuf,
    /// The run root.
    pub run: PathBuf,
}

impl Environment {
    /// A variable, when it is set and not empty.
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

    /// The places that podman uses for this user (Go: `types/options.go`).
    pub fn default_roots(&self) -> Roots {
        if self.user == 0 && self.get("_CONTAINERS_ROOTLESS_UID").is_none() {
            return Roots {
                graph: PathBuf::from("/var/lib/containers/storage"),
                run: PathBuf::from("/run/containers/storage"),
            };
        }
        let home = self.get("HOME").unwrap_or("/");
        let data = self
            .get("XDG_DATA_HOME")
            .map_or_else(|| Path::new(home).join(".local/share"), PathBuf::from);
        let run = match self.get("XDG_RUNTIME_DIR") {
            Some(directory) => Path::new(directory).join("containers"),
            None => PathBuf::from(format!("/run/user/{}/containers", self.user)),
        };
        Roots {
            graph: data.join("containers/storage"),
            run,
        }
    }

    /// The directory for large temporary files.
    pub fn scratch(&self) -> PathBuf {
        PathBuf::from(self.get("TMPDIR").unwrap_or("/var/tmp"))
    }

    /// The driver named by `STORAGE_DRIVER`.
    pub fn driver(&self) -> Option<String> {
        self.get("STORAGE_DRIVER").map(str::to_owned)
    }

    /// The options in `STORAGE_OPTS`, separated by commas. Set and empty means none.
    pub fn driver_options(&self) -> Option<Vec<String>> {
        let text = self.variables.get("STORAGE_OPTS")?;
        let options = text.split(',').filter(|part| !part.is_empty());
        Some(options.map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(user: u32, variables: &[(&str, &str)]) -> Environment {
        Environment {
            variables: variables
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            directory: PathBuf::from("/here"),
            user,
        }
    }

    #[test]
    fn root_and_others_have_their_own_places() {
        let root = environment(0, &[]).default_roots();
        assert_eq!(root.graph, Path::new("/var/lib/containers/storage"));
        assert_eq!(root.run, Path::new("/run/containers/storage"));
        let user = environment(7, &[("HOME", "/home/u")]).default_roots();
        assert_eq!(
            user.graph,
            Path::new("/home/u/.local/share/containers/storage")
        );
        assert_eq!(user.run, Path::new("/run/user/7/containers"));
        let user = environment(7, &[("XDG_DATA_HOME", "/d"), ("XDG_RUNTIME_DIR", "/r")]);
        assert_eq!(
            user.default_roots(),
            Roots {
                graph: "/d/containers/storage".into(),
                run: "/r/containers".into()
            }
        );
    }

    #[test]
    fn an_empty_list_of_options_is_not_the_same_as_none() {
        assert_eq!(environment(0, &[]).driver_options(), None);
        assert_eq!(
            environment(0, &[("STORAGE_OPTS", "")]).driver_options(),
            Some(vec![])
        );
        assert_eq!(
            environment(0, &[("STORAGE_OPTS", "a=1,b=2")]).driver_options(),
            Some(vec!["a=1".to_owned(), "b=2".to_owned()])
        );
    }

    #[test]
    fn paths_start_at_the_working_directory() {
        let environment = environment(0, &[]);
        assert_eq!(environment.absolute("x"), Path::new("/here/x"));
        assert_eq!(environment.absolute("/x"), Path::new("/x"));
    }
}
