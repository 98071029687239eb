//! Errors with the texts of the Go tool.
//!
//! Scripts and other programs search the output of the tool for these texts. Where ours differ,
//! Go's text is appended.

use std::error::Error as StdError;
use std::io;

use layerhold::{Codec, DataError, DiffError, Error, ErrorKind, ItemKind};
use layerhold_archive::CodecError;
use layerhold_tar_format::ParseError;

use crate::failure::{Failure, chain, without_operand};

/// Go's text for an unexpected end of input.
const UNEXPECTED_END: &str = "unexpected EOF";

/// The text of an error, which contains Go's text for its kind.
pub(crate) fn text(error: impl Into<Failure>) -> String {
    match error.into() {
        Failure::Store(error) => {
            let mut text = chain(&*error);
            for words in [of_kind(&error), of_cause(&error)] {
                if let Some(words) = words.filter(|words| !text.contains(words)) {
                    text.push_str(": ");
                    text.push_str(words);
                }
            }
            text
        }
        other => other.to_string(),
    }
}

/// The text of an error without the operand it is about, which the caller prints.
pub(crate) fn about(operand: &str, error: impl Into<Failure>) -> String {
    without_operand(operand, &text(error)).to_owned()
}

/// Go's text for the kind of a failure. Of those that Go tells by the error of a file, it is in the
/// text already, or [`of_cause`] knows it.
fn of_kind(error: &Error) -> Option<&'static str> {
    match error.kind()? {
        ErrorKind::DataUnknown
        | ErrorKind::FileUnknown
        | ErrorKind::OutOfSpace
        | ErrorKind::Cancelled => None,
        kind => Some(kind.text()),
    }
}

/// Go's texts for failures below the store: of archives, codecs and files.
fn of_cause(error: &Error) -> Option<&'static str> {
    match error {
        Error::Data(data) => match **data {
            DataError::NotFound {
                kind: ItemKind::Container,
                ..
            } => {
                return Some("no such file or directory");
            }
            DataError::NotFound { .. } => return Some("file does not exist"),
            _ => {}
        },
        Error::Diff(diff) => match **diff {
            DiffError::Compress(CodecError::WriteUnsupported {
                codec: Codec::Bzip2,
            }) => {
                return Some("unsupported compression format tar.bz2");
            }
            DiffError::Compress(CodecError::WriteUnsupported { .. }) => {
                return Some("unsupported compression format tar.xz");
            }
            _ => {}
        },
        _ => {}
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref() {
            Some(ParseError::Truncated { .. }) => return Some(UNEXPECTED_END),
            Some(_) => return Some("archive/tar: invalid tar header"),
            None => {}
        }
        let kind = error.downcast_ref().map(io::Error::kind);
        if kind == Some(io::ErrorKind::UnexpectedEof) {
            return Some(UNEXPECTED_END);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_not_repeated() {
        let unknown = layerhold::LookupError::Unknown {
            kind: ItemKind::Image,
            key: "x".to_owned(),
        };
        assert_eq!(about("x", unknown.clone()), "image not known");
        assert_eq!(about("y", unknown), "x: image not known");
    }

    #[test]
    fn words_are_added_where_they_are_missing() {
        let not_found = DataError::NotFound {
            kind: ItemKind::Image,
            id: "i".to_owned(),
            key: "k".to_owned(),
        };
        assert_eq!(
            text(not_found),
            "there is no big data item \"k\" for image i: file does not exist"
        );
        let unknown = layerhold::LookupError::Unknown {
            kind: ItemKind::Layer,
            key: "x".to_owned(),
        };
        assert_eq!(text(unknown), "x: layer not known");
    }
}
