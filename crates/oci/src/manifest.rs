//! Image manifests and indices, read and written as Go reads and writes them.

use std::collections::BTreeMap;

use layerhold_ids::Digest;
use serde::Serialize;

use crate::media;
use crate::platform::Platform;
use crate::typed::{self, FieldError, Shape, Typed};

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
    /// Where else the blob can be fetched, for layers that registries may not hold.
    pub(crate) urls: Vec<String>,
}

/// The kind of a manifest, by its media type or, if that is missing, by its fields.
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
    /// The media type in the manifest; may be empty.
    pub(crate) media_type: String,
    /// The artifact type, if any.
    pub(crate) artifact_type: String,
    /// The configuration blob.
    pub(crate) config: Descriptor,
    /// The layer blobs, bottom layer first.
    pub(crate) layers: Vec<Descriptor>,
    /// The manifest that this one refers to.
    pub(crate) subject: Option<serde_json::Value>,
    /// Free-form notes.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A manifest or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// One image.
    Manifest(Box<Manifest>),
    /// A list to choose from.
    Index(Vec<Descriptor>),
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is not JSON, or a field has a value of another type than it should.
    #[error("cannot read the manifest")]
    Field(#[from] FieldError),
    /// A descriptor has a malformed digest.
    #[error("{text:?} in the manifest is not a digest")]
    Digest {
        /// The malformed text.
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
        /// The declared media type.
        media_type: String,
    },
    /// The descriptor of the document declares another type than the document has.
    #[error("its type is declared as {declared:?}, and is {actual:?}")]
    OtherType {
        /// The type in the descriptor.
        declared: String,
        /// The type of the document.
        actual: String,
    },
    /// The manifest is not that of an image, but of an artifact.
    #[error("it is not an image but an artifact: its configuration has the type {media_type:?}")]
    Artifact {
        /// The type of its configuration, or of the artifact.
        media_type: String,
    },
    /// A docker manifest has parts of a type that docker manifests do not have.
    #[error("{field}: {media_type:?} is no type of docker's, as it has to be in a docker manifest")]
    OtherFamily {
        /// Where in the manifest.
        field: String,
        /// The media type.
        media_type: String,
    },
    /// A layer is encrypted.
    #[error(
        "layer {layer} is encrypted ({media_type}), and keys are not supported: decrypt the image first, as \
         `skopeo copy --decryption-key` does"
    )]
    Encrypted {
        /// The position of the layer, from 0.
        layer: usize,
        /// Its media type.
        media_type: String,
    },
    /// One document has fields of a manifest and of an index, so that tools could read it as either
    /// (CVE-2021-41190).
    #[error(
        "the document has the field {field:?}, which a document of type {media_type:?} must not have"
    )]
    Ambiguous {
        /// The field.
        field: &'static str,
        /// The type of the document.
        media_type: &'static str,
    },
}

impl ManifestError {
    /// Whether the document is valid, but not that of an image.
    pub(crate) fn is_no_image(&self) -> bool {
        matches!(
            self,
            ManifestError::Artifact { .. } | ManifestError::Unsupported { .. }
        )
    }
}

impl Descriptor {
    fn new(raw: &Typed) -> Result<Self, ManifestError> {
        let text = raw.get("digest").text();
        let digest: Digest = text.parse().map_err(|_| ManifestError::Digest {
            text: text.to_owned(),
        })?;
        let size = u64::try_from(raw.get("size").integer());
        let urls = raw.get("urls").items().iter();
        Ok(Descriptor {
            media_type: raw.get("mediaType").text().to_owned(),
            size: size.map_err(|_| ManifestError::NegativeSize {
                digest: digest.clone(),
            })?,
            digest,
            platform: Platform::named(raw.get("platform")),
            annotations: raw.get("annotations").text_map(),
            urls: urls.map(|url| url.text().to_owned()).collect(),
        })
    }
}

/// The kind of a document, and the fields that it must not have.
struct DocumentKind {
    media_type: &'static str,
    shape: &'static Shape,
    forbidden: &'static [&'static str],
}

/// The media types that descriptors of documents may have.
pub(crate) const KNOWN: &[&str] = &[
    media::OCI_MANIFEST,
    media::DOCKER_MANIFEST,
    media::OCI_INDEX,
    media::DOCKER_LIST,
];

/// Fields that image manifests do not have, and those that indices do not have.
const NOT_IN_MANIFESTS: &[&str] = &["fsLayers", "history", "manifests"];
const NOT_IN_INDICES: &[&str] = &["config", "fsLayers", "history", "layers"];

/// Determines the kind of a document: by its media type if that is known, and otherwise by its
/// fields, as Go does each time it reads one from a store (`GuessMIMEType` in
/// `image/internal/manifest/manifest.go`).
fn kind_of(bytes: &[u8]) -> Result<(DocumentKind, Typed), ManifestError> {
    let parts = typed::read(bytes, &typed::MANIFEST_TYPE)?;
    let media_type = parts.get("mediaType").text();
    let config = parts.get("config").get("mediaType").text();
    let (media_type, shape) = match (media_type, parts.get("schemaVersion").integer()) {
        (media::OCI_MANIFEST, _) => (media::OCI_MANIFEST, &typed::OCI_MANIFEST),
        (media::DOCKER_MANIFEST, _) => (media::DOCKER_MANIFEST, &typed::DOCKER_MANIFEST),
        (media::OCI_INDEX, _) => (media::OCI_INDEX, &typed::OCI_INDEX),
        (media::DOCKER_LIST, _) => (media::DOCKER_LIST, &typed::DOCKER_LIST),
        (_, 2) if config == media::OCI_CONFIG => (media::OCI_MANIFEST, &typed::OCI_MANIFEST),
        (_, 2) if config == media::DOCKER_CONFIG => {
            (media::DOCKER_MANIFEST, &typed::DOCKER_MANIFEST)
        }
        (_, 2) if parts.get("manifests").items().is_empty() => {
            (media::OCI_MANIFEST, &typed::OCI_MANIFEST)
        }
        (_, 2) => (media::OCI_INDEX, &typed::OCI_INDEX),
        ("", 1) => return Err(unsupported(media::DOCKER_SCHEMA_1)),
        (other, _) => return Err(unsupported(other)),
    };
    let forbidden = match media_type {
        media::OCI_INDEX | media::DOCKER_LIST => NOT_IN_INDICES,
        _ => NOT_IN_MANIFESTS,
    };
    let found = DocumentKind {
        media_type,
        shape,
        forbidden,
    };
    Ok((found, parts))
}

fn unsupported(media_type: &str) -> ManifestError {
    ManifestError::Unsupported {
        media_type: media_type.to_owned(),
    }
}

impl Document {
    /// Reads a manifest or an index. `declared` is the media type in its descriptor, or empty.
    ///
    /// # Errors
    ///
    /// The text is not a manifest, is of an unsupported kind, mixes the fields of a manifest and an
    /// index, or has another type than declared.
    pub(crate) fn parse(bytes: &[u8], declared: &str) -> Result<Self, ManifestError> {
        if !declared.is_empty() && !KNOWN.contains(&declared) {
            return Err(unsupported(declared));
        }
        let (found, parts) = kind_of(bytes)?;
        if !declared.is_empty() && declared != found.media_type {
            return Err(ManifestError::OtherType {
                declared: declared.to_owned(),
                actual: found.media_type.to_owned(),
            });
        }
        let ambiguous = found
            .forbidden
            .iter()
            .find(|name| parts.get(name).is_given());
        if let Some(field) = ambiguous {
            return Err(ManifestError::Ambiguous {
                field,
                media_type: found.media_type,
            });
        }
        let document = typed::read(bytes, found.shape)?;
        match found.media_type {
            media::OCI_INDEX | media::DOCKER_LIST => index(&document),
            _ => {
                let manifest = Manifest::new(&document, found.media_type)?;
                Ok(Document::Manifest(Box::new(manifest)))
            }
        }
    }

    /// Reads the `index.json` of a layout, which may lack a media type.
    ///
    /// # Errors
    ///
    /// The text is not an index.
    pub(crate) fn parse_layout_index(bytes: &[u8]) -> Result<Vec<Descriptor>, ManifestError> {
        descriptors(typed::read(bytes, &typed::OCI_INDEX)?.get("manifests"))
    }
}

fn index(document: &Typed) -> Result<Document, ManifestError> {
    descriptors(document.get("manifests")).map(Document::Index)
}

fn descriptors(list: &Typed) -> Result<Vec<Descriptor>, ManifestError> {
    list.items().iter().map(Descriptor::new).collect()
}

impl Manifest {
    fn new(document: &Typed, media_type: &str) -> Result<Self, ManifestError> {
        let kind = match media_type {
            media::DOCKER_MANIFEST => ManifestKind::Docker,
            _ => ManifestKind::Oci,
        };
        let config = document.get("config");
        if kind == ManifestKind::Oci && config.get("digest").text().is_empty() {
            // A document that nothing else identifies is read as an image manifest.
            let media_type = document.get("mediaType").text();
            if !media_type.is_empty() && media_type != media::OCI_MANIFEST {
                return Err(unsupported(media_type));
            }
        }
        Ok(Manifest {
            kind,
            media_type: document.get("mediaType").text().to_owned(),
            artifact_type: document.get("artifactType").text().to_owned(),
            config: Descriptor::new(config)?,
            layers: descriptors(document.get("layers"))?,
            subject: document.get("subject").to_json(&typed::OCI_DESCRIPTOR),
            annotations: document.get("annotations").text_map(),
        })
    }

    /// Checks that podman, buildah and skopeo can read an image with this manifest in a store.
    ///
    /// # Errors
    ///
    /// It is an artifact, a docker manifest with blobs of other types, or an image with encrypted
    /// layers.
    pub(crate) fn check_readable(&self) -> Result<(), ManifestError> {
        let media_types = self.layers.iter().map(|layer| &layer.media_type);
        if let Some((layer, media_type)) = media_types
            .enumerate()
            .find(|(_, media_type)| media_type.ends_with(media::ENCRYPTED))
        {
            return Err(ManifestError::Encrypted {
                layer,
                media_type: media_type.clone(),
            });
        }
        match self.kind {
            ManifestKind::Oci if self.config.media_type != media::OCI_CONFIG => {
                let media_type = if self.artifact_type.is_empty() {
                    &self.config.media_type
                } else {
                    &self.artifact_type
                };
                Err(ManifestError::Artifact {
                    media_type: media_type.clone(),
                })
            }
            ManifestKind::Oci => Ok(()),
            ManifestKind::Docker => self.check_family(),
        }
    }

    fn check_family(&self) -> Result<(), ManifestError> {
        let check = |field: String, media_type: &str| {
            if media::IN_DOCKER_MANIFESTS.contains(&media_type) {
                return Ok(());
            }
            Err(ManifestError::OtherFamily {
                field,
                media_type: media_type.to_owned(),
            })
        };
        check("mediaType".to_owned(), &self.media_type)?;
        for (index, layer) in self.layers.iter().enumerate() {
            check(format!("layers[{index}].mediaType"), &layer.media_type)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciManifestOut<'a> {
    schema_version: u32,
    media_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    artifact_type: &'a str,
    config: OciDescriptorOut<'a>,
    layers: Vec<OciDescriptorOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: &'a Option<serde_json::Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
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
                artifact_type: &self.artifact_type,
                config: oci_out(&self.config),
                layers: self.layers.iter().map(oci_out).collect(),
                subject: &self.subject,
                annotations: &self.annotations,
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
            Err(ManifestError::Ambiguous {
                field: "manifests",
                ..
            })
        ));
    }

    #[test]
    fn malformed_documents_have_exact_errors() {
        assert!(matches!(
            Document::parse(b"{", ""),
            Err(ManifestError::Field(_))
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
                urls: Vec::new(),
            };
            let mut parts: Vec<_> = sizes.iter().enumerate().map(descriptor).collect();
            let is_oci = kind == ManifestKind::Oci;
            let manifest = Manifest {
                kind,
                media_type: if is_oci { media::OCI_MANIFEST } else { media::DOCKER_MANIFEST }.to_owned(),
                artifact_type: String::new(),
                config: parts.remove(0),
                layers: parts,
                subject: is_oci.then(|| serde_json::json!({ "mediaType": "a/b", "digest": EMPTY, "size": 3 })),
                annotations: if is_oci { notes } else { BTreeMap::new() },
            };
            let read = Document::parse(&manifest.to_json(), "").unwrap();
            proptest::prop_assert_eq!(read, Document::Manifest(Box::new(manifest)));
        }
    }
}
