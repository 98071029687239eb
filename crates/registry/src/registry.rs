//! One registry.

use std::sync::Arc;

use ureq::http::Method;

use crate::error::{RegistryError, Task};
use crate::http::Request;
use crate::names::{NameError, check_repository};
use crate::repository::Repository;
use crate::session::{Access, Missing, Session};

/// A registry, with the credentials of a user if there are any. A clone is another handle on the
/// same one.
#[derive(Clone, Debug)]
pub struct Registry(Arc<Session>);

impl Registry {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self(session)
    }

    /// Returns the name of the registry in references.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Checks that the registry answers and accepts the credentials, as a login does.
    ///
    /// # Errors
    ///
    /// [`WrongCredentials`](crate::Problem::WrongCredentials) if it does not accept them, and
    /// [`LoginRequired`](crate::Problem::LoginRequired) if it needs some and there are none.
    pub fn check(&self) -> Result<(), RegistryError> {
        let access = Access {
            scopes: Vec::new(),
            missing: Missing::Repository,
        };
        let checked = self.0.retrying(|contact, deadline| {
            let request = Request::new(Method::GET, contact.base().clone());
            let response = self.0.send(contact, &access, deadline, request)?;
            // The connection can be used again once the body is read.
            let _read = response.into_answer();
            Ok(())
        });
        checked.map_err(|problem| RegistryError::new(Task::LogIn, self.name(), problem))
    }

    /// Returns a handle on a repository, by its path below the registry.
    ///
    /// # Errors
    ///
    /// The text is not the path of a repository.
    pub fn repository(&self, path: &str) -> Result<Repository, NameError> {
        check_repository(path)?;
        Ok(Repository::new(Arc::clone(&self.0), path))
    }
}
