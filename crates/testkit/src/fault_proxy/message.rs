//! Heads of HTTP/1.1 messages, and what a request asks a registry for.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Write};

/// The longest head that is accepted.
const LONGEST_HEAD: u64 = 256 << 10;

/// The lines of a head after the first, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Headers(pub(super) Vec<(String, String)>);

impl Headers {
    /// The first value of a header; names have no case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter();
        let (_, value) = named.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Sets the only value of a header.
    pub(super) fn set(&mut self, name: &str, value: impl ToString) {
        self.remove(name);
        self.0.push((name.to_owned(), value.to_string()));
    }

    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        let given = self.get(name).unwrap_or_default();
        given
            .split(',')
            .any(|word| word.trim().eq_ignore_ascii_case(value))
    }
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Headers,
}

impl Request {
    /// Reads one; `None` when the other side has closed the connection.
    ///
    /// A client that speaks TLS sends no line to wait for.
    pub(super) fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        if from
            .fill_buf()?
            .first()
            .is_some_and(|byte| !byte.is_ascii_uppercase())
        {
            return Err(malformed("request line"));
        }
        let Some((first, headers)) = read_head(from)? else {
            return Ok(None);
        };
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(malformed("request line"));
        };
        Ok(Some(Self {
            method: method.into(),
            target: target.into(),
            headers,
        }))
    }

    pub(super) fn write(&self, to: &mut impl Write) -> Result<()> {
        write_head(
            to,
            &format!("{} {} HTTP/1.1", self.method, self.target),
            &self.headers,
        )
    }

    /// The target without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a query parameter, as it stands there.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub(super) fn is(&self, methods: &[&str]) -> bool {
        methods.contains(&self.method.as_str())
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::of(self.path())
    }

    /// The repository, such as `library/app`.
    pub(super) fn repository(&self) -> Option<&str> {
        let rest = self.path().strip_prefix("/v2/")?;
        let ends = ["/blobs/", "/manifests/", "/tags/"];
        let end = ends.iter().filter_map(|end| rest.rfind(end)).min()?;
        Some(&rest[..end])
    }
}

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Headers,
}

impl Response {
    pub(super) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Headers::default(),
        }
    }

    pub(super) fn read(from: &mut impl BufRead) -> Result<Self> {
        let (first, headers) = read_head(from)?.ok_or(ErrorKind::UnexpectedEof)?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        Ok(Self {
            status: status.ok_or_else(|| malformed("status line"))?,
            headers,
        })
    }

    pub(super) fn write(&self, to: &mut impl Write) -> Result<()> {
        write_head(
            to,
            &format!("HTTP/1.1 {} Answer", self.status),
            &self.headers,
        )
    }
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `/v2/`, by which clients find out how to log in.
    Base,
    /// A manifest or index.
    Manifest,
    /// A blob, to be fetched, looked for or deleted.
    Blob,
    /// The upload of a blob: its beginning, its parts, its status and its end.
    Upload,
    /// A page of a tag list.
    Tags,
    /// A token, on the token server.
    Token,
    /// Anything else.
    Other,
}

impl Kind {
    fn of(path: &str) -> Self {
        match path {
            "/v2" | "/v2/" => Self::Base,
            "/token" => Self::Token,
            _ if path.ends_with("/tags/list") => Self::Tags,
            _ if path.contains("/blobs/uploads") => Self::Upload,
            _ if path.contains("/blobs/") => Self::Blob,
            _ if path.contains("/manifests/") => Self::Manifest,
            _ => Self::Other,
        }
    }
}

/// The target of a URL.
pub(super) fn path_and_query(url: &str) -> &str {
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => url,
    }
}

/// A target with one more query parameter.
pub(super) fn with_parameter(target: &str, parameter: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}{parameter}")
}

fn read_head(from: &mut impl BufRead) -> Result<Option<(String, Headers)>> {
    let mut limited = from.take(LONGEST_HEAD);
    let Some(first) = read_line(&mut limited)? else {
        return Ok(None);
    };
    let mut headers = Headers::default();
    loop {
        let line = read_line(&mut limited)?.ok_or(ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some((first, headers)));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
        headers.0.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// Reads a line without its end; `None` at the end of the input.
pub(super) fn read_line(from: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = Vec::new();
    from.take(LONGEST_HEAD).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(malformed("line"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

fn write_head(to: &mut impl Write, first: &str, headers: &Headers) -> Result<()> {
    let mut text = format!("{first}\r\n");
    for (name, value) in &headers.0 {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    to.write_all(text.as_bytes())
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("malformed {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_written() {
        let text =
            "GET /v2/a/b/tags/list?n=2&last=x HTTP/1.1\r\nHost: h\r\nRANGE: bytes=1-\r\n\r\n";
        let request = Request::read(&mut text.as_bytes()).unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.kind()),
            ("GET", Kind::Tags)
        );
        assert_eq!(request.headers.get("range"), Some("bytes=1-"));
        assert_eq!(request.parameter("last"), Some("x"));
        assert_eq!(request.repository(), Some("a/b"));
        let mut written = Vec::new();
        request.write(&mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), text);
        assert_eq!(Request::read(&mut &b""[..]).unwrap(), None);
    }

    #[test]
    fn malformed_heads_are_errors() {
        for text in [
            "GET\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\n",
        ] {
            assert!(Request::read(&mut text.as_bytes()).is_err(), "{text}");
        }
        let endless = std::io::repeat(b'x');
        assert!(Request::read(&mut std::io::BufReader::new(endless)).is_err());
    }

    #[test]
    fn paths_tell_what_is_asked_for() {
        for (path, kind) in [
            ("/v2/", Kind::Base),
            ("/v2/a/manifests/latest", Kind::Manifest),
            ("/v2/a/b/blobs/sha256:00", Kind::Blob),
            ("/v2/a/blobs/uploads/", Kind::Upload),
            ("/v2/a/blobs/uploads/some-id", Kind::Upload),
            ("/v2/a/tags/list", Kind::Tags),
            ("/v2/_catalog", Kind::Other),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }

    #[test]
    fn targets_are_taken_from_urls_and_gain_parameters() {
        assert_eq!(path_and_query("http://h:1/a?b"), "/a?b");
        assert_eq!(path_and_query("/a?b"), "/a?b");
        assert_eq!(with_parameter("/a", "x=1"), "/a?x=1");
        assert_eq!(with_parameter("/a?y=2", "x=1"), "/a?y=2&x=1");
    }
}
