//! Where images come from: OCI layouts and docker archives, as directories or tar files.

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
    DockerManifest(#[source] serde_json::Error),
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
        // Newer docker writes both forms into one archive; the OCI one says more.
        if index.has("index.json") && index.has("oci-layout") {
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

    /// Finds the images: all of them, or the one called `wanted`; of those that exist for
    /// several platforms, the one that fits `platform` best.
    pub(crate) fn images(
        &self,
        wanted: Option<&str>,
        platform: &Platform,
    ) -> Result<Vec<FoundImage>, SourceError> {
        match self {
            Self::Oci(layout) => layout.images(wanted, platform),
            Self::Docker(archive) => archive.images(wanted),
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
