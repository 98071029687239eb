//! `layerhold rm` and `gc`.

use std::path::PathBuf;

use layerhold::{DeleteMode, Item, Snapshot, Unmounting};
use layerhold_ids::ContainerId;
use serde_json::json;

use super::args::Remove;
use super::call::Call;
use super::find::{find, name_of};
use super::units::short;
use crate::failure::Failure;
use crate::streams::shown;

pub(super) fn run(call: &mut Call<'_, '_>, args: &Remove) -> Result<(), Failure> {
    let mut failed = false;
    let mut removed = Vec::new();
    for text in &args.items {
        if call.interruption.is_asked() {
            failed = true;
            break;
        }
        // Each removal changes what the next one finds.
        let snapshot = call.store.snapshot()?;
        match remove(call, &snapshot, text, args.force) {
            Ok(ids) => removed.extend(ids),
            Err(failure) => {
                failed = true;
                call.complain(text, failure)?;
            }
        }
    }
    if call.is_json() {
        call.json(&json!(removed))?;
    } else {
        for line in removed {
            call.line(line)?;
        }
    }
    if failed {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}

/// Removes one item, or one of its names, and returns a line for each thing removed.
fn remove(
    call: &Call<'_, '_>,
    snapshot: &Snapshot,
    text: &str,
    force: bool,
) -> Result<Vec<String>, Failure> {
    let mut gone = Vec::new();
    match find(snapshot, text)? {
        Item::Container(container) => {
            remove_container(call, container.id(), force)?;
            gone.push(format!("container {}", container.id()));
        }
        Item::Image(image) => {
            if !force
                && image.names().len() > 1
                && let Some(name) = name_of(snapshot, &image, text)
            {
                let id = image.id();
                call.store.remove_names(id, std::slice::from_ref(&name))?;
                return Ok(vec![format!("name {name}")]);
            }
            if force {
                for container in snapshot.containers_of_image(image.id()) {
                    remove_container(call, container.id(), true)?;
                    gone.push(format!("container {}", container.id()));
                }
            }
            let layers = call.store.delete_image(image.id(), DeleteMode::Delete)?;
            gone.push(format!("image {}", image.id()));
            gone.extend(layers.iter().map(|layer| format!("layer {layer}")));
        }
        Item::Layer(layer) => {
            call.store.delete_layer(layer.id())?;
            gone.push(format!("layer {}", layer.id()));
        }
    }
    Ok(gone)
}

#[derive(Debug, thiserror::Error)]
#[error("cannot remove it while it is mounted: unmount it first, or use --force")]
struct StillMounted;

fn remove_container(call: &Call<'_, '_>, id: &ContainerId, force: bool) -> Result<(), Failure> {
    if call.store.mounted(id)? > 0 {
        if !force {
            return Err(Failure::value(StillMounted));
        }
        call.store.unmount(id, Unmounting::Force)?;
    }
    call.store.delete_container(id)?;
    Ok(())
}

pub(super) fn collect(call: &mut Call<'_, '_>, quarantine: bool) -> Result<(), Failure> {
    let report = call.store.garbage_collect(DeleteMode::Delete)?;
    let erased = match quarantine {
        true => call.store.erase_quarantine()?,
        false => Vec::new(),
    };
    let layers: Vec<String> = report.layers.iter().map(ToString::to_string).collect();
    let found = [
        (
            "containerDirs",
            "the directory of container",
            &report.container_dirs,
        ),
        ("imageDirs", "the directory of image", &report.image_dirs),
        ("layers", "the contents of layer", &layers),
        (
            "tarSplits",
            "the tar-split file of layer",
            &report.tar_splits,
        ),
        ("layerDirs", "the directory of layer", &report.layer_dirs),
    ];
    if call.is_json() {
        let fields = found.map(|(field, _, ids)| (field.to_owned(), json!(ids)));
        let mut fields: serde_json::Map<_, _> = fields.into_iter().collect();
        // JSON has no bytes, and a path may not be UTF-8.
        let texts = |paths: &[PathBuf]| {
            let texts = paths.iter().map(|path| path.to_string_lossy().into_owned());
            json!(texts.collect::<Vec<_>>())
        };
        let more = [
            ("temporaryFiles", texts(&report.temporary_files)),
            ("areas", texts(&report.areas)),
            ("quarantine", texts(&erased)),
        ];
        fields.extend(more.map(|(field, paths)| (field.to_owned(), paths)));
        return call.json(&serde_json::Value::Object(fields));
    }
    for (_, what, ids) in found {
        for id in ids {
            call.line(format_args!("removed {what} {}", short(id)))?;
        }
    }
    for path in &report.temporary_files {
        let path = shown(path);
        call.line(format_args!("removed {path}, left by an interrupted save"))?;
    }
    for area in &report.areas {
        call.line(format_args!(
            "removed leftovers of a killed process in {}",
            shown(area)
        ))?;
    }
    for path in &erased {
        let path = shown(path);
        call.line(format_args!(
            "removed damaged layers from the quarantine {path}"
        ))?;
    }
    Ok(())
}
