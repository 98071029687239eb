//! Answers that the proxy gives by itself.

use std::io::{Cursor, Read, repeat};

use super::message::Response;

/// An answer, and where its body comes from.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) body: Own,
}

/// A body that the proxy makes.
#[derive(Debug)]
pub(super) enum Own {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many spaces.
    Spaces(u64),
    /// Spaces without end, in chunks.
    Endless,
}

impl Answer {
    pub(super) fn new(status: u16, body: Own) -> Self {
        let mut response = Response::new(status);
        match &body {
            Own::Bytes(bytes) => response.headers.set("Content-Length", bytes.len()),
            Own::Spaces(count) => response.headers.set("Content-Length", count),
            Own::Endless => response.headers.set("Transfer-Encoding", "chunked"),
        }
        Self { response, body }
    }

    pub(super) fn json(status: u16, text: &str) -> Self {
        let body = Own::Bytes(text.as_bytes().to_vec());
        Self::new(status, body).with("Content-Type", "application/json")
    }

    /// An error in the form of the distribution specification.
    pub(super) fn error(status: u16, code: &str) -> Self {
        let text = format!(r#"{{"errors":[{{"code":"{code}","message":"as the test asked"}}]}}"#);
        Self::json(status, &text)
    }

    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.response.headers.set(name, value);
        self
    }
}

impl Own {
    pub(super) fn reader(self) -> Box<dyn Read> {
        match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Self::Spaces(count) => Box::new(repeat(b' ').take(count)),
            Self::Endless => Box::new(repeat(b' ')),
        }
    }
}
