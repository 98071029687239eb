//! What credentials are for.

use std::fmt;
use std::str::FromStr;

/// What credentials are for: a registry, or a namespace or repository in one.
///
/// It is a host with a port if needed, and a path without tag and digest: `quay.io`,
/// `localhost:5000/team/app`. The name of a `layerhold_reference::Reference` is one.
///
/// ```
/// use layerhold_registry_auth::RegistryKey;
///
/// let key: RegistryKey = "quay.io/team/app".parse()?;
/// assert_eq!((key.registry(), key.is_namespaced()), ("quay.io", true));
/// assert!("quay.io/team/app:1".parse::<RegistryKey>().is_err());
/// # Ok::<(), layerhold_registry_auth::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryKey(String);

/// A text that is not a [`RegistryKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a registry or a repository: {reason}")]
#[non_exhaustive]
pub struct KeyError {
    /// The text. Everything before its last `@` is replaced by `…`, because it may be a password.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl RegistryKey {
    /// Parses what people give to a login: a key, or a URL, of which only host and port count.
    ///
    /// # Errors
    ///
    /// The text is neither.
    pub fn from_url_or_key(text: &str) -> Result<Self, KeyError> {
        match without_scheme(text) {
            Some(rest) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let authority = rest.get(..end).unwrap_or(rest);
                let host = authority.rsplit('@').next().unwrap_or(authority);
                host.parse()
            }
            None => text.parse(),
        }
    }

    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host, with its port.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// Tells whether the key names more than a registry.
    #[must_use]
    pub fn is_namespaced(&self) -> bool {
        self.0.contains('/')
    }

    /// The key, and all that it is part of, the longest first.
    pub(crate) fn and_parents(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |key| {
            key.rsplit_once('/').map(|(parent, _)| parent)
        })
    }
}

impl fmt::Display for RegistryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RegistryKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bad = |reason| {
            let text = match text.rsplit_once('@') {
                Some((_, rest)) => format!("…@{rest}"),
                None => text.to_owned(),
            };
            Err(KeyError { text, reason })
        };
        if without_scheme(text).is_some() {
            return bad("it is a URL");
        }
        if text.contains('@') {
            return bad("it has a digest or a user");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return bad("it has spaces or control characters");
        }
        let (registry, path) = text.split_once('/').unwrap_or((text, ""));
        if registry.is_empty() {
            return bad("it has no host");
        }
        if path.contains(':') {
            return bad("it has a tag");
        }
        Ok(Self(text.to_owned()))
    }
}

/// The part of a URL after its scheme; `None` if the text is no URL.
pub(crate) fn without_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_its_registry_and_parents() {
        let key: RegistryKey = "a.b:1/c/d".parse().unwrap();
        assert_eq!(
            key.and_parents().collect::<Vec<_>>(),
            ["a.b:1/c/d", "a.b:1/c", "a.b:1"]
        );
        assert_eq!(key.registry(), "a.b:1");
    }

    #[test]
    fn malformed_keys_say_why_and_hide_passwords() {
        for (text, shown, reason) in [
            ("", "", "it has no host"),
            ("/a", "/a", "it has no host"),
            ("https://a", "https://a", "it is a URL"),
            ("http://u:p@a/b", "…@a/b", "it is a URL"),
            ("u:p@a", "…@a", "it has a digest or a user"),
            ("a/b:1", "a/b:1", "it has a tag"),
            ("a\nb", "a\nb", "it has spaces or control characters"),
        ] {
            let error = text.parse::<RegistryKey>().unwrap_err();
            assert_eq!((&*error.text, error.reason), (shown, reason), "{text}");
        }
    }

    #[test]
    fn a_url_counts_by_its_host() {
        for (text, wanted) in [
            ("https://quay.io/v2/", "quay.io"),
            ("http://u:p@localhost:5000?x", "localhost:5000"),
            ("quay.io/team", "quay.io/team"),
        ] {
            let key = RegistryKey::from_url_or_key(text).unwrap();
            assert_eq!(key.as_str(), wanted);
        }
        assert!(RegistryKey::from_url_or_key("https://").is_err());
    }
}
