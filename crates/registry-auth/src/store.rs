//! All places of credentials together: looking up.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use layerhold_environment::Environment;

use crate::auth_file::{AuthFile, FileFormat, Found, docker_name};
use crate::child::HelperFailure;
use crate::credentials::Credentials;
use crate::disk::read;
use crate::error::AuthError;
use crate::helper::{Helper, HelperError};
use crate::helper_name::{HelperName, HelperNameError};
use crate::key::RegistryKey;
use crate::paths::{AuthPath, primary, search_order};

/// The name of the files among the helpers in `registries.conf`.
const FILES: &str = "containers-auth.json";

/// The credentials of a user: authentication files and credential helpers (Go:
/// `image/pkg/docker/config`).
///
/// Nothing is kept between calls, so that a change by another tool is seen. As with podman, two
/// processes that change one file at the same moment do not wait for each other: one change may be
/// lost, but the file is whole.
#[derive(Clone, Debug)]
pub struct CredentialStore {
    pub(crate) environment: Environment,
    file: Option<AuthPath>,
    pub(crate) sources: Vec<Source>,
    limit: Option<Duration>,
}

/// Where a [`CredentialStore`] looks: an element of `credential-helpers` in `registries.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The authentication files: `containers-auth.json`.
    Files,
    /// A helper, which is asked about every registry.
    Helper(HelperName),
}

impl FromStr for Source {
    type Err = HelperNameError;

    fn from_str(text: &str) -> Result<Self, HelperNameError> {
        match text {
            FILES => Ok(Self::Files),
            name => name.parse().map(Self::Helper),
        }
    }
}

/// Credentials, and where they were found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The credentials.
    pub credentials: Credentials,
    /// Where they were found.
    pub place: Place,
}

/// A place of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// A helper.
    Helper(HelperName),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Helper(name) => write!(f, "credential helper {name}"),
        }
    }
}

impl CredentialStore {
    /// The credentials of a user, in the files that podman uses.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            file: None,
            sources: vec![Source::Files],
            limit: None,
        }
    }

    /// Uses one file in place of those that the environment gives (`--authfile`). It need not
    /// exist. A relative path is one in the working directory of the environment.
    #[must_use]
    pub fn with_file(mut self, path: impl AsRef<Path>, format: FileFormat) -> Self {
        let path = self.environment.directory.join(path);
        self.file = Some(AuthPath::new(path, format));
        self
    }

    /// Sets where to look, in order (`credential-helpers` of `registries.conf`). The default is the
    /// files alone. A file of docker's that is changed is always changed itself, as docker does not
    /// know of these.
    #[must_use]
    pub fn with_sources(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.sources = sources.into_iter().collect();
        self
    }

    /// Sets how long a helper may run. The default is 60 seconds.
    #[must_use]
    pub fn with_helper_time_limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Returns the files that are read, in their order. The first is the one that is changed.
    ///
    /// # Errors
    ///
    /// `HOME` is not set, and `/etc/passwd` cannot be read.
    pub fn files(&self) -> Result<Vec<AuthPath>, AuthError> {
        match &self.file {
            Some(file) => Ok(vec![file.clone()]),
            None => search_order(&self.environment),
        }
    }

    /// Looks up the credentials for a registry, namespace or repository (Go: `GetCredentials`). The
    /// sources are asked in their order, and so are the files; the first that has some ends the
    /// search.
    ///
    /// A helper for all registries that a file of docker's names (`credsStore`) is asked if that
    /// file has no credentials itself; if it is not installed, the search goes on.
    ///
    /// # Errors
    ///
    /// A file cannot be read, what it has for the key is malformed, or a helper fails. The other
    /// sources are still asked, and the first error is returned if none has credentials.
    pub fn get(&self, key: &RegistryKey) -> Result<Option<Login>, AuthError> {
        let mut failed = None;
        for source in &self.sources {
            let got = match source {
                Source::Files => self.get_from_files(key),
                Source::Helper(name) => self.get_from_helper(name, key.registry()),
            };
            match got {
                Ok(Some(login)) => return Ok(Some(login)),
                Ok(None) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    fn get_from_files(&self, key: &RegistryKey) -> Result<Option<Login>, AuthError> {
        for AuthPath { path, format } in self.files()? {
            let file = load(&path, format)?;
            let found = file.find(key).map_err(|source| AuthError::Entry {
                path: path.clone(),
                key: key.clone(),
                source,
            })?;
            let login = match found {
                Found::Nothing => None,
                Found::Credentials(credentials) => Some(Login {
                    credentials,
                    place: Place::File(path),
                }),
                Found::Helper(name) => self.get_from_helper(&name, key.registry())?,
                Found::DefaultHelper(name) => {
                    let got = self.get_from_helper(&name, docker_name(key.registry()));
                    unless_not_installed(got)?.flatten()
                }
            };
            if login.is_some() {
                return Ok(login);
            }
        }
        Ok(None)
    }

    fn get_from_helper(
        &self,
        name: &HelperName,
        registry: &str,
    ) -> Result<Option<Login>, AuthError> {
        let got = self.helper(name).get(registry);
        let credentials = got.map_err(|error| helper_error(registry, error))?;
        Ok(credentials.map(|credentials| Login {
            credentials,
            place: Place::Helper(name.clone()),
        }))
    }

    /// Returns all keys that the sources have entries for (Go: `GetAllCredentials` begins with
    /// these). An entry may turn out to be empty: [`get`](Self::get) tells. Sources whose helper
    /// is not installed are skipped.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or a helper cannot list.
    pub fn keys(&self) -> Result<Vec<RegistryKey>, AuthError> {
        let mut keys = BTreeSet::new();
        for source in &self.sources {
            match source {
                Source::Files => {
                    for AuthPath { path, format } in self.files()? {
                        keys.extend(load(&path, format)?.keys());
                    }
                }
                Source::Helper(name) => {
                    let listed = self.list(name)?;
                    keys.extend(listed.iter().filter_map(|key| key.parse().ok()));
                }
            }
        }
        Ok(keys.into_iter().collect())
    }

    pub(crate) fn list(&self, helper: &HelperName) -> Result<Vec<String>, AuthError> {
        let listed = self.helper(helper).list();
        let listed = unless_not_installed(listed.map_err(|source| AuthError::List { source }))?;
        Ok(listed.unwrap_or_default().into_keys().collect())
    }

    pub(crate) fn helper(&self, name: &HelperName) -> Helper {
        let helper = Helper::new(name.clone(), self.environment.clone());
        match self.limit {
            Some(limit) => helper.with_time_limit(limit),
            None => helper,
        }
    }

    pub(crate) fn primary(&self) -> AuthPath {
        let named = self.file.clone();
        named.unwrap_or_else(|| primary(&self.environment))
    }
}

/// Reads a file; one that does not exist is empty.
pub(crate) fn load(path: &Path, format: FileFormat) -> Result<AuthFile, AuthError> {
    let Some(bytes) = read(path)? else {
        return Ok(AuthFile::empty(format));
    };
    AuthFile::parse(&bytes, format).map_err(|source| AuthError::Parse {
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn helper_error(registry: &str, source: HelperError) -> AuthError {
    AuthError::Helper {
        key: registry.to_owned(),
        source,
    }
}

/// `None` if a helper is not installed.
fn unless_not_installed<T>(result: Result<T, AuthError>) -> Result<Option<T>, AuthError> {
    match result {
        Err(AuthError::Helper { source, .. } | AuthError::List { source })
            if matches!(source.source, HelperFailure::NotInstalled { .. }) =>
        {
            Ok(None)
        }
        other => other.map(Some),
    }
}
