//! `layerhold rm`.

use layerhold::{DeleteMode, Item, Snapshot, Unmounting};
use layerhold_ids::ContainerId;
use serde_json::json;

use super::args::Remove;
use super::call::Call;
use super::find::{find, name_of};
use crate::failure::Failure;

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
