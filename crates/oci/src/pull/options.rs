//! What to pull, and the result.

use std::path::PathBuf;

use layerhold_ids::{Digest, ImageId};
use layerhold_reference::Reference;

use crate::platform::Platform;

/// How an image is pulled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PullOptions {
    /// The platform of multi-platform images. Without one it is that of this machine, and an image
    /// for only one platform is pulled whatever that is.
    pub platform: Option<Platform>,
    /// Names for the image instead of the one that it is pulled by.
    pub names: Option<Vec<String>>,
    /// A directory for the bytes of layers that come before they can be unpacked.
    pub scratch: PathBuf,
    /// How many layers are fetched at the same time; at least one.
    pub connections: usize,
    /// Whether signatures are dropped. Those that the policy requires are checked nevertheless.
    pub remove_signatures: bool,
}

impl Default for PullOptions {
    fn default() -> Self {
        PullOptions {
            platform: None,
            names: None,
            scratch: PathBuf::from("/var/tmp"),
            connections: 6,
            remove_signatures: false,
        }
    }
}

impl PullOptions {
    /// Chooses the image for a platform.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Gives the image these names instead of the one that it is pulled by.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Chooses the directory for layers that come before they can be unpacked.
    #[must_use]
    pub fn scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = directory.into();
        self
    }

    /// Fetches so many layers at the same time.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Drops signatures.
    #[must_use]
    pub fn remove_signatures(mut self) -> Self {
        self.remove_signatures = true;
        self
    }
}

/// An image that was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PulledImage {
    /// Its ID in the store: the digest of its configuration.
    pub id: ImageId,
    /// The names it got.
    pub names: Vec<String>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The image that was asked for, with its registry.
    pub reference: Reference,
    /// Where it came from: the same, another location, or a mirror.
    pub source: Reference,
    /// Layers that were fetched.
    pub imported: usize,
    /// Layers that the store had already.
    pub reused: usize,
}
