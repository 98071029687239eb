//! Reading the configuration of an image.

use layerhold::{ErrorKind, Image, Store};
use layerhold_ids::Digest;
use serde_json::Value;

use crate::failure::Failure;

/// The item with the manifest of an image.
const MANIFEST: &str = "manifest";

/// Why the configuration of an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigurationError {
    /// The item is not JSON.
    #[error("cannot read {item:?} of image {image}")]
    NotJson {
        item: String,
        image: String,
        source: serde_json::Error,
    },
    /// The manifest names the configuration by something else than a digest.
    #[error(
        "cannot find the configuration of image {image}: {text:?} in its manifest is not a digest"
    )]
    NotADigest { image: String, text: String },
}

/// The configuration of an image; `None` for an image that was created without one.
pub(super) fn configuration(store: &Store, image: &Image) -> Result<Option<Value>, Failure> {
    let Some(manifest) = item(store, image, MANIFEST)? else {
        return Ok(None);
    };
    let Some(text) = manifest.pointer("/config/digest").and_then(Value::as_str) else {
        return Ok(None);
    };
    let digest = text.parse::<Digest>().map_err(|_| {
        Failure::value(ConfigurationError::NotADigest {
            image: image.id().to_string(),
            text: text.to_owned(),
        })
    })?;
    item(store, image, digest.as_str())
}

/// A data item as JSON; `None` if there is no such item.
fn item(store: &Store, image: &Image, name: &str) -> Result<Option<Value>, Failure> {
    let bytes = match store.image_data(image.id(), name) {
        Err(error) if error.kind() == Some(ErrorKind::DataUnknown) => return Ok(None),
        other => other?,
    };
    let value = serde_json::from_slice(&bytes).map_err(|source| {
        Failure::value(ConfigurationError::NotJson {
            item: name.to_owned(),
            image: image.id().to_string(),
            source,
        })
    })?;
    Ok(Some(value))
}
