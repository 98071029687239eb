//! The manifest of an image whose layers were written as blobs.

use layerhold_archive::Codec;
use layerhold_ids::Digest;

use crate::manifest::{Descriptor, Manifest, ManifestKind};
use crate::media;
use crate::stored::StoredImage;

/// A written blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// What becomes of media types that do not fit their blobs, in a manifest that names these blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// They stay, with their manifest.
    Kept,
    /// The right ones replace them.
    Right,
}

/// The manifest for the written blobs: the image's own, byte for byte, if it is of this kind and
/// names these blobs, and otherwise a new one.
pub(crate) fn manifest(
    image: &StoredImage,
    blobs: &[(Blob, Codec)],
    kind: ManifestKind,
    labels: Labels,
) -> Vec<u8> {
    let original = &image.manifest;
    let known = |index: usize| original.layers.get(index);
    let layers: Vec<Descriptor> = blobs
        .iter()
        .enumerate()
        .map(|(index, (blob, codec))| layer(known(index), blob, *codec, kind))
        .collect();
    if original.kind == kind && is_same(&original.layers, &layers, labels) {
        return image.manifest_bytes.clone();
    }
    let (media_type, config) = match kind {
        ManifestKind::Oci => (media::OCI_MANIFEST, media::OCI_CONFIG),
        ManifestKind::Docker => (media::DOCKER_MANIFEST, media::DOCKER_CONFIG),
    };
    Manifest {
        kind,
        media_type: media_type.to_owned(),
        artifact_type: original.artifact_type.clone(),
        config: Descriptor {
            media_type: config.to_owned(),
            digest: image.config_digest.clone(),
            size: image.config_bytes.len() as u64,
            platform: None,
            annotations: original.config.annotations.clone(),
            urls: Vec::new(),
        },
        layers,
        subject: original.subject.clone(),
        annotations: original.annotations.clone(),
    }
    .to_json()
}

fn is_same(before: &[Descriptor], after: &[Descriptor], labels: Labels) -> bool {
    let is_same = |before: &Descriptor, after: &Descriptor| {
        before.digest == after.digest
            && (labels == Labels::Kept || before.media_type == after.media_type)
    };
    let mut pairs = before.iter().zip(after);
    before.len() == after.len() && pairs.all(|(before, after)| is_same(before, after))
}

/// Describes a written layer, with its annotations except those that hold for the original blob
/// only.
fn layer(known: Option<&Descriptor>, blob: &Blob, codec: Codec, kind: ManifestKind) -> Descriptor {
    let mut annotations = known
        .map(|layer| layer.annotations.clone())
        .unwrap_or_default();
    if known.is_none_or(|layer| layer.digest != blob.digest) {
        annotations.retain(|key, _| !media::OF_ONE_BLOB.iter().any(|one| key.starts_with(one)));
    }
    let media_type = match (kind, codec) {
        (ManifestKind::Oci, codec) => format!("{}{}", media::OCI_LAYER, oci_suffix(codec)),
        (ManifestKind::Docker, Codec::Plain) => media::DOCKER_PLAIN_LAYER.to_owned(),
        (ManifestKind::Docker, _) => media::DOCKER_LAYER.to_owned(),
    };
    Descriptor {
        media_type,
        digest: blob.digest.clone(),
        size: blob.size,
        platform: None,
        annotations,
        urls: Vec::new(),
    }
}

/// The end of OCI's media type for a layer with this compression.
pub(crate) fn oci_suffix(codec: Codec) -> &'static str {
    match codec {
        Codec::Gzip => "+gzip",
        Codec::Zstd => "+zstd",
        _ => "",
    }
}
