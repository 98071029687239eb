//! What a copy of the disk is asked: what was reported is there, what is listed is whole, the next
//! command works.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use layerhold_testkit::run;
use serde_json::Value;

use super::fixtures::Fixtures;
use super::model::{Box_, Imported, State};
use super::store::Store;
use super::worker::Past;

/// What a store lists.
#[derive(Debug, PartialEq)]
struct Listed {
    layers: Vec<Value>,
    images: Vec<Value>,
    containers: Vec<Value>,
}

/// The states a worker's part may have.
pub(super) struct Possible {
    /// What was reported before the cut, and then each change that came after it or was not
    /// reported yet.
    states: Vec<(String, State)>,
}

impl Possible {
    /// From what the history was before the cut began and when it was done.
    pub(super) fn between(before: &Past, after: Past) -> Self {
        let Past { done, running } = after;
        let reported = before.done.len();
        let none = (String::from("nothing was done"), State::default());
        let first = match reported.checked_sub(1) {
            Some(last) => done.get(last).cloned().unwrap_or(none),
            None => none,
        };
        let later = done.into_iter().skip(reported).chain(running);
        Possible {
            states: std::iter::once(first).chain(later).collect(),
        }
    }
}

/// Judges a store after a cut.
pub(super) fn judge(
    store: &Store,
    fixtures: &Fixtures,
    possible: &[Possible],
    scratch: &Path,
) -> Result<(), String> {
    let listed = listed(store)?;
    for (worker, possible) in possible.iter().enumerate() {
        is_possible(&listed, worker, possible, fixtures)?;
    }
    belongs_together(&listed)?;
    store.layerhold(["gc"]).into_result()?;
    let after = self::listed(store)?;
    if after != listed {
        return Err(format!(
            "gc changed what is listed: {listed:?} to {after:?}"
        ));
    }
    is_whole(store)?;
    for layer in &listed.layers {
        has_its_bytes(store, layer, scratch)?;
    }
    for container in &listed.containers {
        can_be_mounted(store, text(container, "id"))?;
    }
    next_commands(store, fixtures)?;
    let after = self::listed(store)?;
    if after != listed {
        return Err(format!("the next commands left {after:?} of {listed:?}"));
    }
    is_whole(store)
}

fn listed(store: &Store) -> Result<Listed, String> {
    let mut layers = store.list("layers")?;
    for layer in &mut layers {
        // Only a mounted one has them, and they tell nothing here.
        if let Some(layer) = layer.as_object_mut() {
            drop(layer.remove("mountpoint"));
        }
    }
    Ok(Listed {
        layers,
        images: store.list("images")?,
        containers: store.list("containers")?,
    })
}

/// A worker's part of the store as it is now.
pub(super) fn part_of(store: &Store, worker: usize, fixtures: &Fixtures) -> Result<State, String> {
    Ok(of_worker(&listed(store)?, worker, fixtures))
}

fn is_possible(
    listed: &Listed,
    worker: usize,
    possible: &Possible,
    fixtures: &Fixtures,
) -> Result<(), String> {
    let found = of_worker(listed, worker, fixtures);
    if possible.states.iter().any(|(_, state)| *state == found) {
        return Ok(());
    }
    let wanted: Vec<String> = possible
        .states
        .iter()
        .map(|(command, state)| format!("after {command}\n  {state:?}"))
        .collect();
    Err(format!(
        "worker {worker} finds\n  {found:?}\nand not what it was\n{}",
        wanted.join("\nor\n")
    ))
}

/// The part of a store that is a worker's.
fn of_worker(listed: &Listed, worker: usize, fixtures: &Fixtures) -> State {
    let supply = &fixtures.workers[worker];
    let owns = |id: &str| id.starts_with(&format!("{:x}", 10 + worker));
    let mut state = State::default();
    for image in &listed.images {
        let id = text(image, "id");
        if supply.images.iter().any(|own| own.id == id) {
            drop(state.images.insert(id.to_owned(), words(&image["names"])));
        }
    }
    for container in &listed.containers {
        let id = text(container, "id");
        if id.starts_with(&format!("{:x}00000000", 10 + worker)) && owns(id) {
            let one = Box_ {
                image: text(container, "image").to_owned(),
                names: words(&container["names"]),
                data: words(&container["big-data-names"]),
            };
            drop(state.containers.insert(id.to_owned(), one));
        }
    }
    let digests: BTreeSet<_> = supply.digests().collect();
    for layer in &listed.layers {
        let (id, digest) = (text(layer, "id"), text(layer, "diff-digest").to_owned());
        if digests.contains(&digest) {
            state.digests.insert(digest.clone());
        }
        if supply.layers.iter().any(|own| own.digest == digest) {
            let parent = text(layer, "parent").to_owned();
            state
                .imported
                .insert(id.to_owned(), Imported { digest, parent });
        }
    }
    state
}

/// Every layer has its parent, every image and container its layer, and no layer is left that only
/// a container could have.
fn belongs_together(listed: &Listed) -> Result<(), String> {
    let layers: BTreeMap<&str, &Value> = listed
        .layers
        .iter()
        .map(|layer| (text(layer, "id"), layer))
        .collect();
    let mut used = BTreeSet::new();
    let mut needs = |what: &str, user: &Value, key: &str| {
        let layer = text(user, key);
        if !layer.is_empty() && !layers.contains_key(layer) {
            return Err(format!("{what} {} has no {key}", text(user, "id")));
        }
        used.insert(layer.to_owned());
        Ok(())
    };
    for layer in &listed.layers {
        needs("layer", layer, "parent")?;
    }
    for image in &listed.images {
        needs("image", image, "layer")?;
    }
    for container in &listed.containers {
        needs("container", container, "layer")?;
    }
    let mut nameless = layers
        .iter()
        .filter(|(_, layer)| text(layer, "diff-digest").is_empty());
    match nameless.find(|(id, _)| !used.contains(**id)) {
        Some((id, _)) => Err(format!("layer {id} is left over")),
        None => Ok(()),
    }
}

/// Every file of every layer is as it was recorded.
fn is_whole(store: &Store) -> Result<(), String> {
    let check = store.layerhold(["--format", "json", "check"]);
    if check.succeeded() {
        return Ok(());
    }
    let found = String::from_utf8_lossy(&check.stdout);
    Err(format!("check: {found} {}", check.failure()))
}

/// A layer's difference is the tar that came in, by a program that knows nothing of ours.
fn has_its_bytes(store: &Store, layer: &Value, scratch: &Path) -> Result<(), String> {
    let digest = text(layer, "diff-digest");
    if digest.is_empty() {
        return Ok(());
    }
    let file = scratch.join("diff.tar");
    let path = file.display().to_string();
    let id = text(layer, "id");
    store
        .containers_storage(["diff", "-u", "-f", &path, id])
        .into_result()?;
    let sum = run(std::process::Command::new("sha256sum").arg(&file)).into_result()?;
    let sum = String::from_utf8_lossy(&sum);
    match sum.split(' ').next() {
        Some(sum) if digest.ends_with(sum) => Ok(()),
        other => Err(format!("layer {id} gives {other:?} instead of {digest}")),
    }
}

fn can_be_mounted(store: &Store, id: &str) -> Result<(), String> {
    let place = store.containers_storage(["mount", id]).into_result()?;
    let place = String::from_utf8_lossy(&place).trim().to_owned();
    let outcome = std::fs::read(Path::new(&place).join("name"));
    store.containers_storage(["unmount", id]).into_result()?;
    outcome
        .map(drop)
        .map_err(|error| format!("{place}: {error}"))
}

fn next_commands(store: &Store, fixtures: &Fixtures) -> Result<(), String> {
    let path = fixtures.next.path.display().to_string();
    store
        .layerhold(["load", "--name", "localhost/next", &path])
        .into_result()?;
    store
        .layerhold(["create", "--name", "next-box", "localhost/next"])
        .into_result()?;
    is_whole(store)?;
    store.layerhold(["rm", "next-box"]).into_result()?;
    store.layerhold(["rm", &fixtures.next.id]).into_result()?;
    Ok(())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn words(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}
