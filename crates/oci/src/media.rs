//! Media types of manifests, configurations and layers.
//!
//! OCI names come from the OCI image specification (`media-types.md`), docker names from the
//! distribution project's "Image Manifest Version 2, Schema 2".

/// An OCI index: a list of manifests, usually one for each platform.
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image manifest.
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image configuration.
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// An OCI layer: a plain tar. Compressed ones append `+gzip` or `+zstd`.
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A docker manifest list.
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A docker image manifest.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A docker image configuration.
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// A docker layer. Go writes this name for plain tars as well, because the format has no other.
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A docker layer that is not compressed.
pub(crate) const DOCKER_PLAIN_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// The layout marker file and its only known contents.
pub(crate) const OCI_LAYOUT_VERSION: &str = "{\"imageLayoutVersion\": \"1.0.0\"}";
/// The annotation of an index entry that names the image.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that containerd and docker use for the full name.
pub(crate) const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The largest signature, in bytes (Go: `MaxSignatureBodySize` in `image/internal/iolimits`).
pub(crate) const MAX_SIGNATURE_SIZE: u64 = 4 * 1024 * 1024;
/// Docker's oldest manifests.
pub(crate) const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// The types of manifests and indices that registries are asked for, the preferred first.
#[cfg(feature = "registry")]
pub const MANIFEST_TYPES: &[&str] = &[OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];
/// The end of media types of encrypted layers.
pub(crate) const ENCRYPTED: &str = "+encrypted";
/// The types that Go accepts in a docker manifest, for itself and for its layers
/// (`SupportedSchema2MediaType` in `image/manifest/manifest.go`). Newer versions accept zstd too;
/// one such image makes all commands of older versions fail.
pub(crate) const IN_DOCKER_MANIFESTS: &[&str] = &[
    DOCKER_LIST,
    DOCKER_SCHEMA_1,
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    DOCKER_CONFIG,
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    DOCKER_PLAIN_LAYER,
];
/// The prefixes of annotations with positions in a compressed blob: zstd:chunked (Go:
/// `storage/pkg/chunked/internal/minimal/compression.go`) and estargz. They hold for that blob
/// only.
pub(crate) const OF_ONE_BLOB: &[&str] = &[
    "io.github.containers.zstd-chunked.",
    "containerd.io/snapshot/stargz/",
    "io.containers.estargz.",
];
