//! Storing and removing credentials.

use std::path::{Path, PathBuf};

use layerhold_sys::stat_ambient;

use crate::auth_file::{AuthFile, FileFormat, docker_name};
use crate::credentials::Credentials;
use crate::disk::write;
use crate::error::AuthError;
use crate::helper_name::HelperName;
use crate::key::RegistryKey;
use crate::paths::AuthPath;
use crate::store::{CredentialStore, Place, Source, helper_error, load};

impl CredentialStore {
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

    fn sources_to_change(&self) -> Vec<Source> {
        match self.primary().format {
            FileFormat::Docker => vec![Source::Files],
            _ => self.sources.clone(),
        }
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
