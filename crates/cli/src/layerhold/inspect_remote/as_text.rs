//! An image in words.

use layerhold_schema::Timestamp;
use serde_json::Value;

use super::super::list::created;
use super::super::units::{count, size};
use super::Answer;
use super::documents::{Descriptor, RemoteImage};
use crate::failure::Failure;
use crate::streams::escape;

/// The width of the names of settings.
const NAMES: usize = 16;

/// The lines of the description: settings that are not there are left out.
pub(super) fn describe(
    found: &Answer,
    image: &RemoteImage<'_>,
    configuration: &Value,
) -> Result<String, Failure> {
    let (_, first) = &found.answer;
    let settings = configuration.get("config").unwrap_or(&Value::Null);
    let is_index = !image.entries.is_empty();
    let from = (found.place != found.image).then(|| found.place.to_string());
    let manifest = is_index.then(|| image.manifest.digest.to_string());
    let rows = [
        ("name", vec![found.image.to_string()]),
        ("from", from.into_iter().collect()),
        ("digest", vec![first.digest.to_string()]),
        ("platforms", platforms(&image.entries)),
        ("platform", vec![platform(configuration)]),
        ("its manifest", manifest.into_iter().collect()),
        ("image ID", vec![hex(&image.config()?.digest).to_owned()]),
        (
            "created",
            texts(configuration.get("created"))
                .iter()
                .map(|text| time(text))
                .collect(),
        ),
        ("author", texts(configuration.get("author"))),
        ("size", vec![sizes(&image.layers)]),
        ("layer", image.layers.iter().map(layer).collect()),
        ("entrypoint", words(settings.get("Entrypoint"))),
        ("command", words(settings.get("Cmd"))),
        ("user", texts(settings.get("User"))),
        ("directory", texts(settings.get("WorkingDir"))),
        ("variable", texts(settings.get("Env"))),
        ("port", keys(settings.get("ExposedPorts"))),
        ("volume", keys(settings.get("Volumes"))),
        ("stop signal", texts(settings.get("StopSignal"))),
        ("label", pairs(settings.get("Labels"))),
    ];
    let mut text = String::new();
    for (name, values) in rows {
        for value in values.iter().filter(|value| !value.is_empty()) {
            text.push_str(&format!("{name:<NAMES$}{}\n", escape(value)));
        }
    }
    Ok(text)
}

/// All platforms of an index, on one line.
fn platforms(entries: &[Descriptor]) -> Vec<String> {
    let named: Vec<String> = entries
        .iter()
        .filter_map(|entry| Some(entry.platform()?.to_string()))
        .collect();
    vec![named.join(", ")]
}

fn platform(configuration: &Value) -> String {
    let fields = ["os", "architecture", "variant"].map(|field| configuration.get(field));
    let fields: Vec<&str> = fields
        .into_iter()
        .filter_map(|field| field?.as_str())
        .filter(|field| !field.is_empty())
        .collect();
    fields.join("/")
}

fn time(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) if time.is_zero() => String::new(),
        Ok(time) => format!("{} ({})", time, created(time)),
        Err(_) => text.to_owned(),
    }
}

fn sizes(layers: &[Descriptor]) -> String {
    let total = layers
        .iter()
        .fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
    format!(
        "{} in {}, as stored there",
        size(total),
        count(layers.len(), "layer")
    )
}

fn layer(layer: &Descriptor) -> String {
    format!("{}  {}", layer.digest, size(layer.size))
}

fn hex(digest: &str) -> &str {
    digest.split_once(':').map_or(digest, |(_, hex)| hex)
}

/// A text, or each of a list of texts.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            let items = items.iter().filter_map(Value::as_str);
            items.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// A command line on one line, as JSON, which tells one word from two.
fn words(value: Option<&Value>) -> Vec<String> {
    let words = value.filter(|value| value.as_array().is_some_and(|words| !words.is_empty()));
    words.map(Value::to_string).into_iter().collect()
}

fn keys(value: Option<&Value>) -> Vec<String> {
    let object = value.and_then(Value::as_object);
    object.map_or_else(Vec::new, |object| object.keys().cloned().collect())
}

fn pairs(value: Option<&Value>) -> Vec<String> {
    let object = value.and_then(Value::as_object).into_iter().flatten();
    let pair = |(name, value): (&String, &Value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={value}")
    };
    object.map(pair).collect()
}
