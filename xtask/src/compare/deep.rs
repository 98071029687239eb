//! Chains of layers, copies and deletions.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Plan;
use super::data::{Layer, Layers};
use super::measure::{Contestant, Sample, Step, repeated, timed, touch_memory};
use super::rows::{FIRST, TOUCHED_MIB, Workload, row, store};
use super::scratch::Scratch;
use super::table::Row;
use crate::Result;
use crate::shell::{capture, program};

pub(super) const ALL: &[Workload] = &[
    Workload::new("create-layer, 100 in a chain", |plan, _, name| {
        chain(plan, name)
    }),
    Workload::new("mount, 100 deep", |plan, layers, name| {
        top(plan, layers, name, |command| {
            let mount = command(&["mount", TOP]);
            Step::new(mount).after(command(&["unmount", TOP]))
        })
    }),
    Workload::new("unmount, 100 deep", |plan, layers, name| {
        top(plan, layers, name, |command| {
            let unmount = command(&["unmount", TOP]);
            Step::new(unmount).before(command(&["mount", TOP]))
        })
    }),
    Workload::new("changes, 100 deep", |plan, layers, name| {
        top(plan, layers, name, |command| {
            Step::new(command(&["changes", TOP]))
        })
    }),
    Workload::new("diffsize, 100 deep", |plan, layers, name| {
        top(plan, layers, name, |command| {
            Step::new(command(&["diffsize", TOP]))
        })
    }),
    Workload::new("diff, 100 deep", |plan, layers, name| {
        top(plan, layers, name, |command| {
            Step::new(command(&["diff", "-u", TOP]))
        })
    }),
    Workload::new("vfs child of the small layer", |plan, layers, name| {
        child(plan, &layers.small, name)
    }),
    Workload::new("delete the small layer", |plan, layers, name| {
        delete(plan, &layers.small, name)
    }),
];

const DEPTH: usize = 100;
/// The layer on top of the chain.
const TOP: &str = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

fn id(number: usize) -> String {
    format!("{:064x}", 0xabc000 + number)
}

/// Creates layers, each on the one before.
fn chain(plan: &Plan, name: &str) -> Result<Row> {
    let one = |who, binary: &Path| -> Contestant<'_> {
        let binary = binary.to_owned();
        let run = move |purpose| -> Result<Sample> {
            let scratch = Scratch::fresh(&plan.work)?;
            repeated(DEPTH as u32, purpose, |number| {
                let number = number as usize;
                let mut create = store(&binary, plan.driver, &[], scratch.path());
                create.args(["create-layer", "-i", &id(number)]);
                if number > 0 {
                    // The run that counts system calls is the only one of its round.
                    let parent = scratch
                        .path()
                        .join("g")
                        .join(plan.driver)
                        .join(id(number - 1));
                    create.args(parent.exists().then(|| id(number - 1)));
                }
                Step::new(create)
            })
        };
        Contestant::new(who, run)
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours),
        one("peer", &plan.contestants.peer),
    ];
    Ok(row(name, plan, contestants))
}

/// A step at the top of a chain.
type AtTop = fn(&dyn Fn(&[&str]) -> Command) -> Step;

/// Measures a command on 2,000 files on top of 100 layers, in one store that the peer made.
fn top(plan: &Plan, layers: &Layers, name: &str, step: AtTop) -> Result<Row> {
    let scratch = Scratch::fresh(&plan.work)?;
    let at = scratch.path();
    let peer = || store(&plan.contestants.peer, plan.driver, &[], at);
    for number in 0..DEPTH {
        let mut create = peer();
        create.args(["create-layer", "-i", &id(number)]);
        let parent = number.checked_sub(1).map(id);
        capture(create.args(parent))?;
    }
    let mut import = peer();
    import
        .args(["import-layer", "-i", TOP, "-f"])
        .arg(&layers.deep.plain);
    capture(import.arg(id(DEPTH - 1)))?;
    let one = |who, binary: &Path| -> Contestant<'_> {
        let binary = binary.to_owned();
        let run = move |purpose| {
            let command = |words: &[&str]| {
                let mut command = store(&binary, plan.driver, &[], at);
                command.args(words);
                command
            };
            repeated(10, purpose, |_| step(&command))
        };
        Contestant::new(who, run)
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours),
        one("peer", &plan.contestants.peer),
    ];
    Ok(row(name, plan, contestants))
}

/// Creates a layer of vfs on a large one, which is a copy; the limit is `cp -a`.
fn child(plan: &Plan, layer: &Layer, name: &str) -> Result<Row> {
    let imported = |driver: &'static str| -> Result<Scratch> {
        let scratch = Scratch::fresh(&plan.work)?;
        let mut import = store(&plan.contestants.peer, driver, &[], scratch.path());
        capture(
            import
                .args(["import-layer", "-i", FIRST, "-f"])
                .arg(&layer.plain),
        )?;
        touch_memory(TOUCHED_MIB);
        Ok(scratch)
    };
    let one = |who, binary: &Path, extra: &'static [&'static str]| -> Contestant<'_> {
        let binary = binary.to_owned();
        let run = move |purpose| {
            let scratch = imported("vfs")?;
            let mut create = store(&binary, "vfs", extra, scratch.path());
            timed(create.args(["create-layer", "-i", TOP, FIRST]), 0, purpose)
        };
        Contestant::new(who, run)
    };
    let limit = move |purpose| {
        let scratch = imported("vfs")?;
        let mut copy = program("cp");
        let directories = scratch.path().join("g/vfs/dir");
        copy.arg("-a")
            .arg(directories.join(FIRST))
            .arg(directories.join("copy"));
        timed(&copy, 0, purpose)
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours, plan.without_sync()),
        one("durable", &plan.contestants.ours, &[]),
        one("peer", &plan.contestants.peer, &[]),
        Contestant::new("limit", limit),
    ];
    Ok(row(name, plan, contestants))
}

/// Deletes a large layer; the limit is `rm -rf`.
fn delete(plan: &Plan, layer: &Layer, name: &str) -> Result<Row> {
    let imported = move || -> Result<Scratch> {
        let scratch = Scratch::fresh(&plan.work)?;
        let mut import = store(&plan.contestants.peer, plan.driver, &[], scratch.path());
        capture(
            import
                .args(["import-layer", "-i", FIRST, "-f"])
                .arg(&layer.plain),
        )?;
        Ok(scratch)
    };
    let one = |who, binary: &Path| -> Contestant<'_> {
        let binary = binary.to_owned();
        let run = move |purpose| {
            let scratch = imported()?;
            let mut delete = store(&binary, plan.driver, &[], scratch.path());
            let sample = timed(delete.args(["delete-layer", FIRST]), 0, purpose)?;
            match fs::exists(plan.contents(scratch.path(), FIRST)) {
                Ok(false) => Ok(sample),
                _ => Err("WRONG RESULT: the layer is still there".to_owned()),
            }
        };
        Contestant::new(who, run)
    };
    let limit = move |purpose| {
        let scratch = imported()?;
        let mut remove = program("rm");
        remove.arg("-rf").arg(plan.contents(scratch.path(), FIRST));
        timed(&remove, 0, purpose)
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours),
        one("peer", &plan.contestants.peer),
        Contestant::new("limit", limit),
    ];
    Ok(row(name, plan, contestants))
}
