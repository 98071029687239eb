//! Where images come from: OCI layouts and docker archives, as directories or tar files.

mod choose;
mod docker_archive;
mod oci_layout;
mod tar_index;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_archive::Codec;
use layerhold_ids::Digest;
use layerhold_sys::{Dir, PathError};

use crate::config::Config;
use crate::copy::{CopyError, copy};
use crate::manifest::{MAX_MANIFEST_SIZE, ManifestError};
use crate::platform::Platform;
use crate::section::Section;
use crate::typed::FieldError;
pub(crate) use tar_index::TarIndex;

/// What an image is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    /// A directory with an `oci-layout` file.
    OciLayout,
    /// A tar of such a directory.
    OciArchive,
    /// What `docker save` and `podman save` write.
    DockerArchive,
}

/// An image source that cannot be read, or does not hold what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The kernel refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Reading failed.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A temporary file for the unpacked source cannot be written.
    #[error("a temporary file in {} cannot be written", path.display())]
    Scratch {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The source is a tar that cannot be read.
    #[error("{} is not a tar archive that can be read", path.display())]
    Tar {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: layerhold_tar_format::ParseError,
    },
    /// The source is compressed and cannot be decompressed.
    #[error("{} cannot be decompressed", path.display())]
    Codec {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: layerhold_archive::CodecError,
    },
    /// The source is none of the supported kinds.
    #[error(
        "{} is neither an OCI layout nor a docker archive: it has no index.json and no manifest.json",
        path.display()
    )]
    Unrecognized {
        /// The source.
        path: PathBuf,
    },
    /// A file that the source has to have is missing.
    #[error("{name} is missing in {}", path.display())]
    Missing {
        /// The source.
        path: PathBuf,
        /// The file inside it.
        name: String,
    },
    /// A file is larger than such a file may be.
    #[error("{name} has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// The file inside the source.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A blob is not what its name says.
    #[error("blob {expected} has the digest {actual}")]
    DigestMismatch {
        /// The digest that names the blob.
        expected: Digest,
        /// The digest of its bytes.
        actual: Digest,
    },
    /// A manifest or an index is unusable.
    #[error("{name} is unusable")]
    Manifest {
        /// The file or digest.
        name: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// A configuration is unusable.
    #[error("the configuration {name} is unusable")]
    Config {
        /// The file or digest.
        name: String,
        /// Why.
        #[source]
        source: crate::config::ConfigError,
    },
    /// Index entries point at indices without end.
    #[error("the index nests more than {limit} deep")]
    TooDeep {
        /// The deepest nesting that is followed.
        limit: usize,
    },
    /// No image of the source is for the wanted platform.
    #[error("no image for {wanted}: the source has {}", offered.join(", "))]
    NoSuchPlatform {
        /// The platform that was wanted.
        wanted: Platform,
        /// The platforms that the source has.
        offered: Vec<String>,
    },
    /// No image of the source has the wanted name.
    #[error("no image is called {wanted:?}: the source has {}", offered.join(", "))]
    NoSuchImage {
        /// The name or digest that was wanted.
        wanted: String,
        /// The names that the source has.
        offered: Vec<String>,
    },
    /// The source holds no image at all.
    #[error("{} holds no image", path.display())]
    Empty {
        /// The source.
        path: PathBuf,
    },
    /// The image for the wanted platform is listed, and its parts are not there.
    #[error(
        "the image for {wanted} is listed, but its manifest {digest} is not in the source{}",
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
    #[error("several images are called {name:?}: choose one by its digest, of {}", digests.join(", "))]
    SameName {
        /// The name.
        name: String,
        /// The digests of the manifests that have it.
        digests: Vec<String>,
    },
    /// A docker archive gives an image a name with a digest, of which it has no proof.
    #[error("manifest.json calls an image {name:?}, and names there have tags and no digests")]
    TagWithDigest {
        /// The name.
        name: String,
    },
    /// The configuration has another size than its manifest says.
    #[error("the configuration {digest} has {actual} bytes, not {expected} as the manifest says")]
    ConfigSize {
        /// The configuration.
        digest: Digest,
        /// The size in the manifest, in bytes.
        expected: u64,
        /// The size of the blob, in bytes.
        actual: u64,
    },
    /// The digest of the configuration is of another kind than IDs of images.
    #[error("the configuration {digest} is named by a {} digest, and stores name images by sha256 only", digest.algorithm())]
    ConfigAlgorithm {
        /// The configuration.
        digest: Digest,
    },
    /// A docker archive names no configuration for an image.
    #[error("manifest.json names no configuration for the image called {names:?}")]
    NoConfig {
        /// The names of the image.
        names: Vec<String>,
    },
    /// The configuration of an image in a docker archive says nothing of layers.
    #[error("the configuration {name} has no rootfs")]
    NoRoot {
        /// The file.
        name: String,
    },
    /// An image names more or fewer layers than its configuration has.
    #[error("the manifest lists {layers} layers and the configuration {diff_ids} diff IDs")]
    LayerCount {
        /// Layers of the manifest.
        layers: usize,
        /// Diff IDs of the configuration.
        diff_ids: usize,
    },
    /// A `manifest.json` that is not one.
    #[error("manifest.json is unusable")]
    DockerManifest(#[source] FieldError),
}

/// What there is instead, for messages.
fn having(offered: &[String]) -> String {
    match offered {
        [] => String::new(),
        offered => format!(": it has {}", offered.join(", ")),
    }
}

/// Which images of a source are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// A name or a digest; all images when absent.
    pub(crate) image: Option<&'a str>,
    /// The platform that was asked for.
    pub(crate) platform: Option<&'a Platform>,
    /// Whether the images get other names than those in the source.
    pub(crate) renames: bool,
}

impl Wish<'_> {
    /// The platform to choose by: that of this machine when none was asked for.
    fn platform(&self) -> Platform {
        self.platform.cloned().unwrap_or_else(Platform::host)
    }

    /// Checks that an image is for the platform that was asked for, by what it says itself.
    fn check_platform(&self, config: &Config) -> Result<(), SourceError> {
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

/// The images of a source, and what it has beside them.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) images: Vec<FoundImage>,
    /// What is no image, with the reason.
    pub(crate) others: Vec<(Digest, ManifestError)>,
}

/// One image of a source, with everything but its layers in memory.
#[derive(Debug)]
pub(crate) struct FoundImage {
    /// Its names in the source, not completed.
    pub(crate) names: Vec<String>,
    /// The manifest, where the source has one (a docker archive does not).
    pub(crate) manifest: Option<FoundManifest>,
    /// The index that the manifest was chosen from.
    pub(crate) index: Option<(Digest, Vec<u8>)>,
    /// The bytes of the configuration.
    pub(crate) config_bytes: Vec<u8>,
    /// Their digest.
    pub(crate) config_digest: Digest,
    /// What they say.
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
    /// Where it is in the source.
    pub(crate) at: String,
}

/// An opened source.
#[derive(Debug)]
pub(crate) enum OpenSource {
    Oci(oci_layout::OciLayout),
    Docker(docker_archive::DockerArchive),
}

impl OpenSource {
    /// Opens a directory or file and finds out what it is. A compressed archive is unpacked
    /// into an unnamed file in `scratch` first.
    pub(crate) fn open(path: &Path, scratch: &Path) -> Result<Self, SourceError> {
        match Dir::open_ambient(path) {
            Ok(dir) => return oci_layout::OciLayout::from_dir(path, dir).map(Self::Oci),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(error.into()),
        }
        let error = |source| SourceError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(error)?;
        if !file.metadata().map_err(error)?.is_file() {
            // A pipe or a terminal cannot be read from the middle.
            file = spool(path, &mut file, scratch)?;
        }
        Self::from_file(path, file, scratch)
    }

    /// Reads an archive from a stream, by way of an unnamed file in `scratch`: its parts are
    /// not in the order in which they are needed.
    pub(crate) fn from_stream(stream: &mut dyn Read, scratch: &Path) -> Result<Self, SourceError> {
        let path = Path::new("standard input");
        let file = spool(path, stream, scratch)?;
        Self::from_file(path, file, scratch)
    }

    fn from_file(path: &Path, mut file: File, scratch: &Path) -> Result<Self, SourceError> {
        let read_error = |source| SourceError::Read {
            path: path.to_owned(),
            source,
        };
        let mut magic = Vec::new();
        (&mut file)
            .take(layerhold_archive::SNIFF_LEN as u64)
            .read_to_end(&mut magic)
            .map_err(read_error)?;
        file.rewind().map_err(read_error)?;
        let codec = Codec::sniff(&magic);
        if codec != Codec::Plain {
            let codec_error = |source| SourceError::Codec {
                path: path.to_owned(),
                source,
            };
            let mut plain = layerhold_archive::decompressor(codec, file).map_err(codec_error)?;
            file = spool(path, &mut plain, scratch)?;
        }
        let index = TarIndex::read(path, Arc::new(file))?;
        // Newer docker writes both forms into one archive; the OCI one says more. Like podman, this
        // does not insist on the file `oci-layout`.
        if index.has("index.json") {
            oci_layout::OciLayout::from_tar(path, index).map(Self::Oci)
        } else if index.has("manifest.json") {
            Ok(Self::Docker(docker_archive::DockerArchive::new(
                path, index,
            )))
        } else {
            Err(SourceError::Unrecognized {
                path: path.to_owned(),
            })
        }
    }

    pub(crate) fn kind(&self) -> SourceKind {
        match self {
            Self::Oci(layout) => layout.kind(),
            Self::Docker(_) => SourceKind::DockerArchive,
        }
    }

    /// Finds the images: all of them, or the one that is wished for; of those that exist for
    /// several platforms, the one that fits best.
    pub(crate) fn contents(&self, wish: Wish<'_>) -> Result<Contents, SourceError> {
        match self {
            Self::Oci(layout) => layout.contents(wish),
            Self::Docker(archive) => Ok(Contents {
                images: archive.images(wish)?,
                others: Vec::new(),
            }),
        }
    }

    /// Opens the blob of a layer.
    pub(crate) fn layer(&self, layer: &FoundLayer) -> Result<Section, SourceError> {
        match self {
            Self::Oci(layout) => layout.blob(&layer.digest),
            Self::Docker(archive) => archive.member(&layer.at),
        }
    }
}

/// Copies a stream to an unnamed file.
fn spool(path: &Path, stream: &mut dyn Read, scratch: &Path) -> Result<File, SourceError> {
    let error = |source| SourceError::Read {
        path: path.to_owned(),
        source,
    };
    let no_room = |source| SourceError::Scratch {
        path: scratch.to_owned(),
        source,
    };
    let mut file = tempfile::tempfile_in(scratch).map_err(no_room)?;
    copy(stream, &mut file).map_err(|failed| match failed {
        CopyError::Read(source) => error(source),
        CopyError::Write(source) => no_room(source),
    })?;
    file.rewind().map_err(error)?;
    Ok(file)
}

/// Reads a whole small file of a source.
fn read_small(name: &str, mut section: Section, limit: u64) -> Result<Vec<u8>, SourceError> {
    let size = section.len();
    if size > limit {
        return Err(SourceError::TooLarge {
            name: name.to_owned(),
            size,
            limit,
        });
    }
    let mut bytes = Vec::new();
    section
        .read_to_end(&mut bytes)
        .map_err(|source| SourceError::Read {
            path: PathBuf::from(name),
            source,
        })?;
    Ok(bytes)
}

/// Reads a manifest or an index: a file of at most [`MAX_MANIFEST_SIZE`] bytes.
fn read_manifest(name: &str, section: Section) -> Result<Vec<u8>, SourceError> {
    read_small(name, section, MAX_MANIFEST_SIZE)
}
