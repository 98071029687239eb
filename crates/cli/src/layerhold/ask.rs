//! Questions on the terminal.

use std::io::IsTerminal;

use layerhold_registry_auth::Secret;
use layerhold_sys::HiddenTyping;

use crate::failure::{Failure, stream};
use crate::streams::Streams;

/// The longest password, in bytes.
pub(super) const LONGEST_PASSWORD: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("cannot ask for the {what}, because standard input is not a terminal: {instead}")]
    NoTerminal {
        what: &'static str,
        instead: &'static str,
    },
    #[error("cannot go on without a {what}")]
    Nothing { what: &'static str },
    #[error("cannot use a password of more than {LONGEST_PASSWORD} bytes")]
    TooLong,
    #[error("cannot use a password that is not UTF-8")]
    NotUtf8,
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        Failure::value(error)
    }
}

/// Whether a person can answer.
pub(super) fn can_ask(streams: &Streams<'_>) -> bool {
    std::io::stdin().is_terminal() && streams.err_is_terminal()
}

/// Asks for a password, which is not shown. `instead` is what helps without a terminal.
pub(super) fn password(
    streams: &mut Streams<'_>,
    instead: &'static str,
) -> Result<Secret, Failure> {
    let what = "password";
    if !std::io::stdin().is_terminal() {
        return Err(AskError::NoTerminal { what, instead }.into());
    }
    let hidden = HiddenTyping::new(std::io::stdin()).map_err(Failure::value)?;
    let answer = streams.ask_for("Password: ", LONGEST_PASSWORD);
    drop(hidden);
    let answer = answer.map_err(stream)?.unwrap_or_default();
    password_of(answer)
}

/// A password of these bytes.
pub(super) fn password_of(bytes: Vec<u8>) -> Result<Secret, Failure> {
    let text = String::from_utf8(bytes).map_err(|_| AskError::NotUtf8)?;
    match text.is_empty() {
        true => Err(AskError::Nothing { what: "password" }.into()),
        false => Ok(Secret::new(text)),
    }
}
