//! Help texts, and what is said of flags that make no sense: where Go's tool sends them.

use super::flags::{self, Flag, FlagError, Values};
use super::table::{COMMANDS, Command, GLOBAL};
use crate::streams::Streams;

/// Where a part of a help text goes.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Output,
    Error,
}

/// Prints the list of commands. The Go tool sends the table of flags elsewhere than the rest,
/// except when help was asked for, and shows no values in it.
pub(super) fn general_usage(
    streams: &mut Streams<'_>,
    known: &[Flag],
    table: Stream,
) -> std::io::Result<()> {
    streams.lines("Usage: containers-storage command [options [...]]\n\nCommands:\n\n")?;
    for command in COMMANDS {
        let name = command.names.first().copied().unwrap_or_default();
        streams.line(format_args!("  {name:<30}{}", command.help))?;
    }
    streams.lines("\nOptions:\n")?;
    let text = flags::describe(known, &Values::default());
    match table {
        Stream::Output => streams.lines(&text),
        Stream::Error => streams.notes(&text),
    }
}

/// Prints what a command is for, its operands and flags.
pub(super) fn command_usage(
    streams: &mut Streams<'_>,
    name: &str,
    command: &Command,
    values: &Values,
) -> std::io::Result<()> {
    streams.lines(&format!(
        "Usage: containers-storage {name} {}\n\n{}\n\nOptions:\n",
        command.operands, command.help
    ))?;
    let all: Vec<_> = command.flags.iter().chain(GLOBAL).copied().collect();
    streams.notes(&flags::describe(&all, values))
}

/// Prints what is wrong with the flags, and where help is to be had.
pub(super) fn complain(
    streams: &mut Streams<'_>,
    program: &str,
    command: Option<&str>,
    error: &FlagError,
) -> std::io::Result<()> {
    let set = command.unwrap_or("containers-storage");
    streams.note(error)?;
    if program == set {
        streams.note(format_args!("See '{program} --help'."))
    } else {
        streams.note(format_args!("See '{program} {set} --help'."))
    }
}
