//! `cargo xtask bench`: the micro-benchmarks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::Result;
use crate::args::Args;
use crate::shell::{announce_build, cargo, last, target_directory};

pub(crate) const HELP: &str = "
Usage: cargo xtask bench [FILTER] [OPTIONS] [-- ARGUMENTS OF CRITERION]

Runs the criterion benchmarks in `benches/`. Results are kept in `target/criterion`, and each run is
compared with the last. Needs nothing but Rust; the first build takes about 3 minutes on two cores.
`cargo xtask compare` measures whole programs.

  --quick          fewer samples, for a rough result
  --save FILE      write the medians of this run to a file, as a baseline
  --against FILE   say what became slower than in such a file; fails if something did
  --tolerance N    percent that a benchmark may be slower (10)
";

pub(crate) fn run(mut args: Args) -> Result {
    let quick = args.flag("--quick");
    let save = args.value::<PathBuf>("--save")?;
    let against = args.value::<PathBuf>("--against")?;
    let tolerance = args.value::<f64>("--tolerance")?.unwrap_or(10.0);
    let filter = args.word();
    let rest = args.rest();
    args.end()?;
    // A baseline that cannot be read is said before minutes of work.
    let baseline = against.as_deref().map(read).transpose()?;
    announce_build(
        "release",
        "the benchmarks, with optimisation, in about 3 minutes",
    )?;
    let begin = SystemTime::now();
    let mut command = cargo();
    command.args(["bench", "--package", "layerhold-benches", "--benches", "--"]);
    command
        .args(quick.then_some("--quick"))
        .args(filter)
        .args(rest);
    last(&mut command)?;
    if save.is_none() && baseline.is_none() {
        return Ok(());
    }
    let now = results(&target_directory()?.join("criterion"), begin)?;
    if let Some(path) = save {
        write(&path, &now)?;
    }
    match baseline {
        Some(baseline) => compare(&baseline, &now, tolerance),
        None => Ok(()),
    }
}

/// Nanoseconds by the name of the benchmark.
type Medians = BTreeMap<String, f64>;

/// The medians that were written since a time.
fn results(criterion: &Path, since: SystemTime) -> Result<Medians> {
    let mut found = Medians::new();
    collect(criterion, since, &mut found)?;
    Ok(found)
}

fn collect(directory: &Path, since: SystemTime, found: &mut Medians) -> Result {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let estimates = directory.join("new/estimates.json");
    let is_new = fs::metadata(&estimates)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|modified| modified >= since);
    if is_new {
        let name = json(&directory.join("new/benchmark.json"))?;
        let median = json(&estimates)?["median"]["point_estimate"].as_f64();
        if let (Some(name), Some(median)) = (name["full_id"].as_str(), median) {
            found.insert(name.to_owned(), median);
        }
    }
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, since, found)?;
        }
    }
    Ok(())
}

fn json(path: &Path) -> Result<Value> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| failed(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(&error))
}

fn read(path: &Path) -> Result<Medians> {
    serde_json::from_value(json(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, medians: &Medians) -> Result {
    let text = serde_json::to_string_pretty(medians).map_err(|error| error.to_string())?;
    fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))
}

/// Prints what changed by more than the tolerance, and fails if something became slower.
fn compare(before: &Medians, now: &Medians, tolerance: f64) -> Result {
    let changes = changes(before, now, tolerance);
    println!(
        "\n{} benchmarks, {} changed by more than {tolerance} %",
        now.len(),
        changes.len()
    );
    for (name, ratio) in &changes {
        println!("  {name}: {ratio:.2} times the time before");
    }
    let slower = changes.iter().filter(|(_, ratio)| *ratio > 1.0).count();
    match slower {
        0 => Ok(()),
        slower => Err(format!("{slower} became slower")),
    }
}

/// The benchmarks that changed, with the new time in parts of the old one; the worst first.
fn changes<'a>(before: &Medians, now: &'a Medians, tolerance: f64) -> Vec<(&'a str, f64)> {
    let allowed = 1.0 + tolerance / 100.0;
    let mut changes: Vec<(&str, f64)> = now
        .iter()
        .filter_map(|(name, now)| Some((name.as_str(), now / before.get(name)?)))
        .filter(|(_, ratio)| *ratio > allowed || *ratio < 1.0 / allowed)
        .collect();
    changes.sort_by(|one, other| other.1.total_cmp(&one.1));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medians(all: &[(&str, f64)]) -> Medians {
        all.iter()
            .map(|(name, ns)| ((*name).to_owned(), *ns))
            .collect()
    }

    #[test]
    fn changes_beyond_the_tolerance_are_listed() {
        let before = medians(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("gone", 1.0)]);
        let now = medians(&[("a", 109.0), ("b", 130.0), ("c", 50.0), ("new", 1.0)]);
        assert_eq!(changes(&before, &now, 10.0), [("b", 1.3), ("c", 0.5)]);
        assert_eq!(changes(&before, &now, 200.0), []);
        assert_eq!(
            compare(&before, &now, 10.0),
            Err("1 became slower".to_owned())
        );
        assert_eq!(compare(&before, &before, 10.0), Ok(()));
    }

    #[test]
    fn only_new_results_count() {
        let scratch = std::env::temp_dir().join(format!("layerhold-bench-{}", std::process::id()));
        let new = scratch.join("group/one/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), r#"{"full_id":"group/one"}"#).unwrap();
        let estimates = r#"{"median":{"point_estimate":12.5}}"#;
        fs::write(new.join("estimates.json"), estimates).unwrap();
        let found = results(&scratch, SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(found, medians(&[("group/one", 12.5)]));
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(results(&scratch, later).unwrap(), Medians::new());
        fs::remove_dir_all(&scratch).unwrap();
    }
}
