//! Runs programs: shows them, times them, and reports failures.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::Result;

/// The project's top directory.
pub(crate) fn project() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The cargo that runs this command.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(project());
    command
}

/// `cargo test`, with the default signals. A shell that starts a command in the background may
/// ignore SIGINT and SIGQUIT, and nohup SIGHUP; programs inherit that, and tests that send these
/// signals would wait for ever.
pub(crate) fn cargo_test() -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(cargo().get_program());
    command.arg("test").current_dir(project());
    command
}

/// What cargo says about our packages.
pub(crate) fn metadata() -> Result<Value> {
    let mut command = cargo();
    let text = capture(command.args(["metadata", "--format-version=1", "--no-deps"]))?;
    serde_json::from_slice(&text).map_err(|error| format!("cargo metadata: {error}"))
}

/// The directory that cargo builds in.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata["target_directory"].as_str();
    Ok(target
        .ok_or("cargo metadata names no target directory")?
        .into())
}

/// Our build of the tool that is compared with Go's, with the profile `release`.
pub(crate) fn release_tool() -> Result<PathBuf> {
    Ok(target_directory()?.join("release/containers-storage"))
}

/// Says what a first build with this profile takes; later ones build only what changed.
pub(crate) fn announce_build(profile: &str, what: &str) -> Result {
    if !target_directory()?.join(profile).join("deps").is_dir() {
        eprintln!("Builds {what} on two cores; later runs build only what changed.");
    }
    Ok(())
}

/// A program, from the `PATH` or the administrator's directories.
pub(crate) fn program(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| name.into()))
}

/// Finds a program.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// Runs a step of a command: shows the command line before and the time after.
pub(crate) fn step(command: &mut Command) -> Result {
    let shown = show(command);
    eprintln!("\n$ {shown}");
    let start = Instant::now();
    let status = command
        .status()
        .map_err(|error| format!("cannot start {shown}: {error}"))?;
    if !status.success() {
        return Err(format!("failed ({status}): {shown}"));
    }
    eprintln!("  ({:.1} s)", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a program as the last step, without printing anything after it.
pub(crate) fn last(command: &mut Command) -> Result {
    let shown = show(command);
    eprintln!("\n$ {shown}");
    let status = command
        .status()
        .map_err(|error| format!("cannot start {shown}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("failed ({status}): {shown}"))
    }
}

/// Runs a program without showing it; returns its standard output, or its standard error as the
/// error.
pub(crate) fn capture(command: &mut Command) -> Result<Vec<u8>> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {shown}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "failed ({}): {shown}: {}",
        output.status,
        why.trim()
    ))
}

/// Like [`capture`], as text.
pub(crate) fn capture_text(command: &mut Command) -> Result<String> {
    String::from_utf8(capture(command)?).map_err(|error| format!("{}: {error}", show(command)))
}

/// The command line as it would be typed.
pub(crate) fn show(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    let words = words.map(quote);
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quote(value?))));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{word}'")
    }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of a process's proc directory is its effective user; std has no geteuid.
    std::fs::metadata("/proc/self").is_ok_and(|stat| stat.uid() == 0)
}
