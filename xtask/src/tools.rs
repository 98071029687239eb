//! Tools that a command needs besides Rust: installed when they are missing, and announced before.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{capture_text, cargo, find, step};
use crate::{Result, setup};

/// A tool of crates.io.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The name of its package and of its program.
    pub(crate) name: &'static str,
    /// What it is for, and how long building it takes.
    pub(crate) about: &'static str,
}

/// Installs the tool if it is missing. Building it without optimisation takes less time than the
/// tool ever needs to run.
pub(crate) fn ensure(tool: &Tool) -> Result {
    if find(tool.name).is_some() || cargo_home().join("bin").join(tool.name).is_file() {
        return Ok(());
    }
    eprintln!("Installing {}: {}.", tool.name, tool.about);
    step(cargo().args(["install", tool.name, "--locked", "--debug", "--quiet"]))
}

/// The directory of the LLVM programs that fit the compiler. Gets them from rustup, or from the
/// packages of the system, if they are missing.
pub(crate) fn llvm_programs() -> Result<PathBuf> {
    let sysroot = capture_text(Command::new("rustc").args(["--print", "sysroot"]))?;
    let about = capture_text(Command::new("rustc").arg("-vV"))?;
    let field = |name: &str| {
        let line = about.lines().find_map(|line| line.strip_prefix(name));
        line.ok_or(format!("rustc -vV has no {name}"))
    };
    let host = field("host: ")?;
    let of_rust = PathBuf::from(sysroot.trim())
        .join("lib/rustlib")
        .join(host)
        .join("bin");
    let has_programs = |directory: &PathBuf| directory.join("llvm-profdata").is_file();
    if has_programs(&of_rust) {
        return Ok(of_rust);
    }
    // Profiles are read by the LLVM that wrote them, and by later ones.
    let version = field("LLVM version: ")?;
    let version = version.split('.').next().unwrap_or(version);
    let of_system = PathBuf::from(format!("/usr/lib/llvm-{version}/bin"));
    if has_programs(&of_system) {
        return Ok(of_system);
    }
    if find("rustup").is_some() {
        eprintln!("Installing llvm-tools, a component of Rust; less than a minute.");
        if step(Command::new("rustup").args(["component", "add", "llvm-tools"])).is_ok()
            && has_programs(&of_rust)
        {
            return Ok(of_rust);
        }
    }
    setup::install(
        &format!("llvm-{version}"),
        "llvm-profdata and llvm-cov; about a minute",
    )?;
    match has_programs(&of_system) {
        true => Ok(of_system),
        false => Err(format!("{} has no llvm-profdata", of_system.display())),
    }
}

fn cargo_home() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    cargo_home.or_else(home).unwrap_or_default()
}
