//! `layerhold`: the command line for interactive use.
//!
//! Exit codes: 0 for success, 1 if something failed, 2 if the command line is wrong.

mod build;
mod create;
mod cp;
mod push;
mod pull;
mod load;
mod diff;
mod export;
mod save;
mod tag;
mod history;
mod inspect_remote;
mod tags;
mod list;
mod tree;
mod du;
mod inspect;
mod mount;
mod mount_command;
mod remove;
mod wipe;
mod gc;
mod dedup;
mod check;
mod login;
mod logout;
mod configuration;
mod completions;
mod remote;
mod ask;
mod archive_output;
mod transfer;
mod call;
mod progress;
mod image_configuration;
mod timings;
mod find;
mod names;
mod table;
mod units;
pub mod args;

use std::path::{Path, PathBuf};

use clap::Parser;
use layerhold::{Notice, Store, StoreOptions, SyncMode};
use layerhold_sys::best_effort;

use self::args::{Arguments, Command, SyncChoice};
use self::call::Call;
use self::timings::Timings;
use crate::environment::Environment;
use crate::failure::{Failure, stream};
use crate::options::{Given, opening};
use crate::say::say;
use crate::streams::Streams;
use crate::user_namespace::enter_if_needed;

/// What `--format` of `push` takes besides is for no other command.
const FORMAT_OF_PUSH: &str = "error: only `push` makes manifests: --format is `table` or `json`";

/// Exit code of a wrong command line.
pub const USAGE: u8 = 2;

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
    streams.escape_everywhere();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let text = error.render();
            return if error.use_stderr() {
                streams.notes(&text.to_string())?;
                Ok(USAGE)
            } else {
                streams.lines(&text.to_string())?;
                Ok(0)
            };
        }
    };
    let format = arguments.format.output();
    if arguments.format.manifest().is_some() && !matches!(arguments.command, Command::Push(_)) {
        streams.note(FORMAT_OF_PUSH)?;
        return Ok(USAGE);
    }
    let timings = match arguments.timings {
        true => Timings::begin().map(Some),
        false => Ok(None),
    };
    let result = timings.and_then(|timings| {
        let result = execute(arguments, environment, streams);
        if let Some(timings) = timings {
            timings.report(format, streams)?;
        }
        result
    });
    let code = match result {
        Ok(code) => code,
        Err(failure) => {
            if let Some(error) = failure.broken_stream() {
                return Err(error);
            }
            if !matches!(failure, Failure::Reported) {
                streams.note(format_args!("layerhold: {failure}"))?;
            }
            1
        }
    };
    streams.flush()?;
    Ok(code)
}

/// Runs the command, and returns the exit code.
fn execute(
    arguments: Arguments,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<u8, Failure> {
    let format = arguments.format.output();
    match &arguments.command {
        Command::Config => {
            return configuration::run(format, environment, streams).map(|()| 0);
        }
        Command::Completions(completions) => {
            return completions::run(completions, streams).map(|()| 0);
        }
        Command::Login(login) => {
            return login::run(login, format, environment, streams).map(|()| 0);
        }
        Command::Tags(tags) => {
            return tags::run(tags, format, environment, streams).map(|()| 0);
        }
        Command::Inspect(args) if args.remote => {
            return inspect_remote::run(args, format, environment, streams).map(|()| 0);
        }
        Command::Logout(logout) => {
            return logout::run(logout, format, environment, streams).map(|()| 0);
        }
        _ => {}
    }
    let options = options(&arguments, environment)?;
    tell_ignored(&arguments, streams)?;
    if arguments.root.is_some() && !creates_store(&arguments.command) {
        must_exist(&options.graph_root)?;
    }
    let mut tell = |what: &str| best_effort(streams.note(format_args!("layerhold: {what}")));
    let entered = enter_if_needed(environment, &mut tell)?;
    let interruption = &environment.interruption;
    let options = options
        .with_driver_of_contents()
        .with_notices(notice)
        .with_cancel(interruption.cancel());
    let store = Store::open(options)?;
    // This starts a thread, and a process with several threads cannot enter a user namespace.
    match &arguments.command {
        Command::Pull(_)
        | Command::Load(_)
        | Command::Build(_)
        | Command::Commit(_)
        | Command::Import(_)
        | Command::Create(_)
        | Command::Rm(_)
        | Command::Gc(_) => {
            interruption.watch();
        }
        Command::Push(_) => interruption.watch_to_stop(),
        _ => {}
    }
    let show_progress = !arguments.quiet && streams.err_is_terminal();
    let mut call = Call {
        store: &store,
        entered,
        format,
        is_quiet: arguments.quiet,
        progress: progress::Bar::new(show_progress),
        interruption: interruption.clone(),
        streams,
    };
    let scratch = environment.scratch();
    let manifest = arguments.format.manifest();
    let done = match arguments.command {
        Command::Pull(args) => pull::run(&mut call, &args, environment, scratch),
        Command::Push(args) => push::run(&mut call, &args, manifest, environment, scratch),
        Command::Load(load) => load::run(&mut call, load, scratch),
        Command::Save(save) => save::run(&mut call, save, scratch),
        Command::Images(list) => list::images(&mut call, &list),
        Command::Layers(list) => list::layers(&mut call, &list),
        Command::Containers(list) => list::containers(&mut call, &list),
        Command::Tree(tree) => tree::run(&mut call, &tree),
        Command::Du(usage) => du::run(&mut call, &usage),
        Command::Inspect(items) => inspect::run(&mut call, &items),
        Command::Build(build) => build::build(&mut call, build, scratch),
        Command::Commit(commit) => build::commit(&mut call, commit, scratch),
        Command::Import(import) => build::import(&mut call, import, scratch),
        Command::Tag(tag) => tag::tag(&mut call, &tag),
        Command::Untag(untag) => tag::untag(&mut call, &untag),
        Command::History(history) => history::run(&mut call, &history),
        Command::Create(create) => create::run(&mut call, create),
        Command::Mount(mount) => return mount::mount(&mut call, &mount, environment),
        Command::Unmount(unmount) => mount::unmount(&mut call, &unmount),
        Command::Diff(diff) => diff::run(&mut call, diff),
        Command::Export(export) => export::run(&mut call, export),
        Command::Cp(copy) => cp::run(&mut call, &copy, environment),
        Command::Rm(remove) => remove::run(&mut call, &remove),
        Command::Gc(args) => gc::run(&mut call, &args),
        Command::Wipe(args) => wipe::run(&mut call, &args),
        Command::Dedup(dedup) => dedup::run(&mut call, &dedup),
        Command::Check(check) => check::check(&mut call, &check),
        Command::Repair(repair) => check::repair(&mut call, &repair),
        // These need no store and have run above.
        Command::Config
        | Command::Completions(_)
        | Command::Login(_)
        | Command::Logout(_)
        | Command::Tags(_) => Ok(()),
    };
    done.map(|()| 0)
}

/// Reports work that takes time and was not asked for. The command has no streams yet.
fn notice(notice: &Notice) {
    if let Notice::ErasingLeftovers { areas } = notice {
        let plural = if areas.len() == 1 { "" } else { "es" };
        say(&format!(
            "layerhold: erasing leftovers of {} killed process{plural}",
            areas.len()
        ));
    }
}

/// Reports driver options of the command line that have no effect. `config` reports those of the
/// configuration.
fn tell_ignored(arguments: &Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let mut given = StoreOptions::new("", "");
    given.driver_options.clone_from(&arguments.driver_option);
    for ignored in given.ignored() {
        let line = format_args!("layerhold: {ignored}");
        streams.note(line).map_err(stream)?;
    }
    Ok(())
}

/// Why a store is not opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot find a store at {}: `pull`, `load`, `build` and `import` create one", path.display())]
struct NoStore {
    path: PathBuf,
}

/// Whether a command may be the first one in a store.
fn creates_store(command: &Command) -> bool {
    matches!(
        command,
        Command::Pull(_) | Command::Load(_) | Command::Build(_) | Command::Import(_)
    )
}

/// Checks that the directory of the store exists: nothing is created at a mistyped path.
fn must_exist(path: &Path) -> Result<(), Failure> {
    match path.try_exists() {
        Ok(false) => Err(Failure::value(NoStore {
            path: path.to_owned(),
        })),
        // Opening the store reports other failures.
        _ => Ok(()),
    }
}

/// Flags that name a root replace the configuration; others override single settings.
fn options(arguments: &Arguments, environment: &Environment) -> Result<StoreOptions, Failure> {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let all = Given {
        graph_root: arguments.root.as_ref().map(text),
        run_root: arguments.runroot.as_ref().map(text),
        driver: arguments.driver.clone(),
        driver_options: arguments.driver_option.clone(),
        ..Given::default()
    };
    let roots = Given {
        graph_root: all.graph_root.clone(),
        run_root: all.run_root.clone(),
        ..Given::default()
    };
    let mut options = opening(&roots, &all, environment)?.options;
    if options.driver.is_none() {
        options.driver = environment.driver()?;
    }
    options.sync = arguments.sync.map(|sync| match sync {
        SyncChoice::None => SyncMode::None,
        SyncChoice::Filesystem => SyncMode::Filesystem,
    });
    Ok(options)
}
