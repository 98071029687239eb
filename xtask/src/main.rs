//! `cargo xtask COMMAND`: the project's own commands, one file per command. Shared code is in
//! `args` and `shell`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a developer's tool: it prints, and works on the project's own files"
)]

mod args;
mod bench;
mod ci;
mod compare;
mod coverage;
mod cuts;
mod demo;
mod deps;
mod differential;
mod examples;
mod faults;
mod files;
mod floors;
mod fuzz;
mod man;
mod mutants;
mod package;
mod powercut;
mod references;
mod release;
mod setup;
mod shell;
mod test;
mod tools;
mod words;

use std::io::Write;
use std::process::ExitCode;

use args::Args;

/// The result of a command; the error is for the user.
type Result<T = ()> = std::result::Result<T, String>;

struct Command {
    name: &'static str,
    /// One line for the overview.
    about: &'static str,
    help: &'static str,
    run: fn(Args) -> Result,
}

const COMMANDS: [Command; 19] = [
    Command {
        name: "ci",
        about: "run all checks of CI",
        help: ci::HELP,
        run: ci::run,
    },
    Command {
        name: "test",
        about: "set the machine up and run all tests",
        help: test::HELP,
        run: test::run,
    },
    Command {
        name: "deps",
        about: "check the dependencies of crates and modules",
        help: deps::HELP,
        run: deps::run,
    },
    Command {
        name: "words",
        about: "find wording and comments that are hard to read",
        help: words::HELP,
        run: words::run,
    },
    Command {
        name: "references",
        about: "check the files and tests that the documentation names",
        help: references::HELP,
        run: references::run,
    },
    Command {
        name: "package",
        about: "pack every crate, and check that the packages stand alone",
        help: package::HELP,
        run: package::run,
    },
    Command {
        name: "examples",
        about: "run the examples, and check what they do",
        help: examples::HELP,
        run: examples::run,
    },
    Command {
        name: "release",
        about: "check what a release needs",
        help: release::HELP,
        run: release::run,
    },
    Command {
        name: "fuzz",
        about: "run one fuzz target, or all",
        help: fuzz::HELP,
        run: fuzz::run,
    },
    Command {
        name: "coverage",
        about: "show which lines the tests run",
        help: coverage::HELP,
        run: coverage::run,
    },
    Command {
        name: "mutants",
        about: "change the code, and see whether the tests notice",
        help: mutants::HELP,
        run: mutants::run,
    },
    Command {
        name: "bench",
        about: "run the micro-benchmarks",
        help: bench::HELP,
        run: bench::run,
    },
    Command {
        name: "demo",
        about: "take an image through a store and show each step",
        help: demo::HELP,
        run: demo::run,
    },
    Command {
        name: "man",
        about: "write the manual pages of both programs",
        help: man::HELP,
        run: man::run,
    },
    Command {
        name: "compare",
        about: "measure against Go's containers-storage",
        help: compare::HELP,
        run: compare::run,
    },
    Command {
        name: "differential",
        about: "run random commands through Go's tool and ours",
        help: differential::HELP,
        run: differential::run,
    },
    Command {
        name: "powercut",
        about: "simulate power cuts while a store is changed",
        help: powercut::HELP,
        run: powercut::run,
    },
    Command {
        name: "faults",
        about: "run Go's tool and ours on damaged stores",
        help: faults::HELP,
        run: faults::run,
    },
    Command {
        name: "cuts",
        about: "pull and push a gigabyte over connections that are cut",
        help: cuts::HELP,
        run: cuts::run,
    },
];

fn main() -> ExitCode {
    let mut args = Args::of_process();
    let Some(name) = args.word() else {
        overview();
        return if args.wants_help() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("xtask: there is no command {name}");
        overview();
        return ExitCode::from(2);
    };
    if args.wants_help() {
        // A reader of the first lines only may close the pipe, which is not an error.
        drop(writeln!(std::io::stdout(), "{}", command.help.trim()));
        return ExitCode::SUCCESS;
    }
    match (command.run)(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn overview() {
    println!("Usage: cargo xtask COMMAND [OPTIONS]\n");
    for command in &COMMANDS {
        println!("  {:<12} {}", command.name, command.about);
    }
    println!("\n`cargo xtask COMMAND --help` describes a command.");
}
