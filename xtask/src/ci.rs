//! `cargo xtask ci`: what CI runs once `.ci/run` has set the machine up.

use std::time::Instant;

use crate::args::Args;
use crate::shell::{cargo, find, project, step};
use crate::{Result, deps, words};

pub(crate) const HELP: &str = "
Usage: cargo xtask ci

Runs, in this order: formatting, lints, the map of crates, the wording, licences and versions of dependencies, the
tests, the checked-in inputs of the fuzz targets, the documentation, and each crate alone. Tests may skip nothing
(CI=true).
`.ci/run` does the same after installing what the tests need.
";

pub(crate) fn run(args: Args) -> Result {
    args.end()?;
    let start = Instant::now();
    step(cargo().args(["fmt", "--all", "--check"]))?;
    // `--all-targets` compiles tests, examples and benches too, so that none of them rots.
    step(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    eprintln!("\n$ cargo xtask deps");
    deps::check()?;
    eprintln!("\n$ cargo xtask words");
    words::check()?;
    dependencies()?;
    step(
        cargo()
            .args(["test", "--workspace", "--locked"])
            .env("CI", "true"),
    )?;
    fuzz_inputs()?;
    documentation()?;
    each_alone()?;
    eprintln!(
        "\nAll checks passed in {:.0} s.",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn dependencies() -> Result {
    if find("cargo-deny").is_none() {
        return Err(
            "cargo-deny is missing; install it with: cargo install cargo-deny --locked --debug"
                .to_owned(),
        );
    }
    step(cargo().args([
        "deny",
        "--log-level",
        "error",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))?;
    // The advisory database is on the network, and a new advisory must not stop work that has
    // nothing to do with it.
    if let Err(why) = step(cargo().args(["deny", "--log-level", "error", "check", "advisories"])) {
        eprintln!("advisories not checked or not clean, which does not fail this run: {why}");
    }
    Ok(())
}

/// The fuzz targets as ordinary tests: seeds and past findings go through each of them once.
fn fuzz_inputs() -> Result {
    let manifest = project().join("fuzz/Cargo.toml");
    step(
        cargo()
            .args(["fmt", "--check", "--manifest-path"])
            .arg(&manifest),
    )?;
    let mut command = cargo();
    command.args([
        "clippy",
        "--locked",
        "--no-default-features",
        "--all-targets",
        "--manifest-path",
    ]);
    step(command.arg(&manifest).args(["--", "-D", "warnings"]))?;
    let mut command = cargo();
    command.args([
        "test",
        "--locked",
        "--no-default-features",
        "--manifest-path",
    ]);
    step(command.arg(manifest))
}

fn documentation() -> Result {
    let mut command = cargo();
    // Libraries only: the binary `layerhold` would overwrite the pages of the library of that name.
    command.args(["doc", "--workspace", "--no-deps", "--lib", "--locked"]);
    step(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Builds every crate by itself, so that none lives on features which only a neighbour turns on.
fn each_alone() -> Result {
    for name in deps::published_crates()? {
        step(cargo().args([
            "check",
            "--quiet",
            "--locked",
            "--all-targets",
            "--package",
            &name,
        ]))?;
    }
    Ok(())
}
