//! Pulling from a registry on loopback, beside podman and skopeo.

use std::path::Path;
use std::process::Command;

use layerhold_testkit::image::{Image, Layer, MadeImage};
use layerhold_testkit::registry::Registry;

use super::data::Layers;
use super::measure::{Contestant, Purpose, Sample, timed, touch_memory};
use super::rows::{TOUCHED_MIB, Workload, row};
use super::scratch::Scratch;
use super::table::Row;
use super::{Plan, Sizes};
use crate::Result;
use crate::shell::program;

/// The workloads, each beside podman and beside skopeo.
pub(super) const ALL: &[Workload] = &[
    Workload::new("pull small files, podman", pull),
    Workload::new("pull small files, skopeo", pull),
    Workload::new("pull big files, podman", pull),
    Workload::new("pull big files, skopeo", pull),
    Workload::new("pull ten layers, podman", pull),
    Workload::new("pull ten layers, skopeo", pull),
];

/// The size of a small file.
const SMALL: u64 = 6 << 10;

/// Pulls an image into a new store on overlay.
fn pull(plan: &Plan, _layers: &Layers, name: &str) -> Result<Row> {
    let (image, peer) = match name.split_once(", ") {
        Some((work, peer)) => (image(work, plan.sizes), peer),
        None => return Err(format!("{name:?} is no workload")),
    };
    let made = image.make(&plan.work.join("made"));
    let registry = Registry::start();
    registry.add(&made, "app", "1");
    let reference = format!("{}/app:1", registry.address());
    let id = made
        .manifests()
        .first()
        .map(|manifest| manifest.config.digest.clone());
    let id = id.unwrap_or_default();
    let id = id.trim_start_matches("sha256:");
    let binary = plan.layerhold();
    let (binary, reference) = (&binary, &reference);
    let contestants = vec![
        contestant(plan, id, "ours", move |at| {
            layerhold(binary, at, &["--sync", "none"], reference)
        }),
        contestant(plan, id, "durable", move |at| {
            layerhold(binary, at, &[], reference)
        }),
        contestant(plan, id, "peer", move |at| match peer {
            "podman" => podman(at, reference),
            _ => skopeo(at, reference),
        }),
        Contestant::new("limit", |purpose| limit(plan, &made, purpose)),
    ];
    Ok(row(name, plan, contestants))
}

/// Pulls into a new filesystem, and checks that the image has this ID.
fn contestant<'a>(
    plan: &'a Plan,
    id: &'a str,
    name: &'static str,
    command: impl Fn(&Path) -> Command + 'a,
) -> Contestant<'a> {
    let run = move |purpose| -> Result<Sample> {
        let scratch = Scratch::fresh(&plan.work)?;
        touch_memory(TOUCHED_MIB);
        let sample = timed(&command(scratch.path()), 0, purpose)?;
        check_image(scratch.path(), id)?;
        Ok(sample)
    };
    Contestant::new(name, run)
}

fn image(work: &str, sizes: Sizes) -> Image {
    let files = sizes.files.div_ceil(2);
    match work {
        "pull small files" => Image::new().layer(Layer::files(files, SMALL)),
        "pull big files" => Image::new().layer(Layer::file(sizes.big_mb << 20)),
        _ => (0..10).fold(Image::new(), |image, _| {
            image.layer(Layer::files(files.div_ceil(10), SMALL))
        }),
    }
}

fn layerhold(binary: &Path, at: &Path, extra: &[&str], reference: &str) -> Command {
    let mut command = Command::new(binary);
    command.arg("--root").arg(at.join("g"));
    command.arg("--runroot").arg(at.join("r"));
    command.args(["--driver", "overlay"]).args(extra);
    command.args(["pull", "--quiet", "--tls-verify=false", reference]);
    command.env("TMPDIR", at);
    command
}

fn podman(at: &Path, reference: &str) -> Command {
    let mut command = program("podman");
    command.arg("--root").arg(at.join("g"));
    command.arg("--runroot").arg(at.join("r"));
    command.args(["--storage-driver", "overlay", "--events-backend", "none"]);
    command.args(["pull", "--quiet", "--tls-verify=false", reference]);
    command.env("TMPDIR", at);
    command
}

fn skopeo(at: &Path, reference: &str) -> Command {
    let mut command = program("skopeo");
    command.args([
        "--insecure-policy",
        "copy",
        "--quiet",
        "--src-tls-verify=false",
    ]);
    command.arg(format!("docker://{reference}"));
    let (graph, run) = (at.join("g"), at.join("r"));
    let place = format!("[overlay@{}+{}]", graph.display(), run.display());
    command.arg(format!("containers-storage:{place}{reference}"));
    command.env("TMPDIR", at);
    command
}

/// `tar -x` of each layer beside the digests that a pull computes, without any transfer.
fn limit(plan: &Plan, made: &MadeImage, purpose: Purpose) -> Result<Sample> {
    let scratch = Scratch::fresh(&plan.work)?;
    touch_memory(TOUCHED_MIB);
    let script = "at=$1; shift; for layer; do \
                  openssl dgst -sha256 \"$layer\" >/dev/null & \
                  gzip -dc \"$layer\" | tee >(openssl dgst -sha256 >/dev/null) | tar -xf - -C \"$at\"; \
                  wait; done";
    let mut command = program("bash");
    command.args(["-c", script, "limit"]).arg(scratch.path());
    for layer in made.layers() {
        command.arg(made.blob_file(&layer.descriptor.digest));
    }
    timed(&command, 0, purpose)
}

/// The store must have the image.
fn check_image(at: &Path, id: &str) -> Result {
    let path = at.join("g/overlay-images/images.json");
    let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let records: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    match records[0]["id"].as_str() {
        Some(found) if found == id => Ok(()),
        found => Err(format!("WRONG RESULT: image {found:?}, not {id}")),
    }
}
