//! The JSON documents of an image, by the OCI image specification and docker's schema 2.

use std::path::Path;

use super::blobs::Blobs;
use super::{Compression, Descriptor, Format, MadeLayer, MadeManifest};

/// The media type of a layer.
pub(super) fn layer_type(format: Format, compression: Compression) -> &'static str {
    match (format, compression) {
        (Format::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
        (Format::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
        (Format::Oci, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        (Format::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
        (Format::Docker, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        (Format::Docker, Compression::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
}

/// Writes the configuration and the manifest for one platform.
pub(super) fn manifest(blobs: &Blobs, platform: &str, layers: Vec<MadeLayer>) -> MadeManifest {
    let (own_type, config_type) = match blobs.format {
        Format::Oci => (
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.config.v1+json",
        ),
        Format::Docker => (
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.container.image.v1+json",
        ),
    };
    let config = blobs.document(&config_text(platform, &layers), config_type);
    let described = layers.iter().map(|layer| shown(&layer.descriptor, ""));
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{own_type}","config":{},"layers":[{}]}}"#,
        shown(&config, ""),
        joined(described)
    );
    MadeManifest {
        platform: platform.into(),
        descriptor: blobs.document(&text, own_type),
        config,
        layers,
    }
}

/// Writes the index, or manifest list, of several platforms.
pub(super) fn index(blobs: &Blobs, manifests: &[MadeManifest]) -> Descriptor {
    let own_type = match blobs.format {
        Format::Oci => "application/vnd.oci.image.index.v1+json",
        Format::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
    };
    let described = manifests.iter().map(|manifest| {
        let platform = platform_fields(&manifest.platform);
        shown(
            &manifest.descriptor,
            &format!(r#","platform":{{{platform}}}"#),
        )
    });
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{own_type}","manifests":[{}]}}"#,
        joined(described)
    );
    blobs.document(&text, own_type)
}

/// Makes `directory` an OCI layout whose reference `latest` is `top`.
pub(super) fn layout(directory: &Path, top: &Descriptor) {
    let name = r#","annotations":{"org.opencontainers.image.ref.name":"latest"}"#;
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        shown(top, name)
    );
    for (name, text) in [
        ("index.json", index.as_str()),
        ("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
    ] {
        std::fs::write(directory.join(name), text).expect("the directory is writable");
    }
}

fn config_text(platform: &str, layers: &[MadeLayer]) -> String {
    let created = r#""created":"2024-01-01T00:00:00Z""#;
    let diff_ids = layers.iter().map(|layer| format!(r#""{}""#, layer.diff_id));
    let history = layers
        .iter()
        .map(|_| format!(r#"{{{created},"created_by":"testkit"}}"#));
    format!(
        r#"{{{created},{},"config":{{"Env":["PATH=/bin"],"Cmd":["/bin/sh"]}},"rootfs":{{"type":"layers","diff_ids":[{}]}},"history":[{}]}}"#,
        platform_fields(platform),
        joined(diff_ids),
        joined(history)
    )
}

/// The fields of a platform, which a configuration and an index both have.
fn platform_fields(platform: &str) -> String {
    let names = ["os", "architecture", "variant"];
    let fields = names.iter().zip(platform.split('/'));
    joined(fields.map(|(name, value)| format!(r#""{name}":"{value}""#)))
}

fn shown(descriptor: &Descriptor, more: &str) -> String {
    let Descriptor {
        media_type,
        digest,
        size,
    } = descriptor;
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{more}}}"#)
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}
