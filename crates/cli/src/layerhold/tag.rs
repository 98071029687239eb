//! `layerhold tag` and `untag`.

use layerhold_oci::find_image;
use serde_json::json;

use super::args::{Tag, Untag};
use super::call::Call;
use super::find::known_name;
use super::names::complete_all;
use super::units::short;
use crate::failure::Failure;

pub(super) fn tag(call: &mut Call<'_, '_>, args: &Tag) -> Result<(), Failure> {
    let names = complete_all(&args.names).map_err(Failure::value)?;
    let snapshot = call.store.snapshot()?;
    let image = find_image(&snapshot, &args.image)?;
    let others: Vec<_> = snapshot
        .images()
        .filter(|other| other.id() != image.id())
        .collect();
    let taken_from = |name: &String| others.iter().find(|other| other.names().contains(name));
    call.store.add_names(image.id(), &names)?;
    if call.is_json() {
        let moved: Vec<_> = names
            .iter()
            .filter_map(|name| {
                Some(json!({ "name": name, "from": taken_from(name)?.id().as_str() }))
            })
            .collect();
        return call.json(&json!({ "id": image.id().as_str(), "names": names, "moved": moved }));
    }
    for name in &names {
        match taken_from(name) {
            Some(other) => {
                let other = short(other.id().as_str());
                call.line(format_args!("{name} (moved from image {other})"))?;
            }
            None => call.line(name)?,
        }
    }
    Ok(())
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
    let mut gone: Vec<String> = Vec::new();
    for text in &args.names {
        let name = known_name(&image, text).ok_or_else(|| {
            Failure::value(NotItsName {
                name: text.clone(),
                names: image.names().to_vec(),
            })
        })?;
        if !gone.contains(&name) {
            gone.push(name);
        }
    }
    if args.names.is_empty() {
        gone = image.names().to_vec();
    }
    call.store.remove_names(image.id(), &gone)?;
    let left: Vec<&String> = image
        .names()
        .iter()
        .filter(|name| !gone.contains(name))
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
