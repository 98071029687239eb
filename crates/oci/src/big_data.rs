//! What a store keeps of an image besides its layers.

use std::collections::BTreeMap;

use layerhold::BigDataItem;
use layerhold_ids::Digest;
use serde::Serialize;

use crate::config::Config;
use crate::digest::sha256;
use crate::manifest::{Descriptor, Manifest, ManifestKind};
use crate::media;
use crate::source::{FoundImage, FoundManifest};

/// The small documents of an image: manifest, index and configuration.
pub(crate) struct BigData {
    pub(crate) manifest: FoundManifest,
    index: Option<(Digest, Vec<u8>)>,
    config_digest: Digest,
    config: Vec<u8>,
    /// In the form in which stores keep them.
    signatures: Vec<Vec<u8>>,
}

/// The metadata that skopeo and podman give an image: the sizes of its signatures, which are kept
/// one after the other (Go: `storageImageMetadata` in `image/storage/storage_image.go`).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    signature_sizes: &'a [u64],
    signatures_sizes: BTreeMap<&'a str, &'a [u64]>,
}

impl BigData {
    /// Collects the documents of an image whose layers are known.
    pub(crate) fn of(image: FoundImage, unpacked_sizes: &[u64]) -> Self {
        let made = || {
            docker_manifest(
                &image.config_digest,
                &image.config_bytes,
                &image.config,
                unpacked_sizes,
            )
        };
        BigData {
            manifest: image.manifest.unwrap_or_else(made),
            index: image.index,
            config_digest: image.config_digest,
            config: image.config_bytes,
            signatures: image.signatures,
        }
    }

    /// Takes the documents of an image that was built.
    pub(crate) fn built(manifest: FoundManifest, config_digest: Digest, config: Vec<u8>) -> Self {
        BigData {
            manifest,
            index: None,
            config_digest,
            config,
            signatures: Vec::new(),
        }
    }

    /// The digest of the image: that of the index it was chosen from, if any, which is the first
    /// one that Go finds.
    pub(crate) fn first_digest(&self) -> &Digest {
        match &self.index {
            Some((digest, _)) => digest,
            None => &self.manifest.digest,
        }
    }

    /// The metadata of the image.
    pub(crate) fn metadata(&self) -> String {
        let sizes: Vec<u64> = self.signatures.iter().map(|one| one.len() as u64).collect();
        let metadata = Metadata {
            signature_sizes: &sizes,
            signatures_sizes: BTreeMap::from([(self.manifest.digest.as_str(), &*sizes)]),
        };
        serde_json::to_string(&metadata).expect("numbers and texts always become JSON")
    }

    /// The big data items, in the order in which Go writes them (`CommitWithOptions` in
    /// `image/storage/storage_dest.go`).
    pub(crate) fn big_data(self) -> Vec<BigDataItem> {
        let item = |key: String, data: Vec<u8>, digest: &Digest| {
            BigDataItem::new(key, data).with_digest(digest.clone())
        };
        let manifest = self.manifest;
        let mut items = vec![item(
            self.config_digest.to_string(),
            self.config,
            &self.config_digest,
        )];
        if let Some((digest, bytes)) = self.index {
            items.push(item(format!("manifest-{digest}"), bytes, &digest));
        }
        for key in [
            format!("manifest-{}", manifest.digest),
            "manifest".to_owned(),
        ] {
            items.push(item(key, manifest.bytes.clone(), &manifest.digest));
        }
        let signatures = self.signatures.concat();
        let digest = sha256(&signatures);
        if !signatures.is_empty() {
            items.push(item("signatures".to_owned(), signatures.clone(), &digest));
        }
        // An empty list of signatures is recorded too, under the bare hexadecimal digest.
        let key = format!("signature-{}", manifest.digest.hex());
        items.push(item(key, signatures, &digest));
        items
    }
}

/// The manifest that Go generates for an image of a docker archive: docker's format, with the
/// unpacked layers as its blobs (Go: `image/docker/internal/tarfile/src.go`).
fn docker_manifest(
    config_digest: &Digest,
    config_bytes: &[u8],
    config: &Config,
    unpacked_sizes: &[u64],
) -> FoundManifest {
    let descriptor = |media_type: &str, digest: Digest, size| Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        annotations: Default::default(),
        urls: Vec::new(),
    };
    let manifest = Manifest {
        kind: ManifestKind::Docker,
        media_type: media::DOCKER_MANIFEST.to_owned(),
        artifact_type: String::new(),
        config: descriptor(
            media::DOCKER_CONFIG,
            config_digest.clone(),
            config_bytes.len() as u64,
        ),
        layers: unpacked_sizes
            .iter()
            .zip(&config.diff_ids)
            .map(|(size, diff_id)| {
                descriptor(media::DOCKER_LAYER, diff_id.clone().into_digest(), *size)
            })
            .collect(),
        subject: None,
        annotations: Default::default(),
    };
    let bytes = manifest.to_json();
    FoundManifest {
        digest: sha256(&bytes),
        bytes,
    }
}
