//! Images in and out as OCI layouts, beside skopeo.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Plan;
use super::data::Layer;
use super::measure::{Contestant, Sample, timed, touch_memory};
use super::rows::{TOUCHED_MIB, Workload, row};
use super::scratch::Scratch;
use super::table::Row;
use crate::Result;
use crate::shell::{capture, program};

pub(super) const ALL: &[Workload] = &[
    Workload::new("load a layout, small files", |plan, layers, name| {
        load(plan, &layers.small, name)
    }),
    Workload::new("load a layout, big files", |plan, layers, name| {
        load(plan, &layers.big, name)
    }),
    Workload::new("save with gzip, small files", |plan, layers, name| {
        save(plan, &layers.small, name)
    }),
    Workload::new("save with gzip, big files", |plan, layers, name| {
        save(plan, &layers.big, name)
    }),
];

const IMAGE: &str = "localhost/app:1";

/// A layout with one image of one layer with gzip, made once.
fn layout(plan: &Plan, layer: &Layer) -> Result<PathBuf> {
    let path = layer.plain.with_extension("layout");
    if path.join("index.json").is_file() {
        return Ok(path);
    }
    let scratch = Scratch::fresh(&plan.work)?;
    let at = scratch.path();
    capture(
        layerhold(plan, at, &[])
            .args(["build", "--name", IMAGE, "--layer"])
            .arg(&layer.plain),
    )?;
    let mut save = layerhold(plan, at, &[]);
    save.args(["save", "--to", "oci", "--compression", "gzip", "--output"]);
    capture(save.arg(&path).arg(IMAGE))?;
    Ok(path)
}

fn layerhold(plan: &Plan, at: &Path, extra: &[&str]) -> Command {
    let mut command = Command::new(plan.layerhold());
    command.arg("--root").arg(at.join("g"));
    command.arg("--runroot").arg(at.join("r"));
    command
        .args(["--driver", plan.driver])
        .args(extra)
        .env("TMPDIR", at);
    command
}

fn skopeo(at: &Path) -> Command {
    let mut command = program("skopeo");
    command
        .args(["--insecure-policy", "copy", "--quiet"])
        .env("TMPDIR", at);
    command
}

/// An image of a store, in skopeo's words.
fn stored(plan: &Plan, at: &Path) -> String {
    let (graph, run) = (at.join("g"), at.join("r"));
    let (graph, run) = (graph.display(), run.display());
    format!("containers-storage:[{}@{graph}+{run}]{IMAGE}", plan.driver)
}

fn load(plan: &Plan, layer: &Layer, name: &str) -> Result<Row> {
    let layout = &layout(plan, layer)?;
    let contestant = |name, command: Box<dyn Fn(&Path) -> Command>| {
        let run = move |purpose| -> Result<Sample> {
            let scratch = Scratch::fresh(&plan.work)?;
            touch_memory(TOUCHED_MIB);
            timed(&command(scratch.path()), 0, purpose)
        };
        Contestant::new(name, run)
    };
    let ours = |extra: &'static [&'static str]| {
        let layout = layout.clone();
        let plan = plan.clone();
        Box::new(move |at: &Path| {
            let mut command = layerhold(&plan, at, extra);
            command.args(["load", "--name", IMAGE]).arg(&layout);
            command
        })
    };
    let (theirs, about) = (layout.clone(), plan.clone());
    let contestants = vec![
        contestant("ours", ours(&["--sync", "none"])),
        contestant("durable", ours(&[])),
        contestant(
            "peer",
            Box::new(move |at| {
                let mut command = skopeo(at);
                command.arg(format!("oci:{}:{IMAGE}", theirs.display()));
                command.arg(stored(&about, at));
                command
            }),
        ),
    ];
    Ok(row(name, plan, contestants))
}

/// Saves out of one store.
fn save(plan: &Plan, layer: &Layer, name: &str) -> Result<Row> {
    let layout = layout(plan, layer)?;
    let scratch = Scratch::fresh(&plan.work)?;
    let at = scratch.path();
    let mut load = layerhold(plan, at, &[]);
    capture(load.args(["load", "--name", IMAGE]).arg(layout))?;
    let out = at.join("out");
    let contestant = |name, command: Command| {
        let out = out.clone();
        let run = move |purpose| -> Result<Sample> {
            drop(std::fs::remove_dir_all(&out));
            touch_memory(TOUCHED_MIB);
            timed(&command, 0, purpose)
        };
        Contestant::new(name, run)
    };
    let mut ours = layerhold(plan, at, &[]);
    ours.args(["save", "--to", "oci", "--compression", "gzip", "--output"]);
    ours.arg(&out).arg(IMAGE);
    let mut peer = skopeo(at);
    peer.args(["--dest-compress-format", "gzip", "--format", "oci"]);
    peer.arg(stored(plan, at))
        .arg(format!("oci:{}:{IMAGE}", out.display()));
    Ok(row(
        name,
        plan,
        vec![contestant("ours", ours), contestant("peer", peer)],
    ))
}
