//! `cargo xtask demo [IMAGE]`: takes an image through the store, step by step.

mod pack;
mod stage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use stage::Stage;

use crate::Result;
use crate::args::Args;
use crate::shell::{
    announce_build, capture, capture_text, cargo, find, is_root, program, project, step,
    target_directory,
};

pub(crate) const HELP: &str = "
Usage: cargo xtask demo [IMAGE] [--dir DIR] [--keep] [--no-build]

Takes an image through a new store and shows each command with its output, time and memory: loads, lists and mounts it,
changes it in a container, diffs and saves it, and compares the saved layers with the original ones. Needs no root and no
configuration; the store is in its own directory, on the overlay driver where it works there (as root), or else on vfs.

IMAGE is an OCI layout (a directory, or a tar of one) or a docker archive. By default, an image is made of about 16,000
files of this machine.

  --dir DIR      working directory, emptied first (target/demo)
  --driver NAME  overlay or vfs
  --keep         keep the store and the image
  --no-build     use the existing binary
";

/// The name of the image in the store.
const NAME: &str = "localhost/demo:latest";

pub(crate) fn run(mut args: Args) -> Result {
    let keep = args.flag("--keep");
    let build = !args.flag("--no-build");
    let driver = args.value::<String>("--driver")?;
    let place = args
        .value::<PathBuf>("--dir")?
        .unwrap_or_else(|| project().join("target/demo"));
    let image = args.word().map(PathBuf::from);
    args.end()?;

    let programs = target_directory()?.join("quick");
    if build {
        announce_build("quick", "the command line, about 100 crates, in 2 minutes")?;
        let options = [
            "build",
            "--profile=quick",
            "--locked",
            "--package=layerhold-cli",
        ];
        step(cargo().args(options).arg("--bin=layerhold"))?;
    }
    erase(&place)?;
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let outcome = show(&programs.join("layerhold"), &place, driver, image);
    if keep {
        println!("\nLeft in {}.", place.display());
    } else {
        erase(&place)?;
    }
    outcome
}

fn show(binary: &Path, place: &Path, driver: Option<String>, image: Option<PathBuf>) -> Result {
    let driver = driver.unwrap_or_else(|| best_driver(binary, place).to_owned());
    let mut stage = Stage::new(binary.to_owned(), place.to_owned(), driver.clone());
    stage.introduce();
    let image = match image {
        Some(image) => image,
        None => pack_one(&mut stage, place)?,
    };

    stage.say("Load the image: unpack each layer once, verify every digest, and make everything visible at once.");
    stage.run(&["load", "--name", NAME, &image.display().to_string()])?;
    stage.say("List images and layers, and show the tree of layers.");
    stage.run(&["images"])?;
    stage.run(&["layers"])?;
    stage.run(&["tree"])?;
    change_in_container(&mut stage, place)?;
    save_and_compare(&mut stage, place)?;
    ask_podman(&mut stage, place)?;

    stage.say("Remove the container and the image; nothing remains.");
    stage.run(&["rm", "box"])?;
    stage.run(&["rm", NAME])?;
    stage.run(&["gc"])?;
    let left = layers_left(place, &driver);
    if left != 0 {
        return Err(format!("{left} layers are left in the store"));
    }
    println!("\nDone: all digests match, and the store is empty again.");
    Ok(())
}

/// overlay, if an empty tree can be imported on it here; otherwise vfs, which works everywhere.
fn best_driver(binary: &Path, place: &Path) -> &'static str {
    let tree = place.join("probe/tree");
    let works = || -> Result {
        fs::create_dir_all(&tree).map_err(|error| format!("{}: {error}", tree.display()))?;
        let mut import = Command::new(binary);
        for (option, name) in [("--root", "probe/root"), ("--runroot", "probe/run")] {
            import.arg(option).arg(place.join(name));
        }
        capture(import.args(["--driver", "overlay", "import"]).arg(&tree)).map(drop)
    };
    match is_root() && works().is_ok() {
        true => "overlay",
        false => "vfs",
    }
}

/// Directories of layers that are still in the store.
fn layers_left(place: &Path, driver: &str) -> usize {
    let home = match driver {
        "overlay" => "root/overlay",
        _ => "root/vfs/dir",
    };
    let entries = fs::read_dir(place.join(home))
        .into_iter()
        .flatten()
        .flatten();
    // Names of layers have 64 characters; the driver has other files beside them.
    entries
        .filter(|entry| entry.file_name().len() == 64)
        .count()
}

fn pack_one(stage: &mut Stage, place: &Path) -> Result<PathBuf> {
    stage.say("Pack an image from this machine's own files, with GNU tar and gzip.");
    let layout = place.join("image");
    let start = Instant::now();
    pack::pack(&layout, place)?;
    let size = capture_text(program("du").args(["-sh"]).arg(&layout))?;
    println!("     {}", size.trim());
    println!("   → {:.1} s (not ours)", start.elapsed().as_secs_f64());
    Ok(layout)
}

fn change_in_container(stage: &mut Stage, place: &Path) -> Result {
    stage.say("Create a container, mount it, and change something in it.");
    stage.run(&["create", "--name", "box", NAME])?;
    let mounted = PathBuf::from(stage.run(&["mount", "box"])?.trim());
    let failed = |error: std::io::Error| format!("{}: {error}", mounted.display());
    fs::create_dir_all(mounted.join("srv/new")).map_err(failed)?;
    fs::write(mounted.join("srv/new/file"), "written in the container\n").map_err(failed)?;
    println!("   (a file is written to srv/new/file in it)");
    stage.say("Show the container's changes, as a list and as a layer.");
    let changes = stage.run(&["diff", "box"])?;
    if !changes.contains("srv/new/file") {
        return Err("the change is not in the list".to_owned());
    }
    let archive = place.join("change.tar");
    stage.run(&[
        "diff",
        "--tar",
        "--output",
        &archive.display().to_string(),
        "box",
    ])?;
    let names = capture_text(program("tar").arg("-tf").arg(&archive))?;
    stage::print_some(&names);
    stage.run(&["unmount", "box"])?;
    Ok(())
}

fn save_and_compare(stage: &mut Stage, place: &Path) -> Result {
    stage.say("Save the image, and compare it with the original.");
    let layout = place.join("saved");
    stage.run(&[
        "save",
        "--to",
        "oci",
        "--output",
        &layout.display().to_string(),
        NAME,
    ])?;
    let index = read_json(&layout.join("index.json"))?;
    let manifest = read_json(&blob(&layout, text(&index["manifests"][0]["digest"])))?;
    // The configuration is the image's identity and contains the digest of every uncompressed
    // layer.
    let config_digest = text(&manifest["config"]["digest"]);
    let config = blob(&layout, config_digest);
    same("configuration", &sha256(&config)?, config_digest)?;
    let config = read_json(&config)?;
    let expected = config["rootfs"]["diff_ids"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
    if expected.len() != layers.len() {
        return Err(format!(
            "{} layers came out instead of {}",
            layers.len(),
            expected.len()
        ));
    }
    for (number, (layer, expected)) in layers.iter().zip(&expected).enumerate() {
        let found = unpacked_sha256(
            &blob(&layout, text(&layer["digest"])),
            text(&layer["mediaType"]),
        )?;
        same(&format!("layer {}", number + 1), &found, text(expected))?;
    }
    Ok(())
}

/// Shows the same store in podman, if it is installed.
fn ask_podman(stage: &mut Stage, place: &Path) -> Result {
    if !is_root() || find("podman").is_none() {
        return Ok(());
    }
    stage.say("Use podman on the same store.");
    let mut podman = program("podman");
    podman
        .arg("--root")
        .arg(place.join("root"))
        .arg("--runroot")
        .arg(place.join("runroot"));
    podman.args([
        "--storage-driver",
        stage.driver(),
        "--events-backend",
        "none",
        "--cgroup-manager",
        "cgroupfs",
        "images",
    ]);
    println!("   $ podman … images");
    stage::print_some(&capture_text(&mut podman)?);
    Ok(())
}

fn same(what: &str, found: &str, expected: &str) -> Result {
    if found != expected {
        return Err(format!("{what}: {found} came out instead of {expected}"));
    }
    println!("     {what}: {expected}, the same as in the original");
    Ok(())
}

/// The digest of a layer's archive.
fn unpacked_sha256(file: &Path, media_type: &str) -> Result<String> {
    let unpack = if media_type.ends_with("gzip") {
        "gzip -dc"
    } else if media_type.ends_with("zstd") {
        "zstd -dcq"
    } else {
        "cat"
    };
    let script = format!("set -o pipefail; {unpack} \"$1\" | sha256sum");
    let text = capture_text(program("bash").args(["-c", &script, "unpack"]).arg(file))?;
    Ok(format!(
        "sha256:{}",
        text.split_whitespace().next().unwrap_or_default()
    ))
}

/// `sha256:…` of a file.
fn sha256(file: &Path) -> Result<String> {
    let text = capture_text(program("sha256sum").arg(file))?;
    Ok(format!(
        "sha256:{}",
        text.split_whitespace().next().unwrap_or_default()
    ))
}

/// The path of a digest in a layout.
fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replacen(':', "/", 1))
}

fn read_json(file: &Path) -> Result<Value> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", file.display()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Removes the leftovers of an earlier run. An unpacked tree may have directories that even their
/// owner may not enter.
fn erase(place: &Path) -> Result {
    if !place.exists() {
        return Ok(());
    }
    // The overlay driver makes its directory a mount of its own, which stays.
    for home in ["root/overlay", "probe/root/overlay"] {
        let home = place.join(home);
        if capture(program("mountpoint").arg("--quiet").arg(&home)).is_ok() {
            capture(program("umount").arg(&home))?;
        }
    }
    let place = place.display().to_string();
    capture_text(program("chmod").args(["-R", "u+rwX", &place]))
        .map(drop)
        .unwrap_or_default();
    capture_text(program("rm").args(["-rf", &place])).map(drop)
}
