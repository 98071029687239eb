//! Writes the manual pages of both programs into a directory: `cargo xtask man` runs this.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it writes a few files when a package is built"
)]

use std::error::Error;
use std::path::PathBuf;

use clap::CommandFactory;
use layerhold_cli::containers_storage;
use layerhold_cli::layerhold::args::Arguments;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or("which directory?")?;
    std::fs::create_dir_all(&directory)?;
    clap_mangen::generate_to(Arguments::command(), &directory)?;
    std::fs::write(
        directory.join("containers-storage.1"),
        containers_storage::manual(),
    )?;
    println!("{}", directory.display());
    Ok(())
}
