//! What a command is given.

use layerhold::Store;

use super::args::Format;
use super::progress;
use crate::failure::{Failure, stream, without_operand};
use crate::interruption::Interruption;
use crate::streams::Streams;
use crate::user_namespace::Entered;

/// What a command is given.
pub(crate) struct Call<'a, 'b> {
    pub(crate) store: &'a Store,
    pub(crate) entered: Entered,
    pub(crate) format: Format,
    pub(crate) is_quiet: bool,
    pub(crate) progress: progress::Bar,
    pub(crate) interruption: Interruption,
    pub(crate) streams: &'a mut Streams<'b>,
}

impl Call<'_, '_> {
    /// Writes a line of the result.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> Result<(), Failure> {
        self.streams.line(text).map_err(stream)
    }

    /// Writes a note, which is not part of the result.
    pub(crate) fn note(&mut self, text: impl std::fmt::Display) -> Result<(), Failure> {
        self.streams.note(text).map_err(stream)
    }

    /// Reports a failure with one of several operands.
    pub(crate) fn complain(
        &mut self,
        operand: &str,
        failure: impl Into<Failure>,
    ) -> Result<(), Failure> {
        let reason = failure.into().to_string();
        let reason = without_operand(operand, &reason);
        self.note(format_args!("layerhold: {operand}: {reason}"))
    }

    /// Writes the result as indented JSON.
    pub(crate) fn json(&mut self, value: &serde_json::Value) -> Result<(), Failure> {
        indented(self.streams, value)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }
}

/// Writes indented JSON.
pub(crate) fn indented(
    streams: &mut Streams<'_>,
    value: &serde_json::Value,
) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::value)?;
    streams.json(&text).map_err(stream)
}
