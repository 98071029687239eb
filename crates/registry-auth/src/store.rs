//! All places of credentials together.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use layerhold_sys::stat_ambient;

use crate::auth_file::{AuthFile, FileFormat, Found, docker_name};
use crate::child::HelperFailure;
use crate::credentials::Credentials;
use crate::disk::{read, write};
use crate::environment::Environment;
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
    environment: Environment,
    file: Option<AuthPath>,
    sources: Vec<Source>,
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

    /// Stores credentials (Go: `SetCredentials`) in the first source that can hold them, and
    /// returns the place. Among the files it is the first one, or the helper that it names for the
    /// registry.
    ///
    /// The file gets mode 0600 and is replaced durably and at once; missing directories get mode
    /// 0700. Nothing of the file but the entry changes. A link is replaced, not followed.
    ///
    /// # Errors
    ///
    /// No source can hold them; the error is that of the first. Helpers and docker's files have no
    /// credentials for namespaces and repositories.
    pub fn set(&self, key: &RegistryKey, credentials: &Credentials) -> Result<Place, AuthError> {
        let mut failed = None;
        for source in self.sources_to_change() {
            let set = match source {
                Source::Files => self.set_in_file(key, credentials),
                Source::Helper(name) => self.set_in_helper(&name, key, key.as_str(), credentials),
            };
            match set {
                Ok(place) => return Ok(place),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        // Without any source, the file is the place.
        failed.map_or_else(|| self.set_in_file(key, credentials), Err)
    }

    fn set_in_file(
        &self,
        key: &RegistryKey,
        credentials: &Credentials,
    ) -> Result<Place, AuthError> {
        let (path, mut file) = self.load_to_change()?;
        let name = name_in(&file, key);
        if let Some(helper) = helper_of(&path, &file, key, name)? {
            return self.set_in_helper(&helper, key, name, credentials);
        }
        file.set(key, credentials)
            .map_err(|source| AuthError::Edit {
                path: path.clone(),
                key: key.clone(),
                source,
            })?;
        write(&path, file.as_bytes())?;
        Ok(Place::File(path))
    }

    fn set_in_helper(
        &self,
        helper: &HelperName,
        key: &RegistryKey,
        name: &str,
        credentials: &Credentials,
    ) -> Result<Place, AuthError> {
        if key.is_namespaced() {
            return Err(AuthError::Namespaced {
                key: key.clone(),
                helper: helper.clone(),
            });
        }
        let stored = self.helper(helper).store(name, credentials);
        stored.map_err(|error| helper_error(name, error))?;
        Ok(Place::Helper(helper.clone()))
    }

    /// Removes the credentials for exactly this key from all sources, among the files from the
    /// first one (Go: `RemoveAuthentication`). Tells whether there were any.
    ///
    /// # Errors
    ///
    /// A source fails. The others are still changed, and the first error is returned.
    pub fn remove(&self, key: &RegistryKey) -> Result<bool, AuthError> {
        let mut failed = None;
        let mut had_some = false;
        for source in self.sources_to_change() {
            let removed = match source {
                Source::Files => self.remove_from_file(key),
                Source::Helper(_) if key.is_namespaced() => Ok(false),
                Source::Helper(name) => self.erase(&name, key.as_str()),
            };
            match removed {
                Ok(had_one) => had_some |= had_one,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(had_some), Err)
    }

    fn remove_from_file(&self, key: &RegistryKey) -> Result<bool, AuthError> {
        let (path, mut file) = self.load_to_change()?;
        let name = name_in(&file, key);
        let helper = helper_of(&path, &file, key, name)?.filter(|_| !key.is_namespaced());
        let erased = helper.map_or(Ok(false), |helper| self.erase(&helper, name))?;
        let removed = file.remove(key).map_err(|source| AuthError::Edit {
            path: path.clone(),
            key: key.clone(),
            source,
        })?;
        if removed {
            write(&path, file.as_bytes())?;
        }
        Ok(erased || removed)
    }

    fn erase(&self, helper: &HelperName, name: &str) -> Result<bool, AuthError> {
        let erased = self.helper(helper).erase(name);
        erased.map_err(|error| helper_error(name, error))
    }

    /// Removes all credentials from all sources, among the files from the first one (Go:
    /// `RemoveAllAuthentication`). Sources whose helper is not installed are skipped.
    ///
    /// # Errors
    ///
    /// A source fails. The others are still changed, and the first error is returned.
    pub fn clear(&self) -> Result<(), AuthError> {
        let mut failed = None;
        for source in self.sources_to_change() {
            let cleared = match source {
                Source::Files => self.clear_file(),
                Source::Helper(name) => self.clear_helper(&name),
            };
            if let Err(error) = cleared {
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn clear_file(&self) -> Result<(), AuthError> {
        let (path, mut file) = self.load_to_change()?;
        let helpers = file.helpers().map_err(|source| AuthError::Helpers {
            path: path.clone(),
            source,
        })?;
        for (registry, helper) in helpers {
            self.erase(&helper, registry)?;
        }
        let before = file.clone();
        file.clear().map_err(|source| AuthError::Clear {
            path: path.clone(),
            source,
        })?;
        match before.as_bytes() == file.as_bytes() {
            true => Ok(()),
            false => write(&path, file.as_bytes()),
        }
    }

    fn clear_helper(&self, helper: &HelperName) -> Result<(), AuthError> {
        for key in self.list(helper)? {
            self.erase(helper, &key)?;
        }
        Ok(())
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

    fn list(&self, helper: &HelperName) -> Result<Vec<String>, AuthError> {
        let listed = self.helper(helper).list();
        let listed = unless_not_installed(listed.map_err(|source| AuthError::List { source }))?;
        Ok(listed.unwrap_or_default().into_keys().collect())
    }

    fn helper(&self, name: &HelperName) -> Helper {
        let helper = Helper::new(name.clone(), self.environment.clone());
        match self.limit {
            Some(limit) => helper.with_time_limit(limit),
            None => helper,
        }
    }

    fn sources_to_change(&self) -> Vec<Source> {
        match self.primary().format {
            FileFormat::Docker => vec![Source::Files],
            _ => self.sources.clone(),
        }
    }

    fn primary(&self) -> AuthPath {
        let named = self.file.clone();
        named.unwrap_or_else(|| primary(&self.environment))
    }

    fn load_to_change(&self) -> Result<(PathBuf, AuthFile), AuthError> {
        let AuthPath { path, format } = self.primary();
        // A missing directory is most likely a mistake, so it is not made as others are.
        if let Some(runtime) = self.environment.path("XDG_RUNTIME_DIR")
            && path == runtime.join("containers/auth.json")
            && matches!(stat_ambient(&runtime), Ok(None))
        {
            return Err(AuthError::RuntimeDirectory { path: runtime });
        }
        let file = load(&path, format)?;
        Ok((path, file))
    }
}

/// Reads a file; one that does not exist is empty.
fn load(path: &Path, format: FileFormat) -> Result<AuthFile, AuthError> {
    let Some(bytes) = read(path)? else {
        return Ok(AuthFile::empty(format));
    };
    AuthFile::parse(&bytes, format).map_err(|source| AuthError::Parse {
        path: path.to_owned(),
        source,
    })
}

/// The name of a key in the helpers of a file.
fn name_in<'k>(file: &AuthFile, key: &'k RegistryKey) -> &'k str {
    match file.format {
        FileFormat::Docker => docker_name(key.as_str()),
        _ => key.as_str(),
    }
}

fn helper_of(
    path: &Path,
    file: &AuthFile,
    key: &RegistryKey,
    name: &str,
) -> Result<Option<HelperName>, AuthError> {
    file.helper_of(name).map_err(|source| AuthError::Entry {
        path: path.to_owned(),
        key: key.clone(),
        source,
    })
}

fn helper_error(registry: &str, source: HelperError) -> AuthError {
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
