//! The selection of images in a source, and the images found.

use layerhold_ids::Digest;

use super::error::SourceError;
use crate::config::Config;
use crate::manifest::{Descriptor, ManifestError};
use crate::platform::Platform;

/// The kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    /// A directory with an `oci-layout` file.
    OciLayout,
    /// A tar of such a directory.
    OciArchive,
    /// What `docker save` and `podman save` write.
    DockerArchive,
    /// A directory with one image and its signatures, which skopeo calls `dir:`.
    ImageDirectory,
    /// A registry.
    Registry,
}

/// Which images of a source to load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    /// A name or a digest; all images when absent.
    pub(crate) image: Option<&'a str>,
    /// The requested platform.
    pub(crate) platform: Option<&'a Platform>,
    /// Whether the images get other names than those in the source.
    pub(crate) renames: bool,
    /// Whether signatures come along.
    pub(crate) keeps_signatures: bool,
}

impl Selection<'_> {
    /// The platform to choose by: that of this machine if none was requested.
    pub(super) fn platform(&self) -> Platform {
        self.platform.cloned().unwrap_or_else(Platform::host)
    }

    /// Checks the platform in the configuration of an image against the requested one.
    pub(super) fn check_platform(&self, config: &Config) -> Result<(), SourceError> {
        let says = &config.platform;
        let differs = |wanted: &str, says: &str| !says.is_empty() && wanted != says;
        match self.platform {
            Some(wanted)
                if differs(&wanted.os, &says.os)
                    || differs(&wanted.architecture, &says.architecture) =>
            {
                Err(SourceError::NoSuchPlatform {
                    wanted: wanted.clone(),
                    offered: vec![says.to_string()],
                })
            }
            _ => Ok(()),
        }
    }
}

/// The images of a source, and its other entries.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) images: Vec<FoundImage>,
    /// Entries that are not images, with the reason.
    pub(crate) others: Vec<(Digest, ManifestError)>,
}

/// One image of a source, with everything but its layers in memory.
#[derive(Debug)]
pub(crate) struct FoundImage {
    /// Its names as in the source, not completed.
    pub(crate) names: Vec<String>,
    /// The manifest, where the source has one (a docker archive does not).
    pub(crate) manifest: Option<FoundManifest>,
    /// The index that the manifest was chosen from.
    pub(crate) index: Option<(Digest, Vec<u8>)>,
    /// The signatures of the manifest, as stores keep them.
    pub(crate) signatures: Vec<Vec<u8>>,
    /// The bytes of the configuration.
    pub(crate) config_bytes: Vec<u8>,
    /// Their digest.
    pub(crate) config_digest: Digest,
    /// The parsed configuration.
    pub(crate) config: Config,
    /// Its layers, bottom first.
    pub(crate) layers: Vec<FoundLayer>,
}

/// The manifest of an image as it is in the source.
#[derive(Debug)]
pub(crate) struct FoundManifest {
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
}

/// A layer blob of a source.
#[derive(Clone, Debug)]
pub(crate) struct FoundLayer {
    /// The digest of the blob as stored, or of its unpacked form in a docker archive.
    pub(crate) digest: Digest,
    /// The size as declared, in bytes.
    pub(crate) size: u64,
    /// Its place in the source.
    pub(crate) at: String,
    /// Where else it can be fetched.
    #[cfg_attr(
        not(feature = "registry"),
        expect(dead_code, reason = "only registries need it")
    )]
    pub(crate) urls: Vec<String>,
}

impl FoundLayer {
    /// The layer that a descriptor in a manifest names.
    pub(super) fn of_blob(layer: &Descriptor) -> Self {
        FoundLayer {
            digest: layer.digest.clone(),
            size: layer.size,
            at: layer.digest.to_string(),
            urls: layer.urls.clone(),
        }
    }
}
