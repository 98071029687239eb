//! The workloads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Plan;
use super::data::{self, Layer, Layers};
use super::measure::{Contestant, Outcome, Sample, repeated, rounds, timed, touch_memory};
use super::pulls;
use super::scratch::Scratch;
use super::table::{Row, head};
use crate::Result;
use crate::shell::{capture, capture_text, find, program};

/// The names that `--only` matches.
pub(super) const NAMES: [&str; 9] = [
    "import small plain",
    "import small gzip",
    "import small zstd",
    "import big plain",
    "import big gzip",
    "diff first",
    "diff second",
    "exists 1 layer",
    "exists many layers",
];

/// Memory touched before each import: about as much as page cache and process take.
pub(super) const TOUCHED_MIB: usize = 1200;
/// Switches our durability off, for a fair comparison: the peer never syncs contents.
const WITHOUT_SYNC: &[&str] = &["--storage-opt", "sync=none"];

pub(super) fn run(plan: &Plan) -> Result {
    let wanted = |name: &str| plan.only.as_deref().is_none_or(|only| name.contains(only));
    let layers = data::prepare(&plan.work, plan.sizes)?;
    println!(
        "small: {}; big: {}; {} layers; {} rounds; vfs on ext4",
        layers.small.about, layers.big.about, plan.sizes.layers, plan.rounds
    );
    println!("peer: {}\n", plan.contestants.peer.display());
    println!("{}", head());
    let mut details = Vec::new();
    let names = NAMES.into_iter().chain(pulls::NAMES);
    for name in names.filter(|name| wanted(name)) {
        let row = measure(plan, &layers, name)?;
        println!("{}", row.markdown());
        details.extend(row.details(plan.samples));
    }
    println!();
    details.iter().for_each(|line| println!("{line}"));
    if details.iter().any(|line| line.contains("FAILED")) {
        return Err("a contestant failed".to_owned());
    }
    Ok(())
}

fn measure(plan: &Plan, layers: &Layers, name: &str) -> Result<Row> {
    match name {
        "import small plain" => import(plan, name, &layers.small, &layers.small.plain, "cat"),
        "import small gzip" => import(plan, name, &layers.small, &layers.small.gzip, "gzip -dc"),
        "import small zstd" => import(plan, name, &layers.small, &layers.small.zstd, "zstd -dcq"),
        "import big plain" => import(plan, name, &layers.big, &layers.big.plain, "cat"),
        "import big gzip" => import(plan, name, &layers.big, &layers.big.gzip, "gzip -dc"),
        "diff first" => diff(plan, name, layers, Which::First),
        "diff second" => diff(plan, name, layers, Which::Second),
        "exists 1 layer" => exists(plan, name, 1),
        "exists many layers" => exists(plan, name, plan.sizes.layers),
        _ => pulls::pull(plan, name),
    }
}

pub(super) fn row(name: &str, plan: &Plan, mut contestants: Vec<Contestant<'_>>) -> Row {
    let mut outcomes = rounds(&mut contestants, plan.rounds);
    let mut take = |who: &str| -> Option<Outcome> {
        let at = contestants
            .iter()
            .position(|contestant| contestant.name == who)?;
        Some(std::mem::replace(&mut outcomes[at], Ok(Vec::new())))
    };
    let missing = || Err("did not take part".to_owned());
    Row {
        name: name.to_owned(),
        ours: take("ours").unwrap_or_else(missing),
        durable: take("durable"),
        peer: take("peer").unwrap_or_else(missing),
        limit: take("limit").unwrap_or_else(missing),
    }
}

/// The command line of a contestant for the store below `at`.
fn store(binary: &Path, extra: &[&str], at: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("-g")
        .arg(at.join("g"))
        .arg("-R")
        .arg(at.join("r"))
        .args(["-s", "vfs"])
        .args(extra);
    command
}

const FIRST: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222222222222222222222222222";

fn import(
    plan: &Plan,
    name: &str,
    layer: &Layer,
    archive: &Path,
    unpack: &'static str,
) -> Result<Row> {
    let one = |who, binary: &PathBuf, extra: &'static [&'static str]| -> Contestant<'_> {
        let binary = binary.clone();
        Contestant {
            name: who,
            run: Box::new(move || {
                let scratch = Scratch::fresh(&plan.work)?;
                touch_memory(TOUCHED_MIB);
                let mut command = store(&binary, extra, scratch.path());
                command
                    .args(["import-layer", "-i", FIRST, "-f"])
                    .arg(archive);
                let sample = timed(&command, 0)?;
                check_digest(scratch.path(), &layer.diff_id)?;
                Ok(sample)
            }),
        }
    };
    // The peer compared with itself, which must give ratios near 1, has no such option.
    let without_sync = if plan.contestants.ours == plan.contestants.peer {
        &[]
    } else {
        WITHOUT_SYNC
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours, without_sync),
        one("durable", &plan.contestants.ours, &[]),
        one("peer", &plan.contestants.peer, &[]),
        Contestant {
            name: "limit",
            run: Box::new(move || import_limit(plan, archive, unpack)),
        },
    ];
    Ok(row(name, plan, contestants))
}

/// `tar -x` beside the digests that an import computes, on all cores.
fn import_limit(plan: &Plan, archive: &Path, unpack: &str) -> Result<Sample> {
    let scratch = Scratch::fresh(&plan.work)?;
    touch_memory(TOUCHED_MIB);
    // The sha256sum of coreutils does not use the processor's instructions, so it sets no lower
    // limit.
    let sum = if find("openssl").is_some() {
        "openssl dgst -sha256"
    } else {
        "sha256sum"
    };
    let script = if unpack == "cat" {
        format!("{sum} \"$1\" >/dev/null & tar -xf \"$1\" -C \"$2\"; code=$?; wait; exit $code")
    } else {
        format!(
            "{sum} \"$1\" >/dev/null & {unpack} \"$1\" | tee >({sum} >/dev/null) | tar -xf - -C \"$2\"; \
             code=$?; wait; exit $code"
        )
    };
    let mut command = program("bash");
    command
        .args(["-c", &script, "limit"])
        .arg(archive)
        .arg(scratch.path());
    timed(&command, 0)
}

/// The record must contain the digest that `sha256sum` computes.
fn check_digest(at: &Path, expected: &str) -> Result {
    let path = at.join("g/vfs-layers/layers.json");
    let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let records: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let found = records[0]["diff-digest"].as_str().unwrap_or_default();
    if found == expected {
        Ok(())
    } else {
        Err(format!("WRONG RESULT: diff-digest {found}, not {expected}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    First,
    Second,
}

/// Exports a layer from a store of two: the small files, and the big ones on top of them.
fn diff(plan: &Plan, name: &str, layers: &Layers, which: Which) -> Result<Row> {
    let scratch = Scratch::fresh(&plan.work)?;
    let peer = &plan.contestants.peer;
    let at = scratch.path();
    capture(
        store(peer, &[], at)
            .args(["import-layer", "-i", FIRST, "-f"])
            .arg(&layers.small.plain),
    )?;
    capture(
        store(peer, &[], at)
            .args(["import-layer", "-i", SECOND, "-f"])
            .arg(&layers.big.plain)
            .arg(FIRST),
    )?;
    let (id, layer) = match which {
        Which::First => (FIRST, &layers.small),
        Which::Second => (SECOND, &layers.big),
    };
    let one = |who, binary: &PathBuf| -> Contestant<'_> {
        let binary = binary.clone();
        let mut checked = false;
        Contestant {
            name: who,
            run: Box::new(move || {
                let mut command = store(&binary, &[], at);
                command.args(["diff", "-u", id]);
                if !std::mem::replace(&mut checked, true) {
                    check_bytes(&command, &layer.diff_id)?;
                }
                timed(&command, 0)
            }),
        }
    };
    let listed = plan.work.join("limit.list");
    list_contents(&at.join("g/vfs/dir").join(id), &layer.plain, &listed)?;
    let limit = move || {
        let mut command = program("bash");
        command
            .args(["-c", "xargs -0 cat < \"$1\" >/dev/null", "limit"])
            .arg(&listed);
        timed(&command, 0)
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours),
        one("peer", peer),
        Contestant {
            name: "limit",
            run: Box::new(limit),
        },
    ];
    Ok(row(name, plan, contestants))
}

fn check_bytes(command: &Command, expected: &str) -> Result {
    let mut hash = program("bash");
    hash.args(["-o", "pipefail", "-c", "\"$@\" | sha256sum", "hash"]);
    let text = capture_text(hash.arg(command.get_program()).args(command.get_args()))?;
    let found = format!(
        "sha256:{}",
        text.split_whitespace().next().unwrap_or_default()
    );
    if found == expected {
        Ok(())
    } else {
        Err(format!("WRONG RESULT: {found}, not {expected}"))
    }
}

/// Lists the files of one layer inside its full tree, for a limit that reads only those.
fn list_contents(tree: &Path, archive: &Path, list: &Path) -> Result {
    let names = capture_text(program("tar").arg("-tf").arg(archive))?;
    let files = names.lines().filter(|name| !name.ends_with('/'));
    let text: String = files
        .map(|name| format!("{}\0", tree.join(name).display()))
        .collect();
    fs::write(list, text).map_err(|error| format!("{}: {error}", list.display()))
}

fn exists(plan: &Plan, name: &str, layers: usize) -> Result<Row> {
    let scratch = Scratch::fresh(&plan.work)?;
    let at = scratch.path();
    let last = synthesize(&plan.contestants.peer, at, layers)?;
    // Long enough to time, short enough to alternate often.
    let times = if layers > 100 { 5 } else { 40 };
    let one = |who, binary: &PathBuf| -> Contestant<'_> {
        let binary = binary.clone();
        let last = last.clone();
        Contestant {
            name: who,
            run: Box::new(move || {
                let mut command = store(&binary, &[], at);
                command.args(["exists", &last]);
                let peak_kib = timed(&command, 0)?.peak_kib;
                Ok(Sample {
                    peak_kib,
                    ..repeated(&mut command, 0, times)?
                })
            }),
        }
    };
    let json = at.join("g/vfs-layers/layers.json");
    let limit = move || repeated(program("cat").arg(&json), 0, times);
    let contestants = vec![
        one("ours", &plan.contestants.ours),
        one("peer", &plan.contestants.peer),
        Contestant {
            name: "limit",
            run: Box::new(limit),
        },
    ];
    Ok(row(name, plan, contestants))
}

/// Writes a store with that many layers, in the peer's form; returns the last one's ID.
fn synthesize(peer: &Path, at: &Path, layers: usize) -> Result<String> {
    capture(store(peer, &[], at).args(["create-layer", "-i", FIRST]))?;
    let id = |number: usize| format!("{number:064x}");
    let record = |number: usize| {
        // Chains of 10, as in images; the fields are as long as real ones.
        let parent = if number.is_multiple_of(10) {
            String::new()
        } else {
            format!(r#""parent":"{}","#, id(number - 1))
        };
        let digest = format!("{:064x}", number * 7 + 1);
        format!(
            r#"{{"id":"{}",{parent}"created":"2024-05-06T07:08:09.123456789Z","compressed-diff-digest":"sha256:{digest}","compressed-size":1234567,"diff-digest":"sha256:{digest}","diff-size":2345678,"compression":2,"uidset":[0],"gidset":[0]}}"#,
            id(number)
        )
    };
    let records: Vec<String> = (0..layers).map(record).collect();
    let directory = at.join("g/vfs-layers");
    let path = directory.join("layers.json");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(&directory).map_err(failed)?;
    fs::write(&path, format!("[{}]", records.join(","))).map_err(failed)?;
    // The peer checks whether the directories of some layers exist.
    for number in 0..layers {
        fs::create_dir_all(at.join("g/vfs/dir").join(id(number))).map_err(failed)?;
    }
    let last = id(layers - 1);
    capture(store(peer, &[], at).args(["exists", &last]))?;
    Ok(last)
}
