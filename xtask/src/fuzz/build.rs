//! Builds the fuzzer with the stable toolchain.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{capture_text, cargo, find, project, step};
use crate::{Result, setup};

/// What makes a program report the code that it reaches, and misuse of memory. These are the flags
/// of cargo-fuzz, whose other work is done here.
const FLAGS: [&str; 10] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg fuzzing",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Zsanitizer=address",
    "-Cdebug-assertions",
    "-Ccodegen-units=1",
];

/// The programs of the targets.
#[derive(Debug)]
pub(super) struct Fuzzer {
    programs: PathBuf,
    /// Where the targets make their files.
    scratch: Option<Scratch>,
}

impl Fuzzer {
    /// Builds the programs of these targets, and the one that makes seeds.
    pub(super) fn build(targets: &[String]) -> Result<Self> {
        if find("c++").is_none() {
            setup::install("g++", "the C++ compiler, for libFuzzer; about a minute")?;
        }
        let host = host()?;
        let target = project().join("fuzz/target");
        let programs = target.join(&host).join("release");
        if !programs.is_dir() {
            eprintln!("The first build of the fuzzer takes about 5 minutes on two cores.");
        }
        let mut command = cargo();
        command.args(["build", "--release", "--locked", "--target", &host]);
        command.args(["--bin", "seeds"]);
        for target in targets {
            command.args(["--bin", target]);
        }
        command.current_dir(project().join("fuzz"));
        command
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", FLAGS.join(" "));
        step(&mut command)?;
        let scratch = Scratch::create();
        Ok(Self { programs, scratch })
    }

    /// The program of a target.
    pub(super) fn command(&self, target: &str) -> Command {
        let mut command = Command::new(self.programs.join(target));
        command.current_dir(project().join("fuzz"));
        if let Some(scratch) = &self.scratch {
            command.env("LAYERHOLD_TEST_DIR", &scratch.0);
        }
        command
    }
}

/// A directory in memory: the targets mostly create and remove files. The fuzzer exits without
/// running destructors, so it is removed here.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Option<Self> {
        let place = PathBuf::from(format!("/dev/shm/layerhold-fuzz-{}", std::process::id()));
        let wanted = std::env::var_os("LAYERHOLD_TEST_DIR").is_none();
        (wanted && std::fs::create_dir(&place).is_ok()).then(|| Self(place))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(why) = std::fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {why}", self.0.display());
        }
    }
}

/// The name of this machine's platform. Given to cargo, it keeps the flags away from build scripts.
fn host() -> Result<String> {
    let text = capture_text(Command::new("rustc").arg("-vV"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.ok_or("rustc -vV names no host")?.to_owned())
}
