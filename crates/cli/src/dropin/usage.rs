//! Help texts, and what is said of flags that make no sense: where Go's tool sends them.

use super::Streams;
use super::flags::{self, Flag, FlagError, Values};
use super::table::{COMMANDS, Command, GLOBAL};

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
    writeln!(
        streams.out,
        "Usage: containers-storage command [options [...]]\n\nCommands:\n"
    )?;
    for command in COMMANDS {
        let name = command.names.first().copied().unwrap_or_default();
        writeln!(streams.out, "  {name:<30}{}", command.help)?;
    }
    writeln!(streams.out, "\nOptions:")?;
    let text = flags::describe(known, &Values::default());
    match table {
        Stream::Output => streams.out.write_all(text.as_bytes()),
        Stream::Error => streams.err.write_all(text.as_bytes()),
    }
}

/// Prints what a command is for, its operands and flags.
pub(super) fn command_usage(
    streams: &mut Streams<'_>,
    name: &str,
    command: &Command,
    values: &Values,
) -> std::io::Result<()> {
    writeln!(
        streams.out,
        "Usage: containers-storage {name} {}\n\n{}\n\nOptions:",
        command.operands, command.help
    )?;
    let all: Vec<_> = command.flags.iter().chain(GLOBAL).copied().collect();
    streams
        .err
        .write_all(flags::describe(&all, values).as_bytes())
}

/// Prints what is wrong with the flags, and where help is to be had.
pub(super) fn complain(
    streams: &mut Streams<'_>,
    program: &str,
    command: Option<&str>,
    error: &FlagError,
) -> std::io::Result<()> {
    let set = command.unwrap_or("containers-storage");
    writeln!(streams.err, "{error}")?;
    if program == set {
        writeln!(streams.err, "See '{program} --help'.")
    } else {
        writeln!(streams.err, "See '{program} {set} --help'.")
    }
}
