//! `containers-storage`: the Go tool's command line over this project's store.
//!
//! Flags, outputs, streams and exit codes are those of the newest Go tool
//! (`cmd/containers-storage`); where that is a defect, `docs/differences.md` says what we do.

mod check;
mod configuration;
mod copy;
mod create;
mod data;
mod dedup;
mod delete;
mod diff;
mod directories;
mod flags;
mod inspect;
mod list;
mod manual;
mod maps;
mod messages;
mod mount;
mod names;
mod output;
mod owner;
mod packing;
mod staged;
mod storage_layer;
mod table;
mod tree;
mod unshare;
mod usage;
mod whole;

use layerhold::{Store, StoreOptions};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::options::{Given, Opening, opening};
use crate::streams::Streams;
use crate::user_namespace;
use flags::{FlagError, Values};
pub use manual::manual;
pub(crate) use output::copy as copy_stream;
use table::{COMMANDS, Command, GLOBAL, HELP, OLD_HELP};
pub(crate) use tree::{Node, draw};
use usage::{Stream, command_usage, complain, general_usage};

/// What a command is given.
pub(crate) struct Call<'a, 'b> {
    pub(crate) store: &'a Store,
    pub(crate) environment: &'a Environment,
    pub(crate) flags: &'a Values,
    pub(crate) operands: &'a [String],
    pub(crate) streams: &'a mut Streams<'b>,
}

/// What a command that needs no store is given.
pub(crate) struct AloneCall<'a, 'b> {
    pub(crate) environment: &'a Environment,
    pub(crate) operands: &'a [String],
    pub(crate) streams: &'a mut Streams<'b>,
}

/// A command: its exit code, or an error that is printed before exiting with 1.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// It needs a store, which is opened first.
    OnStore(fn(&mut Call<'_, '_>) -> Result<u8, Failure>),
    /// It needs none.
    Alone(fn(&mut AloneCall<'_, '_>) -> Result<u8, Failure>),
}

/// The commands that undo what they have not finished when a signal asks them to end.
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

/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// Exit code of flags after the command word that make no sense, and of its `--help`.
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

/// What is said of a spelling that Go's tool still takes.
const HELP_IS_OLD: &str =
    "Warning: '-help' is deprecated, it will be replaced by '--help' soon. See usage.";

/// What a command line says.
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
        // The Go tool adds the flag for help only when it begins to read flags.
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
    // Help texts show global flags as they are before the command word, and none of its own.
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
            let store = match open(line, environment, streams)? {
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
            // Not before: a process with several threads cannot enter a user namespace.
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

/// Opens the store that flags, environment and configuration name.
fn open(
    line: &Line,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> std::io::Result<Result<Store, Failure>> {
    let opened = opening(&given(&line.before), &given(&line.values), environment);
    let Opening { options, warnings } = match opened {
        Ok(opening) => opening,
        Err(failure) => return Ok(Err(failure)),
    };
    let debug = line.values.is_on("debug");
    for warning in warnings.iter().filter(|warning| debug || warning.is_loud()) {
        streams.note(warning)?;
    }
    if debug {
        for ignored in options.ignored() {
            streams.note(ignored)?;
        }
        debug_lines(&options, streams)?;
    }
    // To the Go tool the flag is on for everybody but root.
    let stays = line.values.text("unshare") == "false";
    if !stays {
        // A line that cannot be written changes nothing.
        let mut tell = |what: &str| drop(streams.note(what));
        if let Err(failure) = user_namespace::enter_if_needed(environment, &mut tell) {
            return Ok(Err(failure));
        }
    }
    let options = options.with_cancel(environment.interruption.cancel());
    Ok(Store::open(options).map_err(Failure::from))
}

/// Says which store is about to be opened, on lines that do not begin as those of `status` do,
/// which scripts look for.
fn debug_lines(options: &StoreOptions, streams: &mut Streams<'_>) -> std::io::Result<()> {
    let driver = options.driver.as_deref().unwrap_or_default();
    let (root, run_root) = (options.graph_root.display(), options.run_root.display());
    let driver_options = options.driver_options.join(" ");
    streams.note(format_args!("debug: Root: {root}"))?;
    streams.note(format_args!("debug: Run Root: {run_root}"))?;
    streams.note(format_args!("debug: Driver Name: {driver}"))?;
    streams.note(format_args!("debug: Driver Options: [{driver_options}]"))
}

/// The flags that say which store is meant. An empty text is none, as in the Go tool.
fn given(values: &Values) -> Given {
    let text = |flag| Some(values.text(flag).to_owned()).filter(|text| !text.is_empty());
    Given {
        graph_root: text("graph"),
        run_root: text("run"),
        image_store: text("image-store"),
        driver: text("storage-driver"),
        driver_options: values.list("storage-opt").to_vec(),
        transient: values.switch("transient-store"),
    }
}
