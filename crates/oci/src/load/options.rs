//! What to load, and the result.

use std::path::PathBuf;

use layerhold_ids::{Digest, ImageId};

use crate::platform::Platform;
use crate::source::SourceKind;

/// What to load, and as what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Which image of a source with several: a name as the source has it, or a digest.
    /// `None` loads all of them.
    pub image: Option<String>,
    /// The platform of multi-platform images. Without one it is that of this machine, and an image
    /// for only one platform is loaded whatever that is.
    pub platform: Option<Platform>,
    /// Names for the image instead of those in the source. Only for one image at a time.
    pub names: Option<Vec<String>>,
    /// A directory for large temporary files: archives that come compressed or from a pipe are
    /// unpacked there.
    pub scratch: PathBuf,
    /// Whether signatures are left behind. Only directories with one image have some.
    pub remove_signatures: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            image: None,
            platform: None,
            names: None,
            scratch: PathBuf::from("/var/tmp"),
            remove_signatures: false,
        }
    }
}

impl LoadOptions {
    /// The defaults: all images, for this machine, under their own names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads one image of several.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Chooses the platform.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Names the image.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Chooses the directory for large temporary files.
    #[must_use]
    pub fn scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = directory.into();
        self
    }

    /// Leaves signatures behind.
    #[must_use]
    pub fn remove_signatures(mut self) -> Self {
        self.remove_signatures = true;
        self
    }
}

/// An image that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadedImage {
    /// Its ID in the store: the digest of its configuration.
    pub id: ImageId,
    /// The names it got.
    pub names: Vec<String>,
    /// The digest of its manifest; the last one if the source has several.
    pub digest: Option<Digest>,
    /// Layers that were unpacked.
    pub imported: usize,
    /// Layers that the store had already.
    pub reused: usize,
    /// The kind of the source.
    pub source: SourceKind,
}
