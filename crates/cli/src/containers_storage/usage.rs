//! Help texts and complaints about flags, on the streams that the Go tool uses.

use std::path::Path;

use layerhold::Privilege;

use super::flags::{self, Flag, FlagError, Values};
use super::open::given;
use super::table::{COMMANDS, Command, GLOBAL};
use crate::environment::Environment;
use crate::streams::Streams;

/// The stream for a part of a help text.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Output,
    Error,
}

/// Prints the list of commands. The Go tool sends the table of flags elsewhere than the rest,
/// except when help was asked for, and shows no values in it.
pub(super) fn general_usage(
    streams: &mut Streams<'_>,
    environment: &Environment,
    known: &[Flag],
    table: Stream,
) -> std::io::Result<()> {
    streams.lines("Usage: containers-storage command [options [...]]\n\nCommands:\n\n")?;
    for command in COMMANDS {
        let name = command.names.first().copied().unwrap_or_default();
        streams.line(format_args!("  {name:<30}{}", command.help))?;
    }
    streams.lines("\nOptions:\n")?;
    let text = flags::describe(known, &Values::default(), unshares(environment));
    match table {
        Stream::Output => streams.lines(&text),
        Stream::Error => streams.notes(&text),
    }
}

/// Prints the purpose of a command, its operands and flags. Flags that name a store are shown with
/// their effective values.
pub(super) fn command_usage(
    streams: &mut Streams<'_>,
    environment: &Environment,
    name: &str,
    command: &Command,
    before: &Values,
) -> std::io::Result<()> {
    let values = with_configured(before, environment);
    streams.lines(&format!(
        "Usage: containers-storage {name} {}\n\n{}\n\nOptions:\n",
        command.operands, command.help
    ))?;
    let all: Vec<_> = command.flags.iter().chain(GLOBAL).copied().collect();
    streams.notes(&flags::describe(&all, &values, unshares(environment)))
}

/// Whether commands enter a user namespace without being told to.
fn unshares(environment: &Environment) -> bool {
    environment.privilege == Privilege::UserNamespace
}

/// The flags that have a setting in the configuration.
const OF_STORE: [&str; 6] = [
    "graph",
    "run",
    "image-store",
    "storage-driver",
    "storage-opt",
    "transient-store",
];

/// The flags before the command word, or the settings of the configuration.
fn with_configured(before: &Values, environment: &Environment) -> Values {
    let mut values = before.clone();
    if given(before).replaces_configuration() {
        return values;
    }
    // Help does not fail because of the configuration.
    let Ok(config) = environment.configuration() else {
        return values;
    };
    let path = |path: &Path| path.display().to_string();
    let texts = [
        ("graph", Some(path(&config.graph_root))),
        ("run", Some(path(&config.run_root))),
        ("image-store", config.image_store.as_deref().map(path)),
        ("storage-driver", config.driver),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(flag, text)| Some((flag, text?)));
    let options = config.driver_options.into_iter();
    let options = options.map(|option| ("storage-opt", option));
    let transient = config.transient_store.then(|| "true".to_owned());
    let transient = transient.map(|text| ("transient-store", text));
    let configured: Vec<(&str, String)> = texts.chain(options).chain(transient).collect();
    for flag in GLOBAL.iter().filter(|flag| OF_STORE.contains(&flag.long)) {
        values.forget(flag);
        let of_flag = configured.iter().filter(|(long, _)| *long == flag.long);
        of_flag.for_each(|(_, value)| values.set(flag, value.clone()));
    }
    values
}

/// Prints what is wrong with the flags, and the option that prints help.
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
