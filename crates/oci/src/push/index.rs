//! Indices: one image for several platforms.

use serde_json::{Map, Value, json};

use super::SentImage;
use super::error::PushError;
use crate::config::Config;
use crate::media;
use crate::platform::Platform;
use crate::stored::StoredImage;

/// The platforms of images, each of which is for another one.
pub(super) fn platforms(images: &[StoredImage]) -> Result<Vec<Platform>, PushError> {
    if images.is_empty() {
        return Err(PushError::Nothing);
    }
    let mut platforms: Vec<Platform> = Vec::with_capacity(images.len());
    for image in images {
        let platform = platform(image)?;
        let mut known = platforms.iter().zip(images);
        if let Some((_, first)) = known.find(|(other, _)| **other == platform) {
            return Err(PushError::SamePlatform {
                first: first.id.clone(),
                second: image.id.clone(),
                platform: platform.to_string(),
            });
        }
        platforms.push(platform);
    }
    Ok(platforms)
}

fn platform(image: &StoredImage) -> Result<Platform, PushError> {
    let config = Config::parse(&image.config_bytes).map_err(|source| PushError::Config {
        image: image.id.clone(),
        source,
    })?;
    Ok(config.platform)
}

/// Returns the index of images that the registry has, with its media type.
pub(super) fn write(platforms: &[Platform], sent: &[SentImage]) -> (&'static str, Vec<u8>) {
    let is_docker = |image: &SentImage| image.media_type == media::DOCKER_MANIFEST;
    let media_type = match sent.iter().all(is_docker) {
        true => media::DOCKER_LIST,
        false => media::OCI_INDEX,
    };
    let entry = |(platform, image): (&Platform, &SentImage)| {
        json!({
            "mediaType": image.media_type,
            "size": image.manifest.len(),
            "digest": image.digest.as_str(),
            "platform": in_json(platform),
        })
    };
    let entries: Vec<Value> = platforms.iter().zip(sent).map(entry).collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": entries,
    });
    (media_type, index.to_string().into_bytes())
}

fn in_json(platform: &Platform) -> Value {
    let mut fields = Map::new();
    let mut add = |name: &str, text: &str| fields.insert(name.to_owned(), text.into());
    add("architecture", &platform.architecture);
    add("os", &platform.os);
    if !platform.variant.is_empty() {
        add("variant", &platform.variant);
    }
    Value::Object(fields)
}
