//! Importing layers and exporting them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Plan;
use super::data::{Layer, Layers};
use super::measure::{Contestant, Purpose, Sample, timed, touch_memory};
use super::rows::{FIRST, SECOND, TOUCHED_MIB, Workload, row, store};
use super::scratch::Scratch;
use super::table::Row;
use crate::Result;
use crate::shell::{capture, capture_text, find, program};

pub(super) const ALL: &[Workload] = &[
    Workload::new("import small plain", |plan, layers, name| {
        import(plan, name, &layers.small, &layers.small.plain, "cat")
    }),
    Workload::new("import small gzip", |plan, layers, name| {
        import(plan, name, &layers.small, &layers.small.gzip, "gzip -dc")
    }),
    Workload::new("import small zstd", |plan, layers, name| {
        import(plan, name, &layers.small, &layers.small.zstd, "zstd -dcq")
    }),
    Workload::new("import big plain", |plan, layers, name| {
        import(plan, name, &layers.big, &layers.big.plain, "cat")
    }),
    Workload::new("import big gzip", |plan, layers, name| {
        import(plan, name, &layers.big, &layers.big.gzip, "gzip -dc")
    }),
    Workload::new("diff first", |plan, layers, name| {
        diff(plan, name, layers, Which::First)
    }),
    Workload::new("diff second", |plan, layers, name| {
        diff(plan, name, layers, Which::Second)
    }),
];

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
            run: Box::new(move |purpose| {
                let scratch = Scratch::fresh(&plan.work)?;
                touch_memory(TOUCHED_MIB);
                let mut command = store(&binary, plan.driver, extra, scratch.path());
                command
                    .args(["import-layer", "-i", FIRST, "-f"])
                    .arg(archive);
                let sample = timed(&command, 0, purpose)?;
                check_digest(plan, scratch.path(), &layer.diff_id)?;
                Ok(sample)
            }),
        }
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours, plan.without_sync()),
        one("durable", &plan.contestants.ours, &[]),
        one("peer", &plan.contestants.peer, &[]),
        Contestant {
            name: "limit",
            run: Box::new(move |purpose| import_limit(plan, archive, unpack, purpose)),
        },
    ];
    Ok(row(name, plan, contestants))
}

/// `tar -x` beside the digests that an import computes, on all cores.
fn import_limit(plan: &Plan, archive: &Path, unpack: &str, purpose: Purpose) -> Result<Sample> {
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
    timed(&command, 0, purpose)
}

/// The record must contain the digest that `sha256sum` computes.
fn check_digest(plan: &Plan, at: &Path, expected: &str) -> Result {
    let path = at.join(format!("g/{}-layers/layers.json", plan.driver));
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
        store(peer, plan.driver, &[], at)
            .args(["import-layer", "-i", FIRST, "-f"])
            .arg(&layers.small.plain),
    )?;
    capture(
        store(peer, plan.driver, &[], at)
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
            run: Box::new(move |purpose| {
                let mut command = store(&binary, plan.driver, &[], at);
                command.args(["diff", "-u", id]);
                if !std::mem::replace(&mut checked, true) {
                    check_bytes(&command, &layer.diff_id)?;
                }
                timed(&command, 0, purpose)
            }),
        }
    };
    let listed = plan.work.join("limit.list");
    list_contents(&plan.contents(at, id), &layer.plain, &listed)?;
    let limit = move |purpose| {
        let mut command = program("bash");
        command
            .args(["-c", "xargs -0 cat < \"$1\" >/dev/null", "limit"])
            .arg(&listed);
        timed(&command, 0, purpose)
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours),
        one("peer", peer),
        Contestant::new("limit", limit),
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
