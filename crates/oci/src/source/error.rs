//! Why a source cannot be read.

use std::io;
use std::path::PathBuf;

use layerhold_ids::Digest;
use layerhold_sys::PathError;

use crate::config::ConfigError;
use crate::manifest::ManifestError;
use crate::platform::Platform;
use crate::typed::FieldError;

/// An image source that cannot be read, or does not hold what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Reading failed.
    #[error("cannot read {}", path.display())]
    Read {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A temporary file for the unpacked source cannot be written.
    #[error("cannot write a temporary file in {}", path.display())]
    Scratch {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The source is a tar that cannot be read.
    #[error("cannot read {} as a tar archive", path.display())]
    Tar {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: layerhold_tar_format::ParseError,
    },
    /// The source is compressed and cannot be decompressed.
    #[error("cannot decompress {}", path.display())]
    Codec {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: layerhold_archive::CodecError,
    },
    /// The source is none of the supported kinds.
    #[error(
        "cannot load {}: it is neither an OCI layout (no index.json) nor a docker archive or `dir:` (no manifest.json)",
        path.display()
    )]
    Unrecognized {
        /// The source.
        path: PathBuf,
    },
    /// A file that the source has to have is missing.
    #[error("cannot find {name} in {}", path.display())]
    Missing {
        /// The source.
        path: PathBuf,
        /// The file inside it.
        name: String,
    },
    /// A file is larger than such a file may be.
    #[error("cannot read {name}: it has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The file inside the source.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A blob is not what its name says.
    #[error("cannot use blob {expected}: its bytes have the digest {actual}")]
    DigestMismatch {
        /// The digest that names the blob.
        expected: Digest,
        /// The digest of its bytes.
        actual: Digest,
    },
    /// A manifest or an index is unusable.
    #[error("cannot use {name}")]
    Manifest {
        /// The file or digest.
        name: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// A configuration is unusable.
    #[error("cannot use the configuration {name}")]
    Config {
        /// The file or digest.
        name: String,
        /// Why.
        #[source]
        source: ConfigError,
    },
    /// Indices nest too deep.
    #[error("cannot follow indices that nest more than {limit} deep")]
    TooDeep {
        /// The deepest nesting that is followed.
        limit: usize,
    },
    /// No image of the source is for the wanted platform.
    #[error("cannot find an image for {wanted}: the source has {}", offered.join(", "))]
    NoSuchPlatform {
        /// The platform that was wanted.
        wanted: Platform,
        /// The platforms that the source has.
        offered: Vec<String>,
    },
    /// No image of the source has the wanted name.
    #[error("cannot find an image called {wanted:?}: the source has {}", offered.join(", "))]
    NoSuchImage {
        /// The name or digest that was wanted.
        wanted: String,
        /// The names that the source has.
        offered: Vec<String>,
    },
    /// The source holds no image at all.
    #[error("cannot find an image in {}", path.display())]
    Empty {
        /// The source.
        path: PathBuf,
    },
    /// The image for the wanted platform is listed, and its parts are not there.
    #[error(
        "cannot load the image for {wanted}: the source lists it, but does not hold its manifest {digest}{}",
        having(offered)
    )]
    NotIncluded {
        /// The platform that was wanted.
        wanted: Box<Platform>,
        /// The digest of its manifest.
        digest: Digest,
        /// The platforms whose manifests are there.
        offered: Vec<String>,
    },
    /// Several images of a source have one name.
    #[error("cannot tell which image {name:?} is: choose one by its digest, of {}", digests.join(", "))]
    SameName {
        /// The name.
        name: String,
        /// The digests of the manifests that have it.
        digests: Vec<String>,
    },
    /// A docker archive gives an image a name with a digest, of which it has no proof.
    #[error(
        "cannot take the name {name:?} from manifest.json: names there have tags and no digests"
    )]
    TagWithDigest {
        /// The name.
        name: String,
    },
    /// The configuration has another size than its manifest says.
    #[error(
        "cannot use the configuration {digest}: it has {actual} bytes, not {expected} as the manifest says"
    )]
    ConfigSize {
        /// The configuration.
        digest: Digest,
        /// The size in the manifest, in bytes.
        expected: u64,
        /// The size of the blob, in bytes.
        actual: u64,
    },
    /// The digest of the configuration is of another kind than IDs of images.
    #[error("cannot use the configuration {digest}: stores name images by sha256 digests, not by {}", digest.algorithm())]
    ConfigAlgorithm {
        /// The configuration.
        digest: Digest,
    },
    /// A docker archive names no configuration for an image.
    #[error("cannot load the image called {names:?}: manifest.json names no configuration for it")]
    NoConfig {
        /// The names of the image.
        names: Vec<String>,
    },
    /// The configuration of an image in a docker archive says nothing of layers.
    #[error("cannot use the configuration {name}: it has no rootfs")]
    NoRoot {
        /// The file.
        name: String,
    },
    /// An image names more or fewer layers than its configuration has.
    #[error(
        "cannot load an image whose manifest lists {layers} layers and whose configuration {diff_ids} diff IDs"
    )]
    LayerCount {
        /// Layers of the manifest.
        layers: usize,
        /// Diff IDs of the configuration.
        diff_ids: usize,
    },
    /// A directory with an image has a newer format.
    #[error("cannot load {}: its version {version:?} is not supported", path.display())]
    Version {
        /// The source.
        path: PathBuf,
        /// The contents of its version file.
        version: String,
    },
    /// A signature is in no known form.
    #[cfg(feature = "registry")]
    #[error("cannot use the signature {}", path.display())]
    Signature {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        source: layerhold_image_policy::SignatureError,
    },
    /// A signature cannot be checked, because this build does not know their forms.
    #[error("cannot use the signature {}: this needs the feature `registry`", path.display())]
    NoSignatures {
        /// Its file.
        path: PathBuf,
    },
    /// There are more signatures than any image has.
    #[error("cannot load {}: it has more than {limit} signatures", path.display())]
    TooManySignatures {
        /// The source.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A registry refuses.
    #[cfg(feature = "registry")]
    #[error(transparent)]
    Registry(#[from] layerhold_registry::RegistryError),
    /// A `manifest.json` that is not one.
    #[error("cannot use manifest.json")]
    DockerManifest(#[source] FieldError),
}

impl SourceError {
    /// Whether the source, a file in it, or the image that was asked for is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Path(error) => error.is_not_found(),
            Self::Read { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Missing { .. }
            | Self::NoSuchPlatform { .. }
            | Self::NoSuchImage { .. }
            | Self::NotIncluded { .. }
            | Self::Empty { .. } => true,
            _ => false,
        }
    }

    /// Whether several images are in each other's way: they have one name.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::SameName { .. })
    }

    /// Whether the disk is full, or a quota used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        layerhold_sys::is_out_of_space(self)
    }

    /// Whether reading was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }
}

/// What there is instead, for messages.
fn having(offered: &[String]) -> String {
    match offered {
        [] => String::new(),
        offered => format!(": it has {}", offered.join(", ")),
    }
}
