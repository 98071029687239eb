//! `cargo xtask man`: writes the manual pages of both programs.

use std::path::PathBuf;

use crate::Result;
use crate::args::Args;
use crate::shell::{cargo, last, project};

pub(crate) const HELP: &str = "
Usage: cargo xtask man [--dir DIR]

Writes the manual pages of both programs, generated from their tables of commands. `man -l target/man/layerhold.1` shows
one. They are not part of the repository.

  --dir DIR   output directory (target/man)
";

pub(crate) fn run(mut args: Args) -> Result {
    let directory = args.value::<PathBuf>("--dir")?;
    args.end()?;
    let directory = directory.unwrap_or_else(|| project().join("target/man"));
    let directory = std::path::absolute(&directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--package=layerhold-cli", "--example=man"]);
    last(command.arg("--").arg(directory))
}
