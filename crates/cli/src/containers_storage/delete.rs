//! `delete` and the three deletes that check first.

use std::collections::BTreeMap;

use layerhold::{DeleteError, DeleteMode, ItemKind, LookupError, Store};
use serde::Serialize;

use super::call::Call;
use super::messages::about;
use super::output::{code, json, note};
use crate::failure::Failure;

pub(crate) fn anything(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    each(call, |store, key| {
        store.delete(key).map_err(|error| match error {
            // For the Go tool, an operand that is nothing is an unknown layer.
            DeleteError::Lookup(LookupError::Nothing { key }) => LookupError::Unknown {
                kind: ItemKind::Layer,
                key,
            }
            .into(),
            error => error,
        })
    })
}

pub(crate) fn layer(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    each(call, |store, key| store.delete_layer(key))
}

pub(crate) fn container(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    each(call, |store, key| store.delete_container(key))
}

/// Deletes all operands, and reports those that could not be.
fn each(
    call: &mut Call<'_, '_>,
    delete: impl Fn(&Store, &str) -> Result<(), DeleteError>,
) -> Result<u8, Failure> {
    let mut outcomes = BTreeMap::new();
    for operand in call.operands {
        if call.environment.interruption.is_asked() {
            break;
        }
        let error = match delete(call.store, operand) {
            Ok(()) => String::new(),
            Err(error) => about(operand, error),
        };
        outcomes.insert(operand.as_str(), error);
    }
    if call.flags.is_on("json") {
        json(call, &outcomes)?;
    } else {
        for (operand, error) in outcomes.iter().filter(|(_, error)| !error.is_empty()) {
            note(call, format_args!("{operand}: {error}"))?;
        }
    }
    Ok(code(outcomes.values().any(|error| !error.is_empty())))
}

#[derive(Serialize)]
struct Deleted {
    #[serde(rename = "deleted-layers", skip_serializing_if = "Vec::is_empty")]
    layers: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

pub(crate) fn image(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let commit = if call.flags.is_on("test") {
        DeleteMode::DryRun
    } else {
        DeleteMode::Delete
    };
    let mut outcomes = BTreeMap::new();
    for operand in call.operands {
        let deleted = match call.store.delete_image(operand, commit) {
            Ok(layers) => Deleted {
                layers: layers.iter().map(ToString::to_string).collect(),
                error: String::new(),
            },
            Err(error) => Deleted {
                layers: Vec::new(),
                error: about(operand, error),
            },
        };
        outcomes.insert(operand.as_str(), deleted);
    }
    if call.flags.is_on("json") {
        json(call, &outcomes)?;
    } else {
        for (operand, deleted) in &outcomes {
            if !deleted.error.is_empty() {
                note(call, format_args!("{operand}: {}", deleted.error))?;
            }
            for layer in &deleted.layers {
                note(call, format_args!("{operand}: {layer}"))?;
            }
        }
    }
    Ok(code(
        outcomes.values().any(|deleted| !deleted.error.is_empty()),
    ))
}
