//! The fields of `skopeo inspect` (`cmd/skopeo/inspect/output.go`).

use layerhold_schema::Timestamp;
use serde_json::{Map, Value, json};

use super::Answer;
use super::documents::{Descriptor, RemoteImage};

/// The description of an image, with the tags of its repository.
pub(super) fn describe(
    found: &Answer,
    image: &RemoteImage<'_>,
    configuration: &Value,
    tags: Vec<String>,
) -> Value {
    let settings = configuration.get("config").unwrap_or(&Value::Null);
    let (_, first) = &found.answer;
    let layers = || image.layers.iter();
    json!({
        "Name": found.image.name(),
        "Digest": first.digest.to_string(),
        "RepoTags": tags,
        "Created": time(configuration.get("created")),
        "DockerVersion": text(configuration, "docker_version"),
        "Labels": settings.get("Labels"),
        "Architecture": text(configuration, "architecture"),
        "Os": text(configuration, "os"),
        "Layers": layers().map(|layer| layer.digest.as_str()).collect::<Vec<_>>(),
        "LayersData": layers().map(layer).collect::<Vec<_>>(),
        "Env": settings.get("Env"),
    })
}

fn layer(layer: &Descriptor) -> Map<String, Value> {
    let fields = [
        ("MIMEType", json!(layer.media_type)),
        ("Digest", json!(layer.digest)),
        ("Size", json!(layer.size)),
        ("Annotations", json!(layer.annotations)),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    fields.into_iter().collect()
}

fn text<'v>(configuration: &'v Value, field: &str) -> &'v str {
    let text = configuration.get(field).and_then(Value::as_str);
    text.unwrap_or_default()
}

/// A time as Go prints it.
fn time(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    let time = text.parse::<Timestamp>();
    Some(time.map_or_else(|_| text.to_owned(), |time| time.to_string()))
}
