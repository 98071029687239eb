//! What a store holds, for choosing commands and explaining differences.

use serde_json::Value;

use super::observe::State;

/// One record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) names: Vec<String>,
    /// A layer's parent, an image's top layer, a container's image.
    pub(crate) below: String,
    /// Data items.
    pub(crate) keys: Vec<String>,
    pub(crate) mapped: bool,
    /// Whether a layer was applied once and nothing since.
    pub(crate) recorded: bool,
}

/// All records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) layers: Vec<Item>,
    pub(crate) images: Vec<Item>,
    pub(crate) containers: Vec<Item>,
    /// Layers with a count.
    pub(crate) mounted: Vec<String>,
}

impl Known {
    pub(crate) fn of(state: &State, driver: &str) -> Self {
        let read = |kind: &str| state.records(&format!("root/{driver}-{kind}s/{kind}s.json"));
        let item = |value: &Value, below: &str| {
            let id = text(&value["id"]);
            let split = format!("root/{driver}-layers/{id}.tar-split.gz");
            Item {
                names: list(&value["names"]),
                below: text(&value[below]),
                keys: list(&value["big-data-names"]),
                mapped: value.get("uidmap").is_some() || value.get("gidmap").is_some(),
                recorded: state.parts.contains_key(&split),
                id,
            }
        };
        let items = |kind, below| read(kind).iter().map(|value| item(value, below)).collect();
        let mounts = state.records(&format!("runroot/{driver}-layers/mountpoints.json"));
        Known {
            layers: items("layer", "parent"),
            images: items("image", "layer"),
            containers: items("container", "image"),
            mounted: mounts.iter().map(|mount| text(&mount["id"])).collect(),
        }
    }

    /// The record that the library finds under a key: by ID, name or unique beginning.
    pub(crate) fn find<'a>(items: &'a [Item], key: &str) -> Option<&'a Item> {
        let by_id = items.iter().find(|item| item.id == key);
        let by_name = || {
            items
                .iter()
                .find(|item| item.names.iter().any(|name| name == key))
        };
        by_id.or_else(by_name).or_else(|| {
            let mut found = items
                .iter()
                .filter(|item| !key.is_empty() && item.id.starts_with(key));
            found.next().filter(|_| found.next().is_none())
        })
    }

    /// Whether something that a key may mean has an ID that something of another kind has, too.
    pub(crate) fn is_shared(&self, key: &str) -> bool {
        let kinds = [&self.layers, &self.images, &self.containers];
        let found = kinds.iter().filter_map(|items| Known::find(items, key));
        let holders = |id: &str| {
            let has = |items: &&&Vec<Item>| items.iter().any(|item| item.id == id);
            kinds.iter().filter(has).count()
        };
        found.into_iter().any(|item| holders(&item.id) > 1)
    }

    /// Whether the key is an ID of any kind.
    pub(crate) fn is_id(&self, key: &str) -> bool {
        [&self.layers, &self.images, &self.containers]
            .into_iter()
            .any(|items| items.iter().any(|item| item.id == key))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<String> {
    let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
    values.iter().map(text).collect()
}
