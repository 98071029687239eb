//! Checking that other tools can read a document.

use crate::config::{Config, ConfigError};
use crate::manifest::{Document, ManifestError};

/// Checks that podman, buildah and skopeo can read a configuration of an image in a store.
///
/// One image whose configuration they cannot read makes all of their commands fail.
///
/// # Errors
///
/// It is not JSON, a field has another type than they expect, or a diff ID is malformed.
///
/// ```
/// let error = layerhold_oci::check_configuration(br#"{"config":{"Env":["A=b",5]}}"#).unwrap_err();
/// let cause = std::error::Error::source(&error).map(ToString::to_string);
/// assert_eq!(cause.as_deref(), Some("config.Env[1]: expected text, found a number"));
/// ```
pub fn check_configuration(bytes: &[u8]) -> Result<(), ConfigError> {
    Config::parse(bytes).map(|_| ())
}

/// Checks that podman, buildah and skopeo can read a manifest of an image in a store, or an index.
///
/// # Errors
///
/// They cannot read it, or it is the manifest of an artifact or of an image with encrypted layers.
pub fn check_manifest(bytes: &[u8]) -> Result<(), ManifestError> {
    match Document::parse(bytes, "")? {
        Document::Manifest(manifest) => manifest.check_readable(),
        Document::Index(_) => Ok(()),
    }
}
