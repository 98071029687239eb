//! Where the signatures of a repository are.

use std::fmt;
use std::path::PathBuf;

use layerhold_reference::layerhold_ids::Digest;

/// The most signatures of one image that Go reads from one place (`docker_image_src.go`).
pub const MAX_LOOKASIDE_SIGNATURES: usize = 128;

/// A place of signatures: of all images of a repository, or of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookaside {
    /// Files, which are read and written.
    Path(PathBuf),
    /// A server, which is only read.
    Url(LookasideUrl),
}

/// A URL with the scheme `http` or `https`. A password in it is neither in its `Debug` nor in its
/// `Display` form.
#[derive(Clone, PartialEq, Eq)]
pub struct LookasideUrl {
    scheme: &'static str,
    /// The password and the user, if there are any, and the host.
    authority: String,
    /// Without percent signs.
    path: Vec<u8>,
    /// The query and the fragment with their first characters.
    rest: String,
}

/// Why a text is no place of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookasideProblem {
    /// It has no scheme.
    #[error("it is no URL, such as https://example.com/signatures or file:///var/signatures")]
    NotAUrl,
    /// The scheme is not known.
    #[error("its scheme is none of https, http and file")]
    Scheme,
    /// It has no host, or its path is not absolute.
    #[error("it has no host or no absolute path")]
    Incomplete,
    /// It has a control character, or a percent sign without two digits.
    #[error("it has a control character, or a percent sign that is none of an escape")]
    Characters,
}

impl Lookaside {
    /// The place of one signature of an image: `PATH@ALGORITHM=HEX/signature-N`, where N is the
    /// index plus one (Go: `lookasideStorageURL`). The digest is that of the manifest. Signatures
    /// are numbered without gaps: the first that does not exist ends them.
    #[must_use]
    pub fn signature(&self, manifest: &Digest, index: usize) -> Self {
        let digest = manifest.as_str().replacen(':', "=", 1);
        let number = index.saturating_add(1);
        self.with(&format!("@{digest}/signature-{number}"))
    }

    /// The place of a repository below this one.
    pub(super) fn repository(&self, repository: &str) -> Self {
        self.with(&format!("/{repository}"))
    }

    fn with(&self, suffix: &str) -> Self {
        match self {
            Lookaside::Path(path) => {
                let mut path = path.clone().into_os_string();
                path.push(suffix);
                Lookaside::Path(path.into())
            }
            Lookaside::Url(url) => {
                let mut url = url.clone();
                url.path.extend_from_slice(suffix.as_bytes());
                Lookaside::Url(url)
            }
        }
    }

    /// Parses a URL of a file.
    pub(super) fn parse(text: &str) -> Result<Self, LookasideProblem> {
        use std::os::unix::ffi::OsStringExt;

        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(LookasideProblem::Characters);
        }
        let (scheme, rest) = text.split_once(':').ok_or(LookasideProblem::NotAUrl)?;
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (rest, query) = rest.split_at(end);
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let path = unescaped(path)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "file" if path.first() == Some(&b'/') => {
                let path = std::ffi::OsString::from_vec(path);
                return Ok(Lookaside::Path(path.into()));
            }
            "http" if is_authority(authority) => "http",
            "https" if is_authority(authority) => "https",
            "file" | "http" | "https" => return Err(LookasideProblem::Incomplete),
            _ if is_scheme(scheme) => return Err(LookasideProblem::Scheme),
            _ => return Err(LookasideProblem::NotAUrl),
        };
        Ok(Lookaside::Url(LookasideUrl {
            scheme,
            authority: authority.to_owned(),
            path,
            rest: query.to_owned(),
        }))
    }
}

impl LookasideUrl {
    /// The text of the URL, with the password if there is one. The name makes its uses easy to
    /// find.
    #[must_use]
    pub fn expose(&self) -> String {
        self.text(&self.authority)
    }

    fn text(&self, authority: &str) -> String {
        let path: String = self.path.iter().copied().map(escaped).collect();
        format!("{}://{authority}{path}{}", self.scheme, self.rest)
    }
}

/// As [`expose`](LookasideUrl::expose), with `…` for the user and the password.
impl fmt::Display for LookasideUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.authority.rsplit_once('@') {
            Some((_, host)) => self.text(&format!("…@{host}")),
            None => self.expose(),
        };
        f.write_str(&text)
    }
}

impl fmt::Debug for LookasideUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Lookaside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lookaside::Path(path) => path.display().fmt(f),
            Lookaside::Url(url) => url.fmt(f),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_part)
}

/// Whether a text may be a host, with user and port if wanted.
fn is_authority(text: &str) -> bool {
    let (_, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host, ""),
    };
    let is_part =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=@".contains(&byte);
    let is_host = !host.is_empty() && !host.contains('%');
    is_host && port.bytes().all(|digit| digit.is_ascii_digit()) && text.bytes().all(is_part)
}

/// A path without percent signs.
fn unescaped(text: &str) -> Result<Vec<u8>, LookasideProblem> {
    let mut parts = text.split('%');
    let mut path = parts.next().unwrap_or_default().as_bytes().to_owned();
    for part in parts {
        let digits = part.get(..2).ok_or(LookasideProblem::Characters)?;
        let byte = match digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => u8::from_str_radix(digits, 16).ok(),
            false => None,
        };
        path.push(byte.ok_or(LookasideProblem::Characters)?);
        path.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    Ok(path)
}

/// A byte of a path as Go's `net/url` writes it.
fn escaped(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).into(),
        _ if b"-_.~$&+,/:;=@".contains(&byte) => char::from(byte).into(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn place(text: &str) -> Result<String, LookasideProblem> {
        let lookaside = Lookaside::parse(text)?.repository("app/web");
        Ok(match lookaside {
            Lookaside::Path(path) => format!("path {}", path.display()),
            Lookaside::Url(url) => url.expose(),
        })
    }

    #[test]
    fn repositories_are_below_the_path() {
        for (text, wanted) in [
            ("file:///var/s", "path /var/s/app/web"),
            ("FILE:/var/s/", "path /var/s//app/web"),
            ("file://host/a%20b", "path /a b/app/web"),
            ("https://a.io", "https://a.io/app/web"),
            ("HTTP://a.io:80/s", "http://a.io:80/s/app/web"),
            (
                "https://a.io/s%2Ft%20%e9?q=%20#f",
                "https://a.io/s/t%20%E9/app/web?q=%20#f",
            ),
            ("https://u:p@[::1]:5000/", "https://u:p@[::1]:5000//app/web"),
        ] {
            assert_eq!(place(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn other_texts_are_told_apart() {
        for (text, wanted) in [
            ("/var/s", LookasideProblem::NotAUrl),
            (":s", LookasideProblem::NotAUrl),
            ("a b:c", LookasideProblem::NotAUrl),
            ("ftp://a.io", LookasideProblem::Scheme),
            ("file:s", LookasideProblem::Incomplete),
            ("file://s", LookasideProblem::Incomplete),
            ("https:///s", LookasideProblem::Incomplete),
            ("https://:80/s", LookasideProblem::Incomplete),
            ("https://a b/s", LookasideProblem::Incomplete),
            ("https://a:b/s", LookasideProblem::Incomplete),
            ("https://a%41/s", LookasideProblem::Incomplete),
            ("https://a.io/%2", LookasideProblem::Characters),
            ("https://a.io/%+2", LookasideProblem::Characters),
            ("https://a.io/\n", LookasideProblem::Characters),
        ] {
            assert_eq!(place(text), Err(wanted), "{text}");
        }
    }

    #[test]
    fn signatures_are_numbered_from_one() {
        let digest = format!("sha256:{HEX}").parse().unwrap();
        let url = Lookaside::parse("https://a.io/s?q")
            .unwrap()
            .repository("x");
        let wanted = format!("https://a.io/s/x@sha256={HEX}/signature-1?q");
        assert_eq!(url.signature(&digest, 0).to_string(), wanted);
        let path = Lookaside::parse("file:///s").unwrap().repository("x");
        let wanted = format!("/s/x@sha256={HEX}/signature-12");
        assert_eq!(path.signature(&digest, 11), Lookaside::Path(wanted.into()));
    }

    #[test]
    fn passwords_are_not_printed() {
        let url = Lookaside::parse("https://ann:hunter2@a.io/s").unwrap();
        assert_eq!(url.to_string(), "https://…@a.io/s");
        assert_eq!(format!("{url:?}"), "Url(https://…@a.io/s)");
    }
}
