//! Addresses of servers, and of what they lead to.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest path with its query.
const LONGEST: usize = 16 * 1024;

/// What must be encoded in the path and the query of an address that a server sends.
const TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What must be encoded in the value of a query: all but unreserved characters (RFC 3986).
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes a text as the value of a query or a form.
pub(crate) fn encode(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, VALUE)
}

/// Why a text is no address that a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The address begins with another scheme.
    #[error("it is not an address of http or https")]
    Scheme,
    /// The host or the port is malformed.
    #[error("its host is not valid")]
    Host,
    /// A user name or password stands before the host.
    #[error("it has a user name in it")]
    UserName,
    /// Path and query are longer than 16 KiB.
    #[error("its path is longer than {LONGEST} bytes")]
    TooLong,
}

/// An `http` or `https` address.
///
/// It is printed without the query, which may be a signature that opens what the address names.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    is_https: bool,
    /// In lower case; an IPv6 address with its brackets.
    host: String,
    port: Option<u16>,
    /// Begins with a slash.
    path: String,
    query: Option<String>,
}

impl Url {
    /// Makes the address of a path, which begins with a slash, at a host.
    pub(crate) fn at(is_https: bool, authority: &str, path: &str) -> Result<Self, UrlError> {
        let (host, port) = parse_authority(authority)?;
        Ok(Self {
            is_https,
            host,
            port,
            path: path.to_owned(),
            query: None,
        })
    }

    /// Resolves an address that a server sends, relative to this one (RFC 3986, section 5.2).
    ///
    /// # Errors
    ///
    /// The result is not an address of `http` or `https`, or has a user name.
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let reference = without_fragment(reference.trim());
        if let Some(rest) = reference.strip_prefix("//") {
            return parse_rest(self.is_https, rest);
        }
        if has_scheme(reference) {
            return reference.parse();
        }
        let mut joined = self.clone();
        let (path, query) = split_query(reference)?;
        if !path.is_empty() {
            joined.path = resolve_dots(&match path.starts_with('/') {
                true => path,
                false => format!("{}{path}", self.directory()),
            });
        }
        if !reference.is_empty() && (query.is_some() || reference.starts_with(|c| c != '?')) {
            joined.query = query;
        }
        joined.check_length()
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub(crate) fn with_parameter(mut self, name: &str, value: &str) -> Self {
        let value = encode(value);
        self.query = Some(match self.query {
            Some(query) if !query.is_empty() => format!("{query}&{name}={value}"),
            _ => format!("{name}={value}"),
        });
        self
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether two addresses have the same scheme, host and port, so that credentials for one may
    /// be sent to the other.
    #[must_use]
    pub fn has_same_origin(&self, other: &Self) -> bool {
        let origin = |url: &Self| (url.is_https, url.effective_port());
        origin(self) == origin(other) && self.host == other.host
    }

    /// Returns the host, with the port if one is given.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Returns scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority())
    }

    /// Returns the whole text, with the query. Errors and debug output must not have it.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut text = format!("{}{}", self.origin(), self.path);
        if let Some(query) = &self.query {
            text.push('?');
            text.push_str(query);
        }
        text
    }

    fn check_length(self) -> Result<Self, UrlError> {
        let query = self.query.as_ref().map_or(0, String::len);
        match self.path.len() + query > LONGEST {
            true => Err(UrlError::TooLong),
            false => Ok(self),
        }
    }

    fn scheme(&self) -> &'static str {
        match self.is_https {
            true => "https",
            false => "http",
        }
    }

    fn effective_port(&self) -> u16 {
        self.port.unwrap_or(match self.is_https {
            true => 443,
            false => 80,
        })
    }

    /// The path up to its last slash.
    fn directory(&self) -> &str {
        let end = self.path.rfind('/').map_or(0, |at| at + 1);
        self.path.get(..end).unwrap_or("/")
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = without_fragment(text.trim());
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::Scheme),
        };
        parse_rest(is_https, rest)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)?;
        match self.query {
            Some(_) => f.write_str("?…"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Parses what follows `https://`.
fn parse_rest(is_https: bool, rest: &str) -> Result<Url, UrlError> {
    let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let (host, port) = parse_authority(authority)?;
    let (path, query) = split_query(target)?;
    let path = resolve_dots(&match path.starts_with('/') {
        true => path,
        false => format!("/{path}"),
    });
    let url = Url {
        is_https,
        host,
        port,
        path,
        query,
    };
    url.check_length()
}

fn parse_authority(authority: &str) -> Result<(String, Option<u16>), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserName);
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        None | Some("") => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().map_err(|_| UrlError::Host)?)
        }
        Some(_) => return Err(UrlError::Host),
    };
    match is_host(host) {
        true => Ok((host.to_ascii_lowercase(), port)),
        false => Err(UrlError::Host),
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']');
        return address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.len() <= 255 && host.bytes().all(is_name)
}

/// Whether a reference begins with a scheme, and so is no relative one.
fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?']);
    end.is_some_and(|end| {
        reference
            .get(end..)
            .is_some_and(|rest| rest.starts_with(':'))
    })
}

fn without_fragment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(before, _)| before)
}

/// Splits path and query, and encodes what a server should have encoded.
fn split_query(target: &str) -> Result<(String, Option<String>), UrlError> {
    if target.len() > LONGEST {
        return Err(UrlError::TooLong);
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let encoded = |text: &str| utf8_percent_encode(text, TARGET).to_string();
    Ok((encoded(path), query.map(encoded)))
}

/// Resolves the components `.` and `..` of an absolute path.
fn resolve_dots(path: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    let mut last = "";
    for component in path.split('/').skip(1) {
        last = component;
        match component {
            "." => {}
            ".." => drop(components.pop()),
            component => components.push(component),
        }
    }
    let mut resolved = format!("/{}", components.join("/"));
    let ends_in_directory = matches!(last, "." | "..") && !resolved.ends_with('/');
    if ends_in_directory {
        resolved.push('/');
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("https://a.b/c?d=e", Ok("https://a.b/c?d=e")),
            ("HTTPS://A.b:443", Ok("https://a.b:443/")),
            ("http://a?q", Ok("http://a/?q")),
            ("http://a/b/../c/./d/..", Ok("http://a/c/")),
            ("http://a/../..", Ok("http://a/")),
            ("http://a/b c?d e#f", Ok("http://a/b%20c?d%20e")),
            ("http://[::1]:5000/a", Ok("http://[::1]:5000/a")),
            ("http://[::1]", Ok("http://[::1]/")),
            ("http://a:/b", Ok("http://a/b")),
            (r"http://a\@b/c", Ok("http://a/%5C@b/c")),
            (r"http://a\./../b", Ok("http://a/b")),
            ("http://a/%2e%2E/ä", Ok("http://a/%2e%2E/%C3%A4")),
            ("ftp://a", Err(UrlError::Scheme)),
            ("a.b/c", Err(UrlError::Scheme)),
            ("http://u:p@a/", Err(UrlError::UserName)),
            ("http://a:b/", Err(UrlError::Host)),
            ("http://a:99999/", Err(UrlError::Host)),
            ("http://a:+80/", Err(UrlError::Host)),
            ("http:///a", Err(UrlError::Host)),
            ("http://a b/", Err(UrlError::Host)),
            ("http://ä/", Err(UrlError::Host)),
            ("http://[::1/", Err(UrlError::Host)),
            ("http://[a]/", Err(UrlError::Host)),
        ] {
            let url = text.parse::<Url>().map(|url| url.expose());
            assert_eq!(url, expected.map(str::to_owned), "{text}");
        }
        for text in ["b", "ä", "/"] {
            let long = format!("http://a/{}", text.repeat(LONGEST));
            assert_eq!(long.parse::<Url>(), Err(UrlError::TooLong));
        }
        let half = "b".repeat(LONGEST * 2 / 3);
        let base: Url = format!("http://a/{half}/").parse().unwrap();
        assert_eq!(base.join(&half), Err(UrlError::TooLong));
    }

    #[test]
    fn relative_references() {
        let base: Url = "https://a:1/b/c?d".parse().unwrap();
        for (reference, expected) in [
            ("", Ok("https://a:1/b/c?d")),
            ("#f", Ok("https://a:1/b/c?d")),
            ("?x=y", Ok("https://a:1/b/c?x=y")),
            ("e", Ok("https://a:1/b/e")),
            ("e?f", Ok("https://a:1/b/e?f")),
            ("../e", Ok("https://a:1/e")),
            ("/e?f", Ok("https://a:1/e?f")),
            ("/e:f", Ok("https://a:1/e:f")),
            ("?e:f", Ok("https://a:1/b/c?e:f")),
            ("//x/y", Ok("https://x/y")),
            ("http://x/y?z", Ok("http://x/y?z")),
            ("mailto:x", Err(UrlError::Scheme)),
            ("//u@x/", Err(UrlError::UserName)),
        ] {
            let joined = base.join(reference).map(|url| url.expose());
            assert_eq!(joined, expected.map(str::to_owned), "{reference}");
        }
    }

    #[test]
    fn origins() {
        for (one, other, is_same) in [
            ("https://a/b", "https://A:443/c?d", true),
            ("http://a", "http://a:80", true),
            ("https://a", "http://a", false),
            ("http://a:443", "https://a", false),
            ("https://a", "https://a:444", false),
            ("https://a", "https://b.a", false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse::<Url>().unwrap());
            assert_eq!(one.has_same_origin(&other), is_same, "{one} {other}");
        }
    }

    #[test]
    fn a_query_is_not_printed() {
        let url: Url = "https://a/b?signature=secret".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://a/b?… https://a/b?…");
        let url = Url::at(true, "a:1", "/t")
            .unwrap()
            .with_parameter("scope", "a:b,c d");
        assert_eq!(url.expose(), "https://a:1/t?scope=a%3Ab%2Cc%20d");
        assert_eq!(
            url.with_parameter("n", "1").expose(),
            "https://a:1/t?scope=a%3Ab%2Cc%20d&n=1"
        );
    }
}
