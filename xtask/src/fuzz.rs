//! `cargo xtask fuzz`: builds the fuzzer with the stable toolchain, keeps a corpus for each target,
//! and shows what the targets reached.

mod build;
mod corpus;
mod session;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::args::Args;
use crate::shell::project;
use build::Fuzzer;
use corpus::Corpus;
use session::{Session, Told};

pub(crate) const HELP: &str = "
Usage: cargo xtask fuzz TARGET [--minutes N | --seconds N] [-- ARGUMENTS OF LIBFUZZER]
       cargo xtask fuzz --all [--minutes N | --seconds N] [--jobs N]
       cargo xtask fuzz TARGET --input FILE
       cargo xtask fuzz --list

Needs a C++ compiler, which is installed if that is possible (on Debian and its derivatives, as root), and nothing else: the
stable toolchain builds the fuzzer, with RUSTC_BOOTSTRAP=1 for this build alone. The first build takes about 5 minutes on two
cores, into fuzz/target.

Inputs that reach new code are kept in `$XDG_CACHE_HOME/layerhold/fuzz/TARGET` (by default in ~/.cache), outside of the
repository. Each run starts with them and with seeds made by code (fuzz/src/seeds.rs), and at its end keeps the smallest set
that reaches as much. A finding is written to fuzz/artifacts/TARGET, and is run again with --input. Once its cause is fixed it
belongs into fuzz/findings/TARGET, which every `cargo xtask ci` replays.

  --all         all targets, one after the other on each core; the time is shared between them
  --minutes N   duration of the whole run (10)
  --seconds N   duration in seconds
  --jobs N      how many targets run at once with --all (one for each core)
  --input FILE  run one input, such as a finding, and stop
  --list        list the targets
";

pub(crate) fn run(mut args: Args) -> Result {
    let minutes = args.value::<u64>("--minutes")?.unwrap_or(10);
    let seconds = args.value::<u64>("--seconds")?.unwrap_or(minutes * 60);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.value::<usize>("--jobs")?.unwrap_or(cores).max(1);
    let input = args.value::<PathBuf>("--input")?;
    let all = args.flag("--all");
    let list = args.flag("--list");
    let target = args.word();
    let rest = args.rest();
    args.end()?;

    let targets = targets()?;
    if list {
        targets.iter().for_each(|target| println!("{target}"));
        return Ok(());
    }
    if all {
        let share = share(seconds, targets.len(), jobs);
        return every_target(&targets, share, jobs);
    }
    let target = target.filter(|target| targets.contains(target));
    let target = target.ok_or_else(|| format!("which target? One of: {}", targets.join(", ")))?;
    match input {
        Some(input) => one_input(&target, &input),
        None => one_target(&target, Duration::from_secs(seconds), &rest),
    }
}

/// The time of one target, so that all of them together take `seconds`.
fn share(seconds: u64, targets: usize, jobs: usize) -> Duration {
    let rounds = targets.div_ceil(jobs.min(targets).max(1)).max(1);
    Duration::from_secs_f64(seconds as f64 / rounds as f64).max(Duration::from_secs(1))
}

fn one_input(target: &str, input: &std::path::Path) -> Result {
    let fuzzer = Fuzzer::build(&[target.to_owned()])?;
    crate::shell::last(fuzzer.command(target).arg(input))
}

fn one_target(target: &str, time: Duration, rest: &[String]) -> Result {
    let fuzzer = Fuzzer::build(&[target.to_owned()])?;
    let corpus = Corpus::open(target)?;
    let session = Session::new(&fuzzer, &corpus, time, rest);
    let told = session.run(true)?;
    finish(vec![told])
}

fn every_target(targets: &[String], time: Duration, jobs: usize) -> Result {
    let fuzzer = Fuzzer::build(targets)?;
    eprintln!(
        "\n{} targets for {:.0} s each, {jobs} at once",
        targets.len(),
        time.as_secs_f64()
    );
    let next = std::sync::Mutex::new(targets.iter());
    let told = std::sync::Mutex::new(Vec::new());
    let work = || -> Result {
        loop {
            let taken = next.lock().map_err(|_| "a job panicked")?.next();
            let Some(target) = taken else { return Ok(()) };
            let corpus = Corpus::open(target)?;
            let session = Session::new(&fuzzer, &corpus, time, &[]);
            let one = session.run(false)?;
            eprintln!("  {}", one.line());
            told.lock().map_err(|_| "a job panicked")?.push(one);
        }
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|job| job.join());
        let ended: Vec<Result> = ended
            .map(|job| job.unwrap_or_else(|_| Err("a job panicked".to_owned())))
            .collect();
        ended.into_iter().collect::<Result>()
    })?;
    let mut told = told.into_inner().map_err(|_| "a job panicked")?;
    told.sort_by_key(|one| targets.iter().position(|target| *target == one.target));
    finish(told)
}

/// Shows the table, and fails if anything was found.
fn finish(told: Vec<Told>) -> Result {
    println!("\n{}", table::render(&told));
    let found: Vec<String> = told
        .iter()
        .flat_map(|one| one.found.iter())
        .map(|file| {
            let short = file.strip_prefix(project()).unwrap_or(file);
            short.display().to_string()
        })
        .collect();
    let broken: Vec<&str> = told
        .iter()
        .filter(|one| !one.ended_well && one.found.is_empty())
        .map(|one| one.target.as_str())
        .collect();
    if !found.is_empty() {
        return Err(format!("found: {}", found.join(", ")));
    }
    if !broken.is_empty() {
        return Err(format!("stopped early: {}", broken.join(", ")));
    }
    Ok(())
}

/// The targets, which are the files of the fuzzer's binaries.
fn targets() -> Result<Vec<String>> {
    let directory = project().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_share_the_time() {
        assert_eq!(share(600, 14, 1), Duration::from_secs_f64(600.0 / 14.0));
        assert_eq!(share(700, 14, 2), Duration::from_secs(100));
        assert_eq!(share(60, 3, 8), Duration::from_secs(60));
        assert_eq!(share(0, 3, 1), Duration::from_secs(1));
    }
}
