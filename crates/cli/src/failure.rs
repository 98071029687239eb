//! Why a command fails, as text.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use layerhold_oci::{LoadError, PushError, SaveError, SourceError};

/// Why a command failed. Its text is one line: what was attempted, then the causes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The store refused.
    Store(Box<layerhold::Error>),
    /// An image could not be loaded.
    Load(Box<LoadError>),
    /// An image could not be saved.
    Save(Box<SaveError>),
    /// A file that the caller named cannot be used.
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file that the caller named cannot be written to its end.
    Output {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Standard input cannot be read, or output cannot be written.
    Stream(io::Error),
    /// A value is invalid; the text says which and why.
    Value(Box<dyn StdError + Send + Sync>),
    /// Flags that contradict each other, with Go's text in the drop-in.
    Flags(&'static str),
    /// The failure has been reported already.
    Reported,
}

impl Failure {
    /// Wraps an error about a value.
    pub fn value(error: impl StdError + Send + Sync + 'static) -> Self {
        Failure::Value(Box::new(error))
    }

    /// Names the file that could not be written, if an output stream failed. A failure to read from
    /// the store is not an error of the operating system, and stays as it is.
    pub(crate) fn writing(self, path: impl fmt::Display) -> Self {
        match self {
            Failure::Stream(source) if source.raw_os_error().is_some() => Failure::Output {
                path: path.to_string(),
                source,
            },
            other => other,
        }
    }

    /// The error of an output stream whose reader is gone: it ends the command without a message.
    pub(crate) fn broken_stream(&self) -> Option<io::Error> {
        match self {
            Failure::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Some(io::ErrorKind::BrokenPipe.into())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Store(error) => f.write_str(&chain(error.as_ref())),
            Failure::Load(error) => with_hint(f, error.as_ref(), load_hint(error)),
            Failure::Save(error) => with_hint(f, error.as_ref(), save_hint(error)),
            Failure::File { path, source } => write!(f, "open {path}: {}", plain(source)),
            Failure::Output { path, source } => write!(f, "write {path}: {}", plain(source)),
            // The stream of a difference fails with the error of the store inside.
            Failure::Stream(error) => f.write_str(&with_causes(plain(error), error.source())),
            Failure::Value(error) => {
                let hint = error.downcast_ref().and_then(push_hint);
                with_hint(f, error.as_ref(), hint)
            }
            Failure::Flags(text) => f.write_str(text),
            Failure::Reported => Ok(()),
        }
    }
}

impl StdError for Failure {}

fn with_hint(
    f: &mut fmt::Formatter<'_>,
    error: &(dyn StdError + 'static),
    hint: Option<&str>,
) -> fmt::Result {
    f.write_str(&chain(error))?;
    match hint {
        Some(hint) => write!(f, " ({hint})"),
        None => Ok(()),
    }
}

/// The flag for images whose signatures cannot be used.
const WITHOUT_SIGNATURES: &str = "--remove-signatures leaves them behind";

fn save_hint(error: &SaveError) -> Option<&'static str> {
    matches!(error, SaveError::Signed { .. }).then_some(WITHOUT_SIGNATURES)
}

fn push_hint(error: &PushError) -> Option<&'static str> {
    let is_signed = matches!(
        error,
        PushError::Signed { .. } | PushError::Signature { .. }
    );
    is_signed.then_some(WITHOUT_SIGNATURES)
}

/// The flag that helps against an error.
fn load_hint(error: &LoadError) -> Option<&'static str> {
    match error {
        LoadError::Name(_)
        | LoadError::NameDigest { .. }
        | LoadError::Source(SourceError::TagWithDigest { .. }) => {
            Some("--name gives it another name")
        }
        LoadError::Source(SourceError::Signature { .. }) => Some(WITHOUT_SIGNATURES),
        LoadError::NamesForSeveral { .. } => Some("--image takes a name or a digest"),
        LoadError::Source(SourceError::SameName { .. }) => Some("--image takes it"),
        LoadError::Source(SourceError::NoSuchPlatform { .. } | SourceError::NotIncluded { .. }) => {
            Some("--platform chooses another one, and --image takes a digest")
        }
        _ => None,
    }
}

/// Joins an error and its causes, without causes that repeat what was just said.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    with_causes(error.to_string(), error.source())
}

fn with_causes(mut text: String, mut cause: Option<&(dyn StdError + 'static)>) -> String {
    while let Some(error) = cause {
        let part = match error.downcast_ref::<io::Error>() {
            Some(error) => plain(error),
            None => error.to_string(),
        };
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

/// The text of an error without the operand in front, which the caller prints.
pub(crate) fn without_operand<'a>(operand: &str, text: &'a str) -> &'a str {
    text.strip_prefix(operand)
        .and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(text)
}

/// An I/O error as C and Go print it: without the number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(at) => text.get(..at).unwrap_or(&text).to_lowercase(),
        None => text,
    }
}

impl<E: Into<layerhold::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Store(Box::new(error.into()))
    }
}

/// Marks an I/O error as one of the standard streams.
pub(crate) fn stream(error: io::Error) -> Failure {
    Failure::Stream(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot do it")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_are_joined_once() {
        let inner = io::Error::new(io::ErrorKind::NotFound, "no such thing");
        assert_eq!(chain(&Outer(inner)), "cannot do it: no such thing");
        let stream = Failure::Stream(io::Error::other(Outer(io::ErrorKind::NotFound.into())));
        assert_eq!(stream.to_string(), "cannot do it: entity not found");
        let system = io::Error::from_raw_os_error(2);
        assert_eq!(
            Failure::File {
                path: "/x".into(),
                source: system
            }
            .to_string(),
            "open /x: no such file or directory"
        );
    }
}
