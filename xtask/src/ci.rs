//! `cargo xtask ci`: all checks of CI. `.ci/run` sets the machine up first.

use std::time::Instant;

use crate::args::Args;
use crate::shell::{cargo, cargo_test, find, project, step, target_directory};
use crate::{Result, deps, examples, package, references, words};

pub(crate) const HELP: &str = "
Usage: cargo xtask ci

Runs, in this order: formatting, lints, the map of crates, the wording, references of the documentation, licences
and versions of dependencies, the tests, the examples, the checked-in inputs of the fuzz targets, the documentation, each crate
alone, and the packages. With CI=true, no test may be skipped.
`.ci/run` does the same after installing what the tests need.
";

pub(crate) fn run(args: Args) -> Result {
    args.end()?;
    let start = Instant::now();
    step(cargo().args(["fmt", "--all", "--check"]))?;
    // `--all-targets` includes tests, examples and benches, so that they keep compiling.
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
    eprintln!("\n$ cargo xtask references");
    references::check()?;
    dependencies()?;
    step(
        cargo_test()
            .args(["--workspace", "--locked"])
            .env("CI", "true"),
    )?;
    eprintln!("\n$ cargo xtask examples");
    examples::check()?;
    fuzz_inputs()?;
    documentation()?;
    each_alone()?;
    eprintln!("\n$ cargo xtask package");
    package::check("check")?;
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
    // The advisory database needs the network, and a new advisory must not stop unrelated work.
    if let Err(why) = step(cargo().args(["deny", "--log-level", "error", "check", "advisories"])) {
        eprintln!("advisories not checked or not clean, which does not fail this run: {why}");
    }
    Ok(())
}

/// Runs the fuzz targets as ordinary tests, with seeds and past findings.
fn fuzz_inputs() -> Result {
    let manifest = project().join("fuzz/Cargo.toml");
    step(
        cargo()
            .args(["fmt", "--check", "--manifest-path"])
            .arg(&manifest),
    )?;
    // One directory for both workspaces, so that nothing that they share is built twice.
    let target = target_directory()?;
    let mut command = cargo();
    command.env("CARGO_TARGET_DIR", &target);
    command.args([
        "clippy",
        "--locked",
        "--no-default-features",
        "--all-targets",
        "--manifest-path",
    ]);
    step(command.arg(&manifest).args(["--", "-D", "warnings"]))?;
    let mut command = cargo();
    command.env("CARGO_TARGET_DIR", &target);
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
    // Libraries only: the pages of the binary `layerhold` would overwrite those of the library with
    // that name.
    command.args(["doc", "--workspace", "--no-deps", "--lib", "--locked"]);
    step(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Builds every crate alone, so that none depends on features that another crate turns on, and
/// those with features without any.
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
    for name in deps::published_crates_with_features()? {
        let mut command = cargo();
        command.args(["check", "--quiet", "--locked", "--all-targets"]);
        step(command.args(["--no-default-features", "--package", &name]))?;
    }
    // Without any driver, and with one: the store says which feature is missing.
    for features in ["", "vfs"] {
        step(cargo().args([
            "test",
            "--quiet",
            "--locked",
            "--lib",
            "--package=layerhold",
            "--no-default-features",
            "--features",
            features,
            "engine::",
        ]))?;
    }
    each_codec()
}

/// Builds and tests the crate with the codecs with each of them alone.
fn each_codec() -> Result {
    for features in ["", "bzip2", "xz", "zstd"] {
        let mut command = cargo();
        command.args([
            "test",
            "--quiet",
            "--locked",
            "--package",
            "layerhold-archive",
        ]);
        command.args(["--no-default-features", "--features", features]);
        // The codecs and the imports; the other tests are the same with all features.
        step(command.args(["--", "codec", "pipeline"]))?;
    }
    Ok(())
}
