//! What both programs do around their command line.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use crate::dropin::Streams;
use crate::environment::Environment;

/// A command line: arguments, environment and streams in, exit code out.
type CommandLine = fn(&[String], &Environment, &mut Streams<'_>) -> io::Result<u8>;

/// The size of the buffer of standard output.
const BUFFER: usize = 64 * 1024;

/// Runs a command line with the arguments, environment and streams of this process.
pub fn main(run: CommandLine) -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let environment = Environment {
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        directory: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        user: layerhold_sys::effective_user(),
    };
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let mut err = io::stderr();
    let mut streams = Streams {
        out: &mut out,
        err: &mut err,
        input: Box::new(io::stdin()),
    };
    let code = run(&arguments, &environment, &mut streams);
    match code.and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        // Nobody reads any more: say nothing, and do not succeed.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            let _ignored = writeln!(io::stderr(), "standard output: {error}");
            ExitCode::FAILURE
        }
    }
}
