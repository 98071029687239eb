//! Makes an image of this machine's own files, as an OCI layout, with GNU tar, gzip and sha256sum:
//! without our code.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::sha256;
use crate::Result;
use crate::files::{visit_files, write_list};
use crate::shell::{capture, find, program};

/// About the size of a distribution's base image with a few tools.
const FILES: usize = 16_000;
const BYTES: u64 = 220_000_000;
const SOURCES: [&str; 3] = ["/usr/share", "/usr/lib", "/usr/bin"];
/// Larger files would leave no room for many.
const LARGEST: u64 = 4 << 20;

/// Makes the layout in `layout`, with `work` for intermediate files.
pub(super) fn pack(layout: &Path, work: &Path) -> Result {
    let failed = |error: std::io::Error| format!("{}: {error}", layout.display());
    fs::create_dir_all(layout.join("blobs/sha256")).map_err(failed)?;
    let first = first_layer(work)?;
    let second = second_layer(work)?;
    let layers = [add_layer(layout, &first)?, add_layer(layout, &second)?];
    let diff_ids: Vec<&String> = layers.iter().map(|(_, diff_id)| diff_id).collect();
    let config = json!({
        "created": "2024-05-06T07:08:09Z",
        "architecture": architecture(),
        "os": "linux",
        "config": { "Cmd": ["/bin/sh"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [{ "created_by": "this machine's files" }, { "created_by": "a change" }],
    });
    let config = add_json(layout, &config, "application/vnd.oci.image.config.v1+json")?;
    let descriptors: Vec<&Value> = layers.iter().map(|(descriptor, _)| descriptor).collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": descriptors,
    });
    let mut manifest = add_json(
        layout,
        &manifest,
        "application/vnd.oci.image.manifest.v1+json",
    )?;
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": super::NAME });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(layout.join("index.json"), index.to_string()).map_err(failed)?;
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .map_err(failed)
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Files of the machine, and one of each kind that is easily mishandled.
fn first_layer(work: &Path) -> Result<PathBuf> {
    let list = work.join("files.list");
    write_list(&list, &machine_files()?)?;
    let odd = work.join("odd");
    make_odd_files(&odd)?;
    let archive = work.join("first.tar");
    let mut tar = tar(&archive);
    tar.args([
        "--transform=s,^/,,",
        "--absolute-names",
        "--no-recursion",
        "--null",
        "--files-from",
    ])
    .arg(&list);
    // These are not in the list; directories include their contents.
    tar.args(["--recursion", "-C"]).arg(&odd).arg("odd");
    capture(&mut tar)?;
    Ok(archive)
}

/// The result of a build step: an entry deleted, one replaced, a directory emptied and refilled.
fn second_layer(work: &Path) -> Result<PathBuf> {
    let change = work.join("change");
    let odd = change.join("odd");
    let failed = |error: std::io::Error| format!("{}: {error}", odd.display());
    fs::create_dir_all(odd.join("emptied")).map_err(failed)?;
    fs::write(odd.join(".wh.gone"), "").map_err(failed)?;
    fs::write(odd.join("replaced"), "the second layer's\n").map_err(failed)?;
    fs::write(odd.join("emptied/.wh..wh..opq"), "").map_err(failed)?;
    fs::write(odd.join("emptied/new"), "only this is left\n").map_err(failed)?;
    let archive = work.join("second.tar");
    capture(tar(&archive).arg("-C").arg(&change).arg("odd"))?;
    Ok(archive)
}

fn tar(archive: &Path) -> std::process::Command {
    let mut tar = program("tar");
    tar.args([
        "--create",
        "--format=pax",
        "--pax-option=delete=atime,delete=ctime",
        "--owner=0",
        "--group=0",
    ]);
    tar.args([
        "--sort=name",
        "--xattrs",
        "--xattrs-include=user.*",
        "--file",
    ])
    .arg(archive);
    tar
}

fn machine_files() -> Result<Vec<PathBuf>> {
    let (mut chosen, mut sum) = (Vec::new(), 0);
    visit_files(&SOURCES, &mut |path, size| {
        if size <= LARGEST && sum + size <= BYTES && File::open(path).is_ok() {
            sum += size;
            chosen.push(path.to_owned());
        }
        chosen.len() < FILES
    })?;
    Ok(chosen)
}

fn make_odd_files(place: &Path) -> Result {
    let odd = place.join("odd");
    let at = |name: &str| odd.join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", odd.display());
    fs::create_dir_all(at("emptied")).map_err(failed)?;
    for (name, content) in [
        ("hello", "hello\n"),
        ("gone", "x"),
        ("replaced", "the first layer's\n"),
        ("emptied/old", "x"),
    ] {
        fs::write(at(name), content).map_err(failed)?;
    }
    fs::hard_link(at("hello"), at("hello-again")).map_err(failed)?;
    symlink("hello", at("link")).map_err(failed)?;
    symlink("/etc/../nowhere", at("dangling")).map_err(failed)?;
    fs::write(at("setuid"), "#!/bin/sh\n").map_err(failed)?;
    fs::set_permissions(at("setuid"), fs::Permissions::from_mode(0o4755)).map_err(failed)?;
    let deep = at(&["long-directory-name"; 8].join("/"));
    fs::create_dir_all(&deep).map_err(failed)?;
    fs::write(deep.join("n".repeat(200)), "long\n").map_err(failed)?;
    if find("setfattr").is_some() {
        // Some filesystems have no attributes; the rest of the image is still useful.
        drop(capture(
            program("setfattr")
                .args(["-n", "user.colour", "-v", "green"])
                .arg(at("hello")),
        ));
    }
    Ok(())
}

/// Compresses a layer into the layout; returns its descriptor and the digest of the archive.
fn add_layer(layout: &Path, archive: &Path) -> Result<(Value, String)> {
    let diff_id = sha256(archive)?;
    capture(
        program("gzip")
            .args(["--no-name", "--fast", "--force"])
            .arg(archive),
    )?;
    let compressed = archive.with_extension("tar.gz");
    let descriptor = add_blob(
        layout,
        &compressed,
        "application/vnd.oci.image.layer.v1.tar+gzip",
    )?;
    Ok((descriptor, diff_id))
}

fn add_json(layout: &Path, value: &Value, media_type: &str) -> Result<Value> {
    let file = layout.join("blobs/json");
    fs::write(&file, value.to_string()).map_err(|error| format!("{}: {error}", file.display()))?;
    add_blob(layout, &file, media_type)
}

fn add_blob(layout: &Path, file: &Path, media_type: &str) -> Result<Value> {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let digest = sha256(file)?;
    let size = fs::metadata(file).map_err(failed)?.len();
    fs::rename(file, super::blob(layout, &digest)).map_err(failed)?;
    Ok(json!({ "mediaType": media_type, "digest": digest, "size": size }))
}
