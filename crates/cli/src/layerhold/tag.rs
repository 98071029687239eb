//! `layerhold tag` and `untag`.

use std::collections::{HashMap, HashSet};

use layerhold::Snapshot;
use layerhold_ids::{ImageId, dedupe_names};
use layerhold_oci::{find_image, names_meant};
use serde_json::json;

use super::args::{Tag, Untag};
use super::call::Call;
use super::names::complete_all;
use super::units::short;
use crate::failure::Failure;

pub(super) fn tag(call: &mut Call<'_, '_>, args: &Tag) -> Result<(), Failure> {
    let names = complete_all(&args.names).map_err(Failure::value)?;
    let snapshot = call.store.snapshot()?;
    let image = find_image(&snapshot, &args.image)?;
    let holders = holders(&snapshot, &names);
    let taken_from = |name: &String| holders.get(name).filter(|holder| *holder != image.id());
    call.store.add_names(image.id(), &names)?;
    if call.is_json() {
        let moved: Vec<_> = names
            .iter()
            .filter_map(|name| Some(json!({ "name": name, "from": taken_from(name)?.as_str() })))
            .collect();
        return call.json(&json!({ "id": image.id().as_str(), "names": names, "moved": moved }));
    }
    for name in &names {
        match taken_from(name) {
            Some(other) => {
                let other = short(other.as_str());
                call.line(format_args!("{name} (moved from image {other})"))?;
            }
            None => call.line(name)?,
        }
    }
    Ok(())
}

/// The images that have the names now.
fn holders(snapshot: &Snapshot, names: &[String]) -> HashMap<String, ImageId> {
    let names: HashSet<&String> = names.iter().collect();
    let mut holders = HashMap::new();
    for image in snapshot.images() {
        for name in image.names().iter().filter(|name| names.contains(name)) {
            let holder = holders.entry(name.clone());
            holder.or_insert_with(|| image.id().clone());
        }
    }
    holders
}

/// Why no name is removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove the name {name:?}: it is not a name of this image, whose names are: {}", names.join(", "))]
struct NotItsName {
    name: String,
    names: Vec<String>,
}

pub(super) fn untag(call: &mut Call<'_, '_>, args: &Untag) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    let image = find_image(&snapshot, &args.image)?;
    let known: HashSet<&String> = image.names().iter().collect();
    let full_name = |text: &String| {
        let name = match known.contains(text) {
            true => Some(text.clone()),
            false => names_meant(text).find(|name| known.contains(name)),
        };
        name.ok_or_else(|| {
            Failure::value(NotItsName {
                name: text.clone(),
                names: image.names().to_vec(),
            })
        })
    };
    let gone = match args.names.as_slice() {
        [] => image.names().to_vec(),
        names => {
            let names = names.iter().map(full_name);
            dedupe_names(names.collect::<Result<Vec<_>, _>>()?)
        }
    };
    call.store.remove_names(image.id(), &gone)?;
    let removed: HashSet<&String> = gone.iter().collect();
    let left: Vec<&String> = image
        .names()
        .iter()
        .filter(|name| !removed.contains(name))
        .collect();
    let id = image.id().as_str();
    if call.is_json() {
        return call.json(&json!({ "id": id, "removed": gone, "names": left }));
    }
    for name in &gone {
        call.line(format_args!("name {name}"))?;
    }
    if left.is_empty() {
        let id = short(id);
        call.note(format_args!(
            "layerhold: image {id} has no name now: `tag {id} NAME` gives it one, `rm {id}` removes it"
        ))?;
    }
    Ok(())
}
