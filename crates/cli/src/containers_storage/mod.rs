//! `containers-storage`: the Go tool's command line over this project's store.
//!
//! Flags, outputs, streams and exit codes are those of the newest Go tool
//! (`cmd/containers-storage`); where that is a defect, `docs/differences.md` says what we do.

mod usage;
mod manual;
mod table;
mod names;
mod create;
mod staged;
mod storage_layer;
mod diff;
mod copy;
mod data;
mod directories;
mod inspect;
mod list;
mod mount;
mod delete;
mod whole;
mod dedup;
mod check;
mod configuration;
mod unshare;
mod output;
mod messages;
mod open;
mod call;
mod maps;
mod owner;
mod flags;

use self::call::{Action, AloneCall, Call};
use self::flags::{FlagError, Values};
use self::open::open;
use self::table::{COMMANDS, Command, GLOBAL, HELP, OLD_HELP};
use self::usage::{Stream, command_usage, complain, general_usage};
use crate::environment::Environment;
use crate::streams::Streams;

pub use self::call::FAILED;
pub use self::manual::manual;

/// The commands that undo unfinished work when a signal interrupts them.
const UNDONE: [&str; 11] = [
    "create-storage-layer",
    "create-layer",
    "import-layer",
    "create-image",
    "create-container",
    "delete",
    "delete-layer",
    "delete-image",
    "delete-container",
    "gc",
    "wipe",
];

/// Exit code of wrong flags after the command word, and of its `--help`.
const BAD_FLAGS: u8 = 125;

/// Runs one command line; `arguments` begin with the name that the program was called by.
///
/// # Errors
///
/// Fails only when an output stream does; everything else is an exit code.
pub fn run(
    arguments: &[String],
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> std::io::Result<u8> {
    let (program, words) = arguments
        .split_first()
        .map_or(("containers-storage", &[][..]), |(first, rest)| {
            (first.as_str(), rest)
        });
    match parse(program, words, environment, streams)? {
        Parsed::Exit(code) => Ok(code),
        Parsed::Run {
            command,
            before,
            values,
            operands,
        } => execute(
            command,
            &Line {
                before,
                values,
                operands,
            },
            environment,
            streams,
        ),
    }
}

/// The warning about a spelling that the Go tool still accepts.
const HELP_IS_OLD: &str =
    "Warning: '-help' is deprecated, it will be replaced by '--help' soon. See usage.";

/// The values of a command line.
struct Line {
    /// The flags before the command word.
    before: Values,
    /// All flags.
    values: Values,
    operands: Vec<String>,
}

enum Parsed {
    Exit(u8),
    Run {
        command: &'static Command,
        before: Values,
        values: Values,
        operands: Vec<String>,
    },
}

/// Reads both rounds of flags, as the Go tool does: global ones up to the command word, then
/// global ones and the command's own up to the first operand.
fn parse(
    program: &str,
    words: &[String],
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> std::io::Result<Parsed> {
    let mut values = Values::default();
    if words.is_empty() {
        // The Go tool adds the flag for help only when it begins to parse flags.
        general_usage(streams, environment, GLOBAL, Stream::Error)?;
        return Ok(Parsed::Exit(FAILED));
    }
    let before: Vec<_> = GLOBAL.iter().copied().chain([HELP]).collect();
    let known: Vec<_> = before.iter().copied().chain([OLD_HELP]).collect();
    let words = match flags::parse(&known, &mut values, words) {
        Ok(rest) => {
            let read = words.len() - rest.len();
            if words.iter().take(read).any(|word| word == "-help") {
                streams.note(HELP_IS_OLD)?;
            }
            rest
        }
        Err(error) => {
            if error == FlagError::Help {
                general_usage(streams, environment, &before, Stream::Error)?;
            } else {
                complain(streams, program, None, &error)?;
            }
            streams.line(format_args!("{error} while parsing arguments (1)"))?;
            general_usage(streams, environment, &before, Stream::Error)?;
            return Ok(Parsed::Exit(FAILED));
        }
    };
    if values.is_on(HELP.long) {
        general_usage(streams, environment, &before, Stream::Output)?;
        return Ok(Parsed::Exit(0));
    }
    let Some((name, words)) = words.split_first() else {
        general_usage(streams, environment, &before, Stream::Error)?;
        return Ok(Parsed::Exit(FAILED));
    };
    let Some(command) = COMMANDS
        .iter()
        .find(|command| command.names.contains(&name.as_str()))
    else {
        streams.line(format_args!("{name}: unrecognized command."))?;
        return Ok(Parsed::Exit(FAILED));
    };
    // Help texts show the values of global flags before the command word, and none of its own.
    let shown = values.clone();
    let after: Vec<_> = command.flags.iter().chain(GLOBAL).copied().collect();
    let operands = match flags::parse(&after, &mut values, words) {
        Ok(operands) => operands,
        Err(error) => {
            if error == FlagError::Help {
                command_usage(streams, environment, name, command, &shown)?;
            } else {
                complain(streams, program, Some(name), &error)?;
            }
            return Ok(Parsed::Exit(BAD_FLAGS));
        }
    };
    if operands.len() < command.least {
        streams.line(format_args!("{name}: more arguments required."))?;
        command_usage(streams, environment, name, command, &shown)?;
        return Ok(Parsed::Exit(FAILED));
    }
    if command.most.is_some_and(|most| operands.len() > most) {
        let listed = operands.join(" ");
        streams.line(format_args!("{name}: too many arguments ([{listed}])."))?;
        command_usage(streams, environment, name, command, &shown)?;
        return Ok(Parsed::Exit(FAILED));
    }
    Ok(Parsed::Run {
        command,
        before: shown,
        values,
        operands,
    })
}

fn execute(
    command: &Command,
    line: &Line,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> std::io::Result<u8> {
    let outcome = match command.action {
        Action::Alone(action) => action(&mut AloneCall {
            environment,
            operands: &line.operands,
            streams,
        }),
        Action::OnStore(action) => {
            let store = match open(&line.before, &line.values, environment, streams)? {
                Ok(store) => store,
                Err(error) => {
                    // The Go tool prints this one to standard output, and scripts look for it
                    // there.
                    streams.line(format_args!(
                        "error initializing: {}",
                        messages::text(error)
                    ))?;
                    return Ok(FAILED);
                }
            };
            // This starts a thread, and a process with several threads cannot enter a user
            // namespace.
            if command.names.iter().any(|name| UNDONE.contains(name)) {
                environment.interruption.watch();
            }
            action(&mut Call {
                store: &store,
                environment,
                flags: &line.values,
                operands: &line.operands,
                streams,
            })
        }
    };
    let code = match outcome {
        Ok(code) => code,
        Err(failure) => {
            if let Some(error) = failure.broken_stream() {
                return Err(error);
            }
            streams.note(messages::text(failure))?;
            FAILED
        }
    };
    streams.flush()?;
    Ok(code)
}
