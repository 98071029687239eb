//! `cargo xtask coverage`: which lines the tests run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Result;
use crate::args::Args;
use crate::shell::{capture, cargo, project, show};
use crate::tools::llvm_programs;

pub(crate) const HELP: &str = "
Usage: cargo xtask coverage [CRATE] [--files] [--html DIR] [-- ARGUMENTS OF CARGO TEST]

Runs the tests of a crate, or of all, and shows how many lines of each crate they ran, the programs that tests start included.
Needs LLVM's programs in the version of the compiler: if they are missing they are installed from rustup, or else from the
packages of the system. The build has a directory of its own, target/coverage; the first one takes about 5 minutes on two
cores.

  CRATE       only the tests of this package, such as layerhold-archive
  --files     a line for each file
  --html DIR  also write pages with the source
";

pub(crate) fn run(mut args: Args) -> Result {
    let html = args.value::<PathBuf>("--html")?;
    let files = args.flag("--files");
    let name = args.word();
    let rest = args.rest();
    args.end()?;
    let llvm = llvm_programs()?;
    let place = project().join("target/coverage");
    let profiles = place.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles).map_err(|error| failed(&profiles, &error))?;
    }
    fs::create_dir_all(&profiles).map_err(|error| failed(&profiles, &error))?;

    let objects = build(&place, name.as_deref())?;
    let tested = instrumented(&place, "test", name.as_deref())
        .args(rest)
        .status();
    let tested = tested.map_err(|error| format!("cannot start cargo test: {error}"))?;
    let profile = place.join("all.profdata");
    merge(&llvm, &profiles, &profile)?;
    let report = report(&llvm, &profile, &objects)?;
    println!("\n{}", table(&report, files));
    if let Some(directory) = html {
        let mut show = Command::new(llvm.join("llvm-cov"));
        show.args(["show", "--format=html", "--output-dir"])
            .arg(&directory);
        capture(with_objects(&mut show, &profile, &objects))?;
        println!("Pages are in {}.", directory.display());
    }
    match tested.success() {
        true => Ok(()),
        false => Err(format!(
            "tests failed ({tested}), so the figures are too low"
        )),
    }
}

/// A command of cargo that builds and runs with counters.
fn instrumented(place: &Path, command: &str, name: Option<&str>) -> Command {
    let mut cargo = cargo();
    cargo.args([command, "--locked", "--no-fail-fast"]);
    match name {
        Some(name) => cargo.args(["--package", name]),
        None => cargo.args([
            "--workspace",
            "--exclude",
            "xtask",
            "--exclude",
            "layerhold-benches",
        ]),
    };
    cargo
        .args(["--lib", "--bins", "--tests", "--examples"])
        .env("CARGO_TARGET_DIR", place)
        .env("RUSTFLAGS", "-Cinstrument-coverage")
        // A file for each program (%m), shared by its processes.
        .env("LLVM_PROFILE_FILE", place.join("profiles/%m.profraw"));
    cargo
}

/// Builds the tests; returns them and the programs that they start.
fn build(place: &Path, name: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut command = instrumented(place, "test", name);
    command.args(["--no-run", "--message-format=json-render-diagnostics"]);
    eprintln!("\n$ {}", show(&command));
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("failed ({}): {}", output.status, show(&command)));
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    Ok(messages
        .filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .collect())
}

fn merge(llvm: &Path, profiles: &Path, profile: &Path) -> Result {
    let entries = fs::read_dir(profiles).map_err(|error| failed(profiles, &error))?;
    let mut merge = Command::new(llvm.join("llvm-profdata"));
    // A killed process leaves a torn profile, which says nothing.
    merge
        .args(["merge", "-sparse", "-failure-mode=all", "-o"])
        .arg(profile);
    merge.args(entries.flatten().map(|entry| entry.path()));
    capture(&mut merge).map(drop)
}

/// Lines of a file or crate.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Lines {
    all: u64,
    run: u64,
}

fn report(llvm: &Path, profile: &Path, objects: &[PathBuf]) -> Result<BTreeMap<String, Lines>> {
    let mut export = Command::new(llvm.join("llvm-cov"));
    export.args(["export", "--summary-only", "--format=text"]);
    let text = capture(with_objects(&mut export, profile, objects))?;
    let report: Value =
        serde_json::from_slice(&text).map_err(|error| format!("llvm-cov export: {error}"))?;
    Ok(read_report(&report, &project().join("crates")))
}

fn with_objects<'a>(
    command: &'a mut Command,
    profile: &Path,
    objects: &[PathBuf],
) -> &'a mut Command {
    command.arg(format!("--instr-profile={}", profile.display()));
    command.arg("--ignore-filename-regex=/(tests|examples|registry|rustc|testkit|drivertest)/");
    for object in objects {
        command.arg("--object").arg(object);
    }
    command
}

/// The lines of each file below `crates`, with the path from there.
fn read_report(report: &Value, crates: &Path) -> BTreeMap<String, Lines> {
    let files = report["data"][0]["files"].as_array().into_iter().flatten();
    files
        .filter_map(|file| {
            let path = Path::new(file["filename"].as_str()?);
            let path = path.strip_prefix(crates).ok()?;
            let lines = &file["summary"]["lines"];
            let lines = Lines {
                all: lines["count"].as_u64()?,
                run: lines["covered"].as_u64()?,
            };
            Some((path.display().to_string(), lines))
        })
        .collect()
}

fn table(report: &BTreeMap<String, Lines>, files: bool) -> String {
    let mut rows: BTreeMap<&str, Lines> = BTreeMap::new();
    let mut sum = Lines::default();
    for (path, lines) in report {
        let name = match files {
            true => path,
            false => path.split('/').next().unwrap_or(path),
        };
        for row in [rows.entry(name).or_default(), &mut sum] {
            row.all += lines.all;
            row.run += lines.run;
        }
    }
    let mut text = String::from("| | Lines | Not run | Run |\n|---|---:|---:|---:|\n");
    for (name, lines) in rows.into_iter().chain([("all", sum)]) {
        let share = 100.0 * lines.run as f64 / lines.all.max(1) as f64;
        let missed = lines.all - lines.run;
        text.push_str(&format!(
            "| {name} | {} | {missed} | {share:.1} % |\n",
            lines.all
        ));
    }
    text
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_summed_by_crate() {
        let file = |name: &str, count: u64, covered: u64| {
            serde_json::json!({
                "filename": format!("/p/crates/{name}"),
                "summary": { "lines": { "count": count, "covered": covered } },
            })
        };
        let files = [
            file("ids/src/a.rs", 10, 5),
            file("ids/src/b.rs", 10, 10),
            file("sys/src/c.rs", 20, 20),
        ];
        let report = serde_json::json!({ "data": [{ "files": files }] });
        let report = read_report(&report, Path::new("/p/crates"));
        let text = table(&report, false);
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| ids | 20 | 5 | 75.0 % |",
                "| sys | 20 | 0 | 100.0 % |",
                "| all | 40 | 5 | 87.5 % |"
            ]
        );
    }
}
