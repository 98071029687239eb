//! The few fields of an image configuration that a store needs.

use layerhold_ids::{DiffId, Digest};
use serde::Deserialize;

/// An image configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not JSON of the expected shape.
    #[error("the image configuration cannot be read")]
    Json(#[source] serde_json::Error),
    /// A diff ID is malformed.
    #[error("{text:?} in the image configuration is not a diff ID")]
    DiffId {
        /// The text in place of a diff ID.
        text: String,
    },
}

/// What a store needs to know of an image configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// When the image was made, as the configuration says it (RFC 3339).
    pub(crate) created: Option<String>,
    /// The digests of the unpacked layers, bottom first.
    pub(crate) diff_ids: Vec<DiffId>,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    rootfs: Option<RawRootfs>,
}

#[derive(Deserialize)]
struct RawRootfs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

impl Config {
    /// Reads a configuration (OCI image specification, `config.md`; docker's has the same fields).
    ///
    /// # Errors
    ///
    /// Fails when the text is not JSON or a diff ID is malformed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let raw: RawConfig = crate::json::object(bytes).map_err(ConfigError::Json)?;
        let texts = raw
            .rootfs
            .and_then(|rootfs| rootfs.diff_ids)
            .unwrap_or_default();
        let diff_ids = texts
            .into_iter()
            .map(|text| match text.parse::<Digest>() {
                Ok(digest) => Ok(DiffId::from(digest)),
                Err(_) => Err(ConfigError::DiffId { text }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Config {
            created: raw.created,
            diff_ids,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diff_ids_and_date_are_read() {
        let id = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!(
            "{{\"created\":\"2026-01-02T03:04:05Z\",\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{id}\"]}},\"history\":[]}}"
        );
        let config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!(config.created.as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(
            config.diff_ids.first().map(ToString::to_string).as_deref(),
            Some(id)
        );
    }

    #[test]
    fn an_artifact_has_no_diff_ids() {
        let config = Config::parse(b"{}").unwrap();
        assert_eq!(config.created, None);
        assert!(config.diff_ids.is_empty());
    }

    #[test]
    fn malformed_diff_ids_are_named() {
        let text = b"{\"rootfs\":{\"diff_ids\":[\"x\"]}}";
        assert!(matches!(
            Config::parse(text),
            Err(ConfigError::DiffId { text }) if text == "x"
        ));
        assert!(matches!(Config::parse(b"[]"), Err(ConfigError::Json(_))));
    }
}
