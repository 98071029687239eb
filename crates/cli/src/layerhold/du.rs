//! `layerhold du`.

use std::collections::HashMap;

use layerhold::{
    ContainerUsage, DiskUsage, ImageUsage, ItemUsage, LayerUsage, Snapshot, TotalUsage,
    UsageReport, WrongCounter,
};
use layerhold_ids::ImageId;
use serde_json::{Map, Value, json};

use super::args::Usage;
use super::call::Call;
use super::find::find;
use super::table::{Align, lay_out};
use super::units::{short, size};
use crate::failure::{Failure, stream};

/// Whether all operands were found; missing ones have been reported.
type Outcome = Result<(), Failure>;

/// What is to be shown.
#[derive(Debug, Default)]
struct Shown {
    layers: Vec<LayerUsage>,
    images: Vec<ImageUsage>,
    containers: Vec<ContainerUsage>,
    /// The titles of the images that the containers were made of.
    titles: HashMap<ImageId, String>,
    /// Only when everything is shown.
    total: Option<TotalUsage>,
}

pub(super) fn run(call: &mut Call<'_, '_>, args: &Usage) -> Result<(), Failure> {
    let (report, wrong) = if args.verify {
        let (report, wrong) = call.store.verify_usage()?;
        (Some(report), Some(wrong))
    } else {
        (None, None)
    };
    let (shown, outcome) = if args.items.is_empty() {
        let report = report.map_or_else(|| call.store.usage(), Ok)?;
        (everything(report), Ok(()))
    } else {
        named(call, args)?
    };
    if call.is_json() {
        let value = as_json(&shown, wrong.as_deref());
        call.json(&value)?;
    } else {
        let text = as_text(&shown);
        call.streams.lines(&text).map_err(stream)?;
    }
    for wrong in wrong.into_iter().flatten() {
        call.note(format_args!(
            "layerhold: layer {}: {} were recorded, {} were found; corrected",
            short(wrong.layer.as_str()),
            in_words(wrong.recorded),
            in_words(wrong.found)
        ))?;
    }
    outcome
}

fn everything(report: UsageReport) -> Shown {
    let titles = report
        .images
        .iter()
        .map(|image| {
            let title = title(&image.names, image.id.as_str()).to_owned();
            (image.id.clone(), title)
        })
        .collect();
    Shown {
        layers: Vec::new(),
        images: report.images,
        containers: report.containers,
        titles,
        total: Some(report.total),
    }
}

fn in_words(amount: DiskUsage) -> String {
    format!("{} bytes in {} inodes", amount.bytes, amount.inodes)
}

/// The operands, and whether all of them were found.
fn named(call: &mut Call<'_, '_>, args: &Usage) -> Result<(Shown, Outcome), Failure> {
    let snapshot = call.store.snapshot()?;
    let mut shown = Shown::default();
    let mut outcome = Ok(());
    let (mut texts, mut items) = (Vec::new(), Vec::new());
    for text in &args.items {
        match find(&snapshot, text) {
            Ok(item) => {
                texts.push(text);
                items.push(item.id());
            }
            Err(error) => {
                outcome = Err(Failure::Reported);
                call.complain(text, error)?;
            }
        }
    }
    for (text, usage) in texts.into_iter().zip(call.store.usage_of(&items)?) {
        match usage {
            Some(ItemUsage::Layer(layer)) => shown.layers.push(layer),
            Some(ItemUsage::Image(image)) => shown.images.push(image),
            Some(ItemUsage::Container(container)) => {
                shown.titles.extend(image_title(&snapshot, &container));
                shown.containers.push(container);
            }
            None => {
                // In an additional store, or gone since.
                outcome = Err(Failure::Reported);
                call.note(format_args!(
                    "layerhold: {text}: uses no space in this store"
                ))?;
            }
        }
    }
    Ok((shown, outcome))
}

/// The image that a container was made of, if it is in this store, and its title.
fn image_title(snapshot: &Snapshot, container: &ContainerUsage) -> Option<(ImageId, String)> {
    let id = container.image.as_ref()?;
    if snapshot.additional_store_of_image(id).is_some() {
        return None;
    }
    let image = snapshot.image_by_id(id).ok().flatten()?;
    let title = title(image.names(), id.as_str()).to_owned();
    Some((id.clone(), title))
}

fn as_text(shown: &Shown) -> String {
    let mut parts = Vec::new();
    let is_all = shown.total.is_some();
    if is_all || !shown.images.is_empty() {
        parts.push(images(&shown.images));
    }
    if !shown.containers.is_empty() {
        parts.push(containers(&shown.containers, &shown.titles));
    }
    if !shown.layers.is_empty() {
        parts.push(layers(&shown.layers));
    }
    if let Some(total) = &shown.total {
        parts.push(totals(total));
    }
    parts.join("\n")
}

fn title<'n>(names: &'n [String], id: &'n str) -> &'n str {
    names.first().map_or_else(|| short(id), String::as_str)
}

fn images(images: &[ImageUsage]) -> String {
    let columns = [
        ("IMAGE", Align::Left),
        ("ID", Align::Left),
        ("UNIQUE", Align::Right),
        ("SHARED", Align::Right),
        ("TOTAL", Align::Right),
    ];
    let row = |image: &ImageUsage| {
        vec![
            image
                .names
                .first()
                .map_or("<none>", String::as_str)
                .to_owned(),
            short(image.id.as_str()).to_owned(),
            size(image.unique_bytes()),
            size(image.shared.bytes),
            size(image.total_bytes()),
        ]
    };
    lay_out(&columns, &images.iter().map(row).collect::<Vec<_>>())
}

fn containers(containers: &[ContainerUsage], titles: &HashMap<ImageId, String>) -> String {
    let columns = [
        ("CONTAINER", Align::Left),
        ("ID", Align::Left),
        ("IMAGE", Align::Left),
        ("OWN", Align::Right),
        ("BELOW", Align::Right),
    ];
    let image = |container: &ContainerUsage| {
        let id = container.image.as_ref()?;
        let title = titles
            .get(id)
            .map_or_else(|| short(id.as_str()), String::as_str);
        Some(title.to_owned())
    };
    let row = |container: &ContainerUsage| {
        vec![
            container
                .names
                .first()
                .map_or("<none>", String::as_str)
                .to_owned(),
            short(container.id.as_str()).to_owned(),
            image(container).unwrap_or_default(),
            size(container.own_bytes()),
            size(container.below),
        ]
    };
    lay_out(&columns, &containers.iter().map(row).collect::<Vec<_>>())
}

fn layers(layers: &[LayerUsage]) -> String {
    let columns = [
        ("LAYER", Align::Left),
        ("OWN", Align::Right),
        ("BESIDE", Align::Right),
        ("INODES", Align::Right),
        ("IMAGES", Align::Right),
        ("CONTAINERS", Align::Right),
    ];
    let row = |layer: &LayerUsage| {
        vec![
            short(layer.id.as_str()).to_owned(),
            size(layer.own.bytes),
            size(layer.beside),
            layer.own.inodes.to_string(),
            layer.images.to_string(),
            layer.containers.to_string(),
        ]
    };
    lay_out(&columns, &layers.iter().map(row).collect::<Vec<_>>())
}

fn totals(total: &TotalUsage) -> String {
    let columns = [("ALL TOGETHER", Align::Left), ("SIZE", Align::Right)];
    let rows = [
        ("layers of images", total.images.bytes),
        ("layers of containers", total.containers.bytes),
        ("unused layers", total.unused.bytes),
        ("other data", total.data),
        ("total", total.bytes()),
        ("reclaimable", total.reclaimable),
    ];
    let row = |(what, bytes): (&str, u64)| vec![what.to_owned(), size(bytes)];
    lay_out(&columns, &rows.map(row))
}

fn as_json(shown: &Shown, wrong: Option<&[WrongCounter]>) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("images", shown.images.iter().map(image_json).collect());
    put(
        "containers",
        shown.containers.iter().map(container_json).collect(),
    );
    put("layers", shown.layers.iter().map(layer_json).collect());
    if let Some(total) = &shown.total {
        put("total", total_json(total));
    }
    if let Some(wrong) = wrong {
        put("wrongCounters", wrong.iter().map(wrong_json).collect());
    }
    Value::Object(fields)
}

fn total_json(total: &TotalUsage) -> Value {
    json!({
        "images": amount(total.images),
        "containers": amount(total.containers),
        "unused": amount(total.unused),
        "data": total.data,
        "total": total.bytes(),
        "reclaimable": total.reclaimable,
    })
}

fn wrong_json(wrong: &WrongCounter) -> Value {
    json!({
        "layer": wrong.layer.as_str(),
        "recorded": amount(wrong.recorded),
        "found": amount(wrong.found),
    })
}

fn amount(amount: DiskUsage) -> Value {
    json!({ "bytes": amount.bytes, "inodes": amount.inodes, "allocated": amount.allocated })
}

fn image_json(image: &ImageUsage) -> Value {
    json!({
        "id": image.id.as_str(),
        "names": image.names,
        "unique": amount(image.unique),
        "shared": amount(image.shared),
        "data": image.data,
        "total": image.total_bytes(),
        "containers": image.containers,
    })
}

fn container_json(container: &ContainerUsage) -> Value {
    json!({
        "id": container.id.as_str(),
        "names": container.names,
        "image": container.image.as_ref().map(|image| image.as_str()),
        "own": amount(container.own),
        "data": container.data,
        "below": container.below,
    })
}

fn layer_json(layer: &LayerUsage) -> Value {
    json!({
        "id": layer.id.as_str(),
        "parent": layer.parent.as_ref().map(|parent| parent.as_str()),
        "own": amount(layer.own),
        "beside": layer.beside,
        "images": layer.images,
        "containers": layer.containers,
    })
}
