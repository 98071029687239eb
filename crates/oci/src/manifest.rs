//! Image manifests and indices, read tolerantly and written as Go writes them.

use std::collections::BTreeMap;

use layerhold_ids::Digest;
use serde::{Deserialize, Serialize};

use crate::media;
use crate::platform::Platform;

/// The largest manifest, index or configuration that is read, in bytes.
///
/// Go reads manifests up to this size (`image/internal/iolimits`, `MaxManifestBodySize`).
pub const MAX_MANIFEST_SIZE: u64 = 4 * 1024 * 1024;

/// The largest configuration that is read, in bytes (Go: `MaxConfigBodySize`).
pub const MAX_CONFIG_SIZE: u64 = 4 * 1024 * 1024;

/// Names a blob: its type, digest and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// The media type; may be empty in old files.
    pub(crate) media_type: String,
    /// The digest of the blob.
    pub(crate) digest: Digest,
    /// The size of the blob in bytes.
    pub(crate) size: u64,
    /// The platform, in entries of an index.
    pub(crate) platform: Option<Platform>,
    /// Free-form notes.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What a manifest is, by its media type or, where that is missing, by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ManifestKind {
    /// An OCI image manifest.
    Oci,
    /// A docker "schema 2" image manifest.
    Docker,
}

/// An image manifest: its configuration and its layers, bottom first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Which of the two formats it is in.
    pub(crate) kind: ManifestKind,
    /// The configuration blob.
    pub(crate) config: Descriptor,
    /// The layer blobs, bottom layer first.
    pub(crate) layers: Vec<Descriptor>,
}

/// A manifest or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// One image.
    Manifest(Manifest),
    /// A list to choose from.
    Index(Vec<Descriptor>),
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is not JSON of the expected shape.
    #[error("the manifest cannot be read")]
    Json(#[source] serde_json::Error),
    /// A descriptor has a malformed digest.
    #[error("{text:?} in the manifest is not a digest")]
    Digest {
        /// The text in place of a digest.
        text: String,
    },
    /// A size is negative.
    #[error("the manifest gives blob {digest} a negative size")]
    NegativeSize {
        /// The blob's digest.
        digest: Digest,
    },
    /// The kind of manifest is not supported.
    #[error("manifests of type {media_type:?} are not supported")]
    Unsupported {
        /// The media type it declares.
        media_type: String,
    },
    /// One document claims to be a manifest and an index at once, which is how digests that
    /// were checked for one are smuggled into the other (CVE-2021-41190).
    #[error("the document has the fields of both a manifest and an index")]
    Ambiguous,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    size: i64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    #[serde(default)]
    schema_version: i64,
    #[serde(default)]
    media_type: String,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl TryFrom<RawDescriptor> for Descriptor {
    type Error = ManifestError;

    fn try_from(raw: RawDescriptor) -> Result<Self, ManifestError> {
        let digest: Digest = raw
            .digest
            .parse()
            .map_err(|_| ManifestError::Digest { text: raw.digest })?;
        let size = u64::try_from(raw.size).map_err(|_| ManifestError::NegativeSize {
            digest: digest.clone(),
        })?;
        Ok(Descriptor {
            media_type: raw.media_type,
            digest,
            size,
            platform: raw.platform,
            annotations: raw.annotations.unwrap_or_default(),
        })
    }
}

impl Document {
    /// Reads a manifest or an index. `declared` is the media type that the place which named
    /// the document gave it, or empty.
    ///
    /// # Errors
    ///
    /// Fails when the text is no manifest, is one of an unsupported kind, or mixes the fields
    /// of a manifest and an index.
    pub(crate) fn parse(bytes: &[u8], declared: &str) -> Result<Self, ManifestError> {
        let raw: RawDocument = crate::json::object(bytes).map_err(ManifestError::Json)?;
        if raw.fs_layers.is_some() || raw.schema_version == 1 {
            return Err(ManifestError::Unsupported {
                media_type: "application/vnd.docker.distribution.manifest.v1+json".to_owned(),
            });
        }
        let media_type = if raw.media_type.is_empty() {
            declared
        } else {
            &raw.media_type
        };
        let has_image = raw.config.is_some() || raw.layers.is_some();
        match media_type {
            media::OCI_MANIFEST
            | media::DOCKER_MANIFEST
            | media::OCI_INDEX
            | media::DOCKER_LIST
            | "" => {}
            other => {
                return Err(ManifestError::Unsupported {
                    media_type: other.to_owned(),
                });
            }
        }
        let wants_index = match media_type {
            media::OCI_INDEX | media::DOCKER_LIST => true,
            "" => raw.manifests.is_some(),
            _ => false,
        };
        if has_image && raw.manifests.is_some() {
            return Err(ManifestError::Ambiguous);
        }
        if wants_index {
            let entries = raw.manifests.unwrap_or_default();
            return entries
                .into_iter()
                .map(Descriptor::try_from)
                .collect::<Result<_, _>>()
                .map(Document::Index);
        }
        let config = raw.config.ok_or(ManifestError::Unsupported {
            media_type: media_type.to_owned(),
        })?;
        let kind = if media_type == media::DOCKER_MANIFEST
            || (media_type.is_empty() && config.media_type == media::DOCKER_CONFIG)
        {
            ManifestKind::Docker
        } else {
            ManifestKind::Oci
        };
        Ok(Document::Manifest(Manifest {
            kind,
            config: config.try_into()?,
            layers: raw
                .layers
                .unwrap_or_default()
                .into_iter()
                .map(Descriptor::try_from)
                .collect::<Result<_, _>>()?,
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciManifestOut<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: OciDescriptorOut<'a>,
    layers: Vec<OciDescriptorOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciDescriptorOut<'a> {
    media_type: &'a str,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DockerManifestOut<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: DockerDescriptorOut<'a>,
    layers: Vec<DockerDescriptorOut<'a>>,
}

/// Docker's field order differs from OCI's: the size comes before the digest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DockerDescriptorOut<'a> {
    media_type: &'a str,
    size: u64,
    digest: String,
}

impl Manifest {
    /// Writes the manifest: the same bytes for the same image as Go's `image` library
    /// (compact, in its field order; `manifest/oci.go` and `manifest/docker_schema2.go`).
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let text = match self.kind {
            ManifestKind::Oci => serde_json::to_vec(&OciManifestOut {
                schema_version: 2,
                media_type: media::OCI_MANIFEST,
                config: oci_out(&self.config),
                layers: self.layers.iter().map(oci_out).collect(),
            }),
            ManifestKind::Docker => serde_json::to_vec(&DockerManifestOut {
                schema_version: 2,
                media_type: media::DOCKER_MANIFEST,
                config: docker_out(&self.config),
                layers: self.layers.iter().map(docker_out).collect(),
            }),
        };
        text.expect("a manifest is strings and numbers, which always become JSON")
    }
}

fn oci_out(descriptor: &Descriptor) -> OciDescriptorOut<'_> {
    OciDescriptorOut {
        media_type: &descriptor.media_type,
        digest: descriptor.digest.to_string(),
        size: descriptor.size,
        annotations: &descriptor.annotations,
    }
}

fn docker_out(descriptor: &Descriptor) -> DockerDescriptorOut<'_> {
    DockerDescriptorOut {
        media_type: &descriptor.media_type,
        size: descriptor.size,
        digest: descriptor.digest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn docker_text() -> String {
        format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{}\",\"config\":{{\"mediaType\":\"{}\",\"size\":7,\"digest\":\"{EMPTY}\"}},\"layers\":[{{\"mediaType\":\"{}\",\"size\":9,\"digest\":\"{EMPTY}\"}}]}}",
            media::DOCKER_MANIFEST,
            media::DOCKER_CONFIG,
            media::DOCKER_LAYER
        )
    }

    #[test]
    fn a_docker_manifest_round_trips_to_the_same_bytes() {
        let text = docker_text();
        let Ok(Document::Manifest(manifest)) = Document::parse(text.as_bytes(), "") else {
            panic!("not a manifest");
        };
        assert_eq!(manifest.kind, ManifestKind::Docker);
        assert_eq!(manifest.layers.first().map(|l| l.size), Some(9));
        assert_eq!(String::from_utf8(manifest.to_json()), Ok(text));
    }

    #[test]
    fn a_document_that_is_both_is_refused() {
        let text = docker_text().replace("\"layers\"", "\"manifests\":[],\"layers\"");
        assert!(matches!(
            Document::parse(text.as_bytes(), ""),
            Err(ManifestError::Ambiguous)
        ));
    }

    #[test]
    fn malformed_documents_have_exact_errors() {
        assert!(matches!(
            Document::parse(b"{", ""),
            Err(ManifestError::Json(_))
        ));
        assert!(matches!(
            Document::parse(b"{\"schemaVersion\":1}", ""),
            Err(ManifestError::Unsupported { .. })
        ));
        let bad_digest = docker_text().replace(EMPTY, "sha256:../../x");
        assert!(matches!(
            Document::parse(bad_digest.as_bytes(), ""),
            Err(ManifestError::Digest { text }) if text == "sha256:../../x"
        ));
        let negative = docker_text().replace("\"size\":9", "\"size\":-9");
        assert!(matches!(
            Document::parse(negative.as_bytes(), ""),
            Err(ManifestError::NegativeSize { .. })
        ));
    }

    #[test]
    fn an_index_lists_its_entries() {
        let text = format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{}\",\"digest\":\"{EMPTY}\",\"size\":1,\"platform\":{{\"architecture\":\"arm64\",\"os\":\"linux\"}}}}]}}",
            media::OCI_MANIFEST
        );
        let Ok(Document::Index(entries)) = Document::parse(text.as_bytes(), "") else {
            panic!("not an index");
        };
        assert_eq!(
            entries
                .first()
                .and_then(|e| e.platform.as_ref())
                .map(ToString::to_string),
            Some("linux/arm64".to_owned())
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _any = Document::parse(&bytes, "");
        }

        #[test]
        fn what_is_written_is_read_back(
            kind in proptest::sample::select(vec![ManifestKind::Oci, ManifestKind::Docker]),
            sizes in proptest::collection::vec(0..=i64::MAX as u64, 1..6),
            notes in proptest::collection::btree_map("\\PC{0,8}", "\\PC{0,8}", 0..3),
        ) {
            let descriptor = |(index, size): (usize, &u64)| Descriptor {
                media_type: format!("type/{index}"),
                digest: EMPTY.parse().unwrap(),
                size: *size,
                platform: None,
                // Docker's descriptors have no annotations.
                annotations: if kind == ManifestKind::Oci && index > 0 {
                    notes.clone()
                } else {
                    BTreeMap::new()
                },
            };
            let mut parts: Vec<_> = sizes.iter().enumerate().map(descriptor).collect();
            let manifest = Manifest { kind, config: parts.remove(0), layers: parts };
            let read = Document::parse(&manifest.to_json(), "").unwrap();
            proptest::prop_assert_eq!(read, Document::Manifest(manifest));
        }
    }
}
