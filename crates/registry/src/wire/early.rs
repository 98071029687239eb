//! Answers that come before a request was sent to its end.

use std::io::{self, Read};
use std::time::Duration;

use super::socket::Silence;

/// How long the rest of such an answer is waited for.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// A server refused a request without reading all of it. Found inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("the server answered before it had the whole request")]
pub(crate) struct EarlyAnswer {
    pub(crate) status: u16,
    /// As much of the body as came at once.
    pub(crate) body: Vec<u8>,
}

/// Whether an error of a write may come from such an answer.
pub(crate) fn may_be_early(error: &io::Error) -> bool {
    let is_closed = matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    );
    is_closed || error.get_ref().is_some_and(|inner| inner.is::<Silence>())
}

/// Reads the answer that a server sent before it closed the connection.
pub(crate) fn read(reader: &mut dyn Read) -> Option<EarlyAnswer> {
    let mut bytes = vec![0; 16 * 1024];
    let count = reader.read(&mut bytes).ok()?;
    bytes.truncate(count);
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Option<EarlyAnswer> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let status = rest.get(..3)?.parse().ok()?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let body = end.and_then(|end| bytes.get(end + 4..)).unwrap_or_default();
    let is_refusal = version.starts_with("HTTP/1.") && (400..600).contains(&status);
    is_refusal.then(|| EarlyAnswer {
        status,
        body: body.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_recognised() {
        for (text, expected) in [
            (
                "HTTP/1.1 413 Too Large\r\nA: b\r\n\r\n{}",
                Some((413, "{}")),
            ),
            ("HTTP/1.0 500\r\n", Some((500, ""))),
            ("HTTP/1.1 100 Continue\r\n\r\n", None),
            ("HTTP/1.1 4", None),
            ("HTTP/2 413 x", None),
            ("", None),
        ] {
            let found = parse(text.as_bytes());
            let found = found
                .as_ref()
                .map(|answer| (answer.status, answer.body.as_slice()));
            let expected = expected.map(|(status, body)| (status, body.as_bytes()));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
