//! What a registry accepts.

use crate::secret::Secret;

/// The credentials of a user at a registry (Go: `DockerAuthConfig`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A user name and a password.
    Password {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token that the registry's token server exchanges for short-lived ones (an OAuth 2 refresh
    /// token).
    IdentityToken {
        /// The user name beside it, often empty. The token is enough.
        username: String,
        /// The token.
        token: Secret,
    },
}

impl Credentials {
    /// Makes credentials of a user name and a password.
    #[must_use]
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Password {
            username: username.into(),
            password: Secret::new(password),
        }
    }

    /// Makes credentials of an identity token.
    #[must_use]
    pub fn identity_token(token: impl Into<String>) -> Self {
        Self::IdentityToken {
            username: String::new(),
            token: Secret::new(token),
        }
    }

    /// Returns the user name, which may be empty.
    #[must_use]
    pub fn username(&self) -> &str {
        match self {
            Self::Password { username, .. } | Self::IdentityToken { username, .. } => username,
        }
    }
}
