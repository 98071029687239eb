//! Sources of images: OCI layouts, docker archives and directories with one image.

mod oci_layout;
mod docker_archive;
mod image_directory;
mod resolve;
mod choose;
mod layers;
mod found;
mod files;
mod tar_index;
mod error;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use layerhold_archive::Codec;
use layerhold_sys::{Cancel, Dir};

use self::tar_index::TarIndex;
use crate::copy::{CopyError, copy};

pub use self::error::SourceError;
pub use self::found::SourceKind;
pub(crate) use self::found::{Contents, FoundImage, FoundLayer, FoundManifest, Selection};
pub(crate) use self::layers::{LayerStream, Layers};
#[cfg(feature = "registry")]
pub(crate) use self::resolve::{Documents, FirstDocument, choose_manifest};

/// An opened source.
#[derive(Debug)]
pub(crate) enum OpenSource {
    Oci(oci_layout::OciLayout),
    Docker(docker_archive::DockerArchive),
    Directory(image_directory::ImageDirectory),
}

impl OpenSource {
    /// Opens a directory or file and recognises its kind. A compressed archive is first
    /// decompressed to an unnamed file in `scratch`.
    pub(crate) fn open(path: &Path, scratch: &Path, cancel: &Cancel) -> Result<Self, SourceError> {
        match Dir::open_ambient(path) {
            Ok(dir) => return Self::from_dir(path, dir),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(error.into()),
        }
        let error = |source| SourceError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(error)?;
        if !file.metadata().map_err(error)?.is_file() {
            // A pipe or a terminal cannot be read at an offset.
            file = spool(path, &mut file, scratch, cancel)?;
        }
        Self::from_file(path, file, scratch, cancel)
    }

    fn from_dir(path: &Path, dir: Dir) -> Result<Self, SourceError> {
        let is_layout = dir.exists("index.json")?;
        match !is_layout && image_directory::ImageDirectory::is_one(&dir)? {
            true => image_directory::ImageDirectory::open(path, dir).map(Self::Directory),
            false => oci_layout::OciLayout::from_dir(path, dir).map(Self::Oci),
        }
    }

    /// Reads an archive from a stream, through an unnamed file in `scratch`: its members are not in
    /// the order in which they are needed.
    pub(crate) fn from_stream(
        stream: &mut dyn Read,
        scratch: &Path,
        cancel: &Cancel,
    ) -> Result<Self, SourceError> {
        let path = Path::new("standard input");
        let file = spool(path, stream, scratch, cancel)?;
        Self::from_file(path, file, scratch, cancel)
    }

    fn from_file(
        path: &Path,
        mut file: File,
        scratch: &Path,
        cancel: &Cancel,
    ) -> Result<Self, SourceError> {
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
            file = spool(path, &mut plain, scratch, cancel)?;
        }
        let index = TarIndex::read(path, Arc::new(file))?;
        // Newer docker writes both forms into one archive; the OCI form has more information. Like
        // podman, this does not require the file `oci-layout`.
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

    /// Finds the images: all of them, or the selected one. Of a multi-platform image it is the one
    /// that fits best.
    pub(crate) fn contents(&self, selection: Selection<'_>) -> Result<Contents, SourceError> {
        match self {
            Self::Oci(layout) => layout.contents(selection),
            Self::Docker(archive) => Ok(Contents {
                images: archive.images(selection)?,
                others: Vec::new(),
            }),
            Self::Directory(directory) => directory.contents(selection),
        }
    }
}

impl Layers for OpenSource {
    fn kind(&self) -> SourceKind {
        match self {
            Self::Oci(layout) => layout.kind(),
            Self::Docker(_) => SourceKind::DockerArchive,
            Self::Directory(_) => SourceKind::ImageDirectory,
        }
    }

    fn open(&self, _index: usize, layer: &FoundLayer) -> Result<LayerStream<'_>, SourceError> {
        let section = match self {
            Self::Oci(layout) => layout.blob(&layer.digest),
            Self::Docker(archive) => archive.member(&layer.at),
            Self::Directory(directory) => directory.blob(&layer.digest),
        }?;
        Ok(LayerStream {
            size: Some(section.len()),
            reader: Box::new(section),
        })
    }
}

/// Copies a stream to an unnamed file.
fn spool(
    path: &Path,
    stream: &mut dyn Read,
    scratch: &Path,
    cancel: &Cancel,
) -> Result<File, SourceError> {
    let error = |source| SourceError::Read {
        path: path.to_owned(),
        source,
    };
    let no_room = |source| SourceError::Scratch {
        path: scratch.to_owned(),
        source,
    };
    let mut file = tempfile::tempfile_in(scratch).map_err(no_room)?;
    copy(stream, &mut file, cancel).map_err(|failed| match failed {
        CopyError::Read(source) => error(source),
        CopyError::Write(source) => no_room(source),
    })?;
    file.rewind().map_err(error)?;
    Ok(file)
}
