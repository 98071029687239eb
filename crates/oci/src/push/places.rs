//! The repositories of a registry that may have a layer.

use std::collections::BTreeMap;

use layerhold::{LookupError, Snapshot};
use layerhold_ids::LayerId;
use layerhold_reference::Reference;

use crate::stored::StoredImage;

/// How many repositories are asked for a layer at most: each question is a request.
const MOST: usize = 3;

/// The repositories of one registry that may have the layers of an image: those that images with
/// these layers are named by.
pub(super) struct Places(BTreeMap<LayerId, Vec<String>>);

impl Places {
    pub(super) fn find(
        snapshot: &Snapshot,
        image: &StoredImage,
        destination: &Reference,
    ) -> Result<Self, LookupError> {
        let mut places: BTreeMap<LayerId, Vec<String>> = image
            .layers
            .iter()
            .map(|layer| (layer.id.clone(), Vec::new()))
            .collect();
        // No chain is longer than this, so that a loop of damaged records ends.
        let longest = snapshot.layers().count();
        for other in snapshot.images() {
            let names = other.names().iter();
            let named: Vec<Reference> = names.filter_map(|name| name.parse().ok()).collect();
            let there: Vec<&str> = named
                .iter()
                .filter(|name| name.registry() == destination.registry())
                .map(Reference::repository)
                .filter(|repository| *repository != destination.repository())
                .collect();
            let mut next = match there.is_empty() {
                true => None,
                false => other.top_layer().cloned(),
            };
            for _ in 0..longest {
                let Some(id) = next.take() else { break };
                let Some(layer) = snapshot.layer_by_id(&id)? else {
                    break;
                };
                if let Some(known) = places.get_mut(&id) {
                    add(known, &there);
                }
                next = layer.parent().cloned();
            }
        }
        Ok(Places(places))
    }

    /// The repositories that may have a layer.
    pub(super) fn of(&self, layer: &LayerId) -> &[String] {
        self.0.get(layer).map(Vec::as_slice).unwrap_or_default()
    }
}

fn add(known: &mut Vec<String>, more: &[&str]) {
    for repository in more {
        if known.len() < MOST && !known.iter().any(|one| one == repository) {
            known.push((*repository).to_owned());
        }
    }
}
