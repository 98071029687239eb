//! Printing as the Go tool prints.

use std::fs::File;
use std::io::{self, BufRead, Read};

use serde::Serialize;

use layerhold_sys::CancellableReader;

use super::call::{Call, FAILED};
use crate::failure::{Failure, stream};
use crate::streams::{Streams, copy};

/// Writes a value as Go's JSON encoder does: compact, with `<`, `>`, `&` and the two line
/// separators of JavaScript escaped, and a newline at the end.
pub(crate) fn json(call: &mut Call<'_, '_>, value: &impl Serialize) -> Result<u8, Failure> {
    json_line(call.streams, value)
}

/// The same for commands that have no store.
pub(crate) fn json_line(streams: &mut Streams<'_>, value: &impl Serialize) -> Result<u8, Failure> {
    let text = serde_json::to_string(value).map_err(Failure::value)?;
    streams.json(escape(&text)).map_err(stream)?;
    Ok(0)
}

/// Writes JSON text.
pub(crate) fn json_text(call: &mut Call<'_, '_>, text: &str) -> Result<u8, Failure> {
    call.streams.json(escape(text)).map_err(stream)?;
    Ok(0)
}

/// Writes records as an array.
pub(crate) fn json_records(
    call: &mut Call<'_, '_>,
    records: impl IntoIterator<Item = Vec<u8>>,
) -> Result<u8, Failure> {
    let records = records.into_iter();
    call.streams.json_list(records).map_err(stream)?;
    Ok(0)
}

/// Writes records as an array, or `null` for none: in these places the Go tool has a list that it
/// never creates.
pub(crate) fn json_records_or_null(
    call: &mut Call<'_, '_>,
    records: impl Iterator<Item = Vec<u8>>,
) -> Result<u8, Failure> {
    let mut records = records.peekable();
    if records.peek().is_none() {
        return json(call, &());
    }
    json_records(call, records)
}

/// The escapes that Go adds. In JSON these characters occur in strings only.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes a line to standard output.
pub(crate) fn line(call: &mut Call<'_, '_>, text: impl std::fmt::Display) -> Result<(), Failure> {
    call.streams.line(text).map_err(stream)
}

/// Writes a line to standard output, behind tabs.
pub(crate) fn indented(
    call: &mut Call<'_, '_>,
    tabs: usize,
    text: impl std::fmt::Display,
) -> Result<(), Failure> {
    call.streams.indented(tabs, text).map_err(stream)
}

/// Writes a line to standard error.
pub(crate) fn note(call: &mut Call<'_, '_>, text: impl std::fmt::Display) -> Result<(), Failure> {
    call.streams.note(text).map_err(stream)
}

/// The exit code of a command with several operands.
pub(crate) fn code(any_failed: bool) -> u8 {
    if any_failed { FAILED } else { 0 }
}

/// Opens the input of a command: the file that `--file` names, or standard input.
pub(crate) fn input(call: &mut Call<'_, '_>) -> Result<Box<dyn Read + Send>, Failure> {
    match call.flags.text("file") {
        "" => Ok(std::mem::replace(
            &mut call.streams.input,
            Box::new(io::empty()),
        )),
        path => {
            let cancel = call.environment.interruption.cancel();
            Ok(Box::new(CancellableReader::new(open(path)?, cancel)))
        }
    }
}

/// Opens a file that the caller named.
pub(crate) fn open(path: &str) -> Result<File, Failure> {
    File::open(path).map_err(|source| Failure::File {
        path: path.to_owned(),
        source,
    })
}

/// Copies a stream to the file that `--file` names, or to standard output.
pub(crate) fn copy_out(call: &mut Call<'_, '_>, source: &mut dyn BufRead) -> Result<(), Failure> {
    match call.flags.text("file") {
        "" => copy(source, call.streams.exact()),
        path => {
            let mut file = File::create(path).map_err(|source| Failure::File {
                path: path.to_owned(),
                source,
            })?;
            copy(source, &mut file).map_err(|failure| failure.writing(path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_go() {
        assert_eq!(
            escape("{\"a\":\"<&>\u{2028}\u{2029}é\"}"),
            "{\"a\":\"\\u003c\\u0026\\u003e\\u2028\\u2029é\"}"
        );
    }
}
