//! The few fields of an image configuration that a store needs.

use layerhold_ids::{Algorithm, DiffId, Digest};

use crate::platform::Platform;
use crate::typed::{self, FieldError};

/// An image configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not JSON, or a field has a value of another type than it should.
    #[error("cannot read the image configuration")]
    Field(#[from] FieldError),
    /// A diff ID is malformed.
    #[error("{text:?} in the image configuration is not a diff ID")]
    DiffId {
        /// The text in place of a diff ID.
        text: String,
    },
    /// A diff ID is a digest of another kind than stores compute.
    #[error(
        "the image configuration names layer {layer} by a {algorithm} digest, and stores know layers by sha256 only"
    )]
    Algorithm {
        /// The position of the layer, from 0.
        layer: usize,
        /// The kind of digest.
        algorithm: Algorithm,
    },
}

/// The fields of an image configuration that a store needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The creation time of the image, as in the configuration (RFC 3339).
    pub(crate) created: Option<String>,
    /// The platform of the image; texts may be empty.
    pub(crate) platform: Platform,
    /// The digests of the unpacked layers, bottom first.
    pub(crate) diff_ids: Vec<DiffId>,
    /// Whether it lists layers.
    pub(crate) has_root: bool,
}

impl Config {
    /// Reads a configuration (OCI image specification, `config.md`; docker's has the same fields).
    ///
    /// # Errors
    ///
    /// Fails when the text is not JSON, a field has a value of a wrong type, or a diff ID is
    /// malformed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let config = typed::read(bytes, &typed::CONFIG)?;
        let root = config.get("rootfs");
        let texts = root.get("diff_ids").texts();
        let created = config.get("created").text();
        Ok(Config {
            created: (!created.is_empty()).then(|| created.to_owned()),
            platform: Platform::of(&config),
            diff_ids: texts
                .into_iter()
                .enumerate()
                .map(|(layer, text)| diff_id(layer, text))
                .collect::<Result<_, _>>()?,
            has_root: root.is_given(),
        })
    }
}

fn diff_id(layer: usize, text: String) -> Result<DiffId, ConfigError> {
    match text.parse::<Digest>() {
        Ok(digest) if digest.algorithm() == Algorithm::Sha256 => Ok(DiffId::from(digest)),
        Ok(digest) => Err(ConfigError::Algorithm {
            layer,
            algorithm: digest.algorithm(),
        }),
        Err(_) => Err(ConfigError::DiffId { text }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diff_ids_date_and_platform_are_read() {
        let id = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!(
            "{{\"created\":\"2026-01-02T03:04:05Z\",\"os\":\"linux\",\"ARCHITECTURE\":\"arm\",\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{id}\"]}},\"history\":[]}}"
        );
        let config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!(config.created.as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(config.platform.to_string(), "linux/arm");
        assert!(config.has_root);
        assert_eq!(
            config.diff_ids.first().map(ToString::to_string).as_deref(),
            Some(id)
        );
    }

    #[test]
    fn an_empty_configuration_has_no_diff_ids() {
        for text in ["{}", "null", "{\"rootfs\":null,\"created\":null}"] {
            let config = Config::parse(text.as_bytes()).unwrap();
            assert_eq!(config.created, None, "{text}");
            assert!(config.diff_ids.is_empty() && !config.has_root, "{text}");
        }
    }

    #[test]
    fn malformed_diff_ids_are_named() {
        let text = b"{\"rootfs\":{\"diff_ids\":[\"x\"]}}";
        assert!(matches!(
            Config::parse(text),
            Err(ConfigError::DiffId { text }) if text == "x"
        ));
        let other = format!(
            "{{\"rootfs\":{{\"diff_ids\":[\"sha512:{}\"]}}}}",
            "0".repeat(128)
        );
        assert!(matches!(
            Config::parse(other.as_bytes()),
            Err(ConfigError::Algorithm {
                layer: 0,
                algorithm: Algorithm::Sha512
            })
        ));
        assert!(matches!(Config::parse(b"[]"), Err(ConfigError::Field(_))));
    }
}
