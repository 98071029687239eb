//! `layerhold inspect`.

use layerhold::Item;
use serde_json::{Value, json};

use super::args::Inspect;
use super::call::Call;
use super::find::find;
use crate::failure::Failure;

/// Prints the records, field by field as they are on disk, with the kind added in front.
pub(super) fn run(call: &mut Call<'_, '_>, args: &Inspect) -> Result<(), Failure> {
    if args.access.is_given() {
        return Err(Failure::Flags(
            "cannot reach a registry for records of this store: options for registries need --remote",
        ));
    }
    let snapshot = call.store.snapshot()?;
    let mut found = Vec::new();
    let mut failed = false;
    for text in &args.items {
        match find(&snapshot, text) {
            Ok(item) => found.push(describe(&item)?),
            Err(error) => {
                failed = true;
                call.complain(text, error)?;
            }
        }
    }
    call.json(&json!(found))?;
    if failed {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}

fn describe(item: &Item) -> Result<Value, Failure> {
    let (kind, record) = match item {
        Item::Layer(layer) => ("layer", layer.record().to_json()),
        Item::Image(image) => ("image", image.record().to_json()),
        Item::Container(container) => ("container", container.record().to_json()),
    };
    let record: Value = serde_json::from_slice(&record).map_err(Failure::value)?;
    Ok(json!({ "kind": kind, "record": record }))
}
