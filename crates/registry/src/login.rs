//! Credentials of a user.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

/// Credentials for one registry. Their `Debug` form has no secret, and secrets are overwritten in
/// memory when they are dropped.
#[derive(Clone)]
pub struct Login(Kind);

#[derive(Clone)]
enum Kind {
    Password {
        username: String,
        password: Zeroizing<String>,
    },
    IdentityToken(Zeroizing<String>),
}

impl Login {
    /// A user name and a password.
    #[must_use]
    pub fn password(username: &str, password: &str) -> Self {
        Self(Kind::Password {
            username: username.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        })
    }

    /// An identity token: an OAuth 2 refresh token, which the registry's token server exchanges.
    #[must_use]
    pub fn identity_token(token: &str) -> Self {
        Self(Kind::IdentityToken(Zeroizing::new(token.to_owned())))
    }

    /// The user name, which an identity token does not have.
    pub(crate) fn username(&self) -> Option<&str> {
        match &self.0 {
            Kind::Password { username, .. } => Some(username),
            Kind::IdentityToken(_) => None,
        }
    }

    pub(crate) fn refresh_token(&self) -> Option<&str> {
        match &self.0 {
            Kind::Password { .. } => None,
            Kind::IdentityToken(token) => Some(token),
        }
    }

    /// The value of `Authorization` for the scheme `Basic`.
    pub(crate) fn basic(&self) -> Option<Zeroizing<String>> {
        let Kind::Password { username, password } = &self.0 else {
            return None;
        };
        let pair = Zeroizing::new(format!("{username}:{}", password.as_str()));
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()));
        Some(Zeroizing::new(format!("Basic {}", encoded.as_str())))
    }

    /// Removes the secrets from a text of a server.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let basic = self.basic();
        let encoded = basic.as_ref().and_then(|value| value.split(' ').nth(1));
        let secret = match &self.0 {
            Kind::Password { password, .. } => password.as_str(),
            Kind::IdentityToken(token) => token.as_str(),
        };
        scrub(&scrub(text, secret), encoded.unwrap_or_default())
    }
}

/// Secrets of fewer characters are words that a text may have by chance.
const SHORTEST_SECRET: usize = 4;

/// Replaces a secret in a text by `…`.
pub(crate) fn scrub(text: &str, secret: &str) -> String {
    match secret.len() < SHORTEST_SECRET {
        true => text.to_owned(),
        false => text.replace(secret, "…"),
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Password { username, .. } => write!(f, "Login({username:?}, …)"),
            Kind::IdentityToken(_) => f.write_str("Login(identity token …)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let login = Login::password("ann", "hunter2");
        assert_eq!(format!("{login:?}"), r#"Login("ann", …)"#);
        assert_eq!(login.basic().unwrap().as_str(), "Basic YW5uOmh1bnRlcjI=");
        assert_eq!(login.scrub("hunter2 is YW5uOmh1bnRlcjI="), "… is …");
        let login = Login::identity_token("refresh-me");
        assert_eq!(format!("{login:?}"), "Login(identity token …)");
        assert_eq!(login.scrub("no refresh-me"), "no …");
        assert_eq!(login.basic().as_deref(), None);
        assert_eq!(Login::password("a", "no").scrub("no"), "no");
    }
}
