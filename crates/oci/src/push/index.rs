//! Indices: one image for several platforms.

use serde_json::{Map, Value, json};

use super::SentImage;
use super::error::PushError;
use crate::config::Config;
use crate::digest::sha256;
use crate::media;
use crate::platform::Platform;
use crate::stored::StoredImage;

/// Checks that each image is for another platform.
pub(super) fn check(images: &[StoredImage]) -> Result<(), PushError> {
    if images.is_empty() {
        return Err(PushError::Nothing);
    }
    let mut known: Vec<(Platform, &StoredImage)> = Vec::new();
    for image in images {
        let platform = platform(image)?;
        if let Some((_, first)) = known.iter().find(|(other, _)| *other == platform) {
            return Err(PushError::SamePlatform {
                first: first.id.clone(),
                second: image.id.clone(),
                platform: platform.to_string(),
            });
        }
        known.push((platform, image));
    }
    Ok(())
}

fn platform(image: &StoredImage) -> Result<Platform, PushError> {
    let config = Config::parse(&image.config_bytes).map_err(|source| PushError::Config {
        image: image.id.clone(),
        source,
    })?;
    Ok(config.platform)
}

/// Returns the index of images that the registry has, with its media type.
pub(super) fn index(
    images: &[StoredImage],
    sent: &[SentImage],
) -> Result<(&'static str, Vec<u8>), PushError> {
    let is_docker = |image: &SentImage| image.media_type == media::DOCKER_MANIFEST;
    let media_type = match sent.iter().all(is_docker) {
        true => media::DOCKER_LIST,
        false => media::OCI_INDEX,
    };
    let mut entries = Vec::new();
    for (image, sent) in images.iter().zip(sent) {
        entries.push(json!({
            "mediaType": sent.media_type,
            "size": sent.manifest.len(),
            "digest": sha256(&sent.manifest).as_str(),
            "platform": in_json(&platform(image)?),
        }));
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": entries,
    });
    Ok((media_type, index.to_string().into_bytes()))
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
