//! The entry point of both programs: from the process to a command line and back.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use layerhold::Privilege;
use layerhold_sys::{Cancel, CancellableReader, best_effort, raise_open_files};

use crate::environment::Environment;
use crate::failure::plain;
use crate::interruption::Interruption;
use crate::say::say;
use crate::streams::Streams;

/// A command line: arguments, environment and streams in, exit code out.
type CommandLine = fn(&[String], &Environment, &mut Streams<'_>) -> io::Result<u8>;

/// The size of the buffer of standard output. Larger pieces go past it.
const BUFFER: usize = 64 * 1024;

/// Runs a command line of a program with the arguments, environment and streams of this process.
/// Arguments that are not UTF-8 are refused, with `usage` as exit code: a replacement character
/// would name another file.
pub fn main(program: &'static str, run: CommandLine, usage: u8) -> ExitCode {
    // A check opens many files at once. If the kernel refuses to raise the limit, fewer are opened.
    let open_files = raise_open_files().ok();
    // A write beyond the limit of file sizes then fails, as on a full disk, instead of killing the
    // process.
    best_effort(layerhold_sys::let_large_writes_fail());
    let mut arguments = Vec::new();
    for argument in std::env::args_os() {
        match argument.into_string() {
            Ok(argument) => arguments.push(argument),
            Err(argument) => {
                let text = argument.to_string_lossy();
                say(&format!("cannot use an argument that is not UTF-8: {text}"));
                return ExitCode::from(usage);
            }
        }
    }
    let process = layerhold_config::Environment::of_process();
    let environment = Environment {
        interruption: Interruption::of(program),
        privilege: if process.is_rootless() {
            Privilege::UserNamespace
        } else {
            Privilege::Full
        },
        variables: process.variables,
        directory: process.directory,
        open_files,
        user: process.user,
        group: layerhold_sys::effective_group(),
    };
    let code = output().and_then(|file| {
        let mut out = BufWriter::with_capacity(BUFFER, file);
        let mut err = io::stderr();
        let mut streams =
            Streams::new(&mut out, &mut err, input(environment.interruption.cancel()))
                .on_terminals(io::stdout().is_terminal(), io::stderr().is_terminal());
        let code = run(&arguments, &environment, &mut streams)?;
        out.flush().map(|()| code)
    });
    if let Some(code) = environment.interruption.conclude(matches!(code, Ok(0))) {
        return ExitCode::from(code);
    }
    match code {
        Ok(code) => ExitCode::from(code),
        // The reader is gone: print nothing, and fail.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            say(&format!(
                "cannot write to standard output: {}",
                plain(&error)
            ));
            ExitCode::FAILURE
        }
    }
}

/// Standard output as a file: the standard library's own looks for lines in everything that
/// passes, archives included.
fn output() -> io::Result<File> {
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// Standard input as a file, for large reads without a copy in between.
fn input(cancel: Cancel) -> Box<dyn Read + Send> {
    match io::stdin().as_fd().try_clone_to_owned() {
        Ok(file) => Box::new(CancellableReader::new(File::from(file), cancel)),
        Err(_) => Box::new(io::stdin()),
    }
}
