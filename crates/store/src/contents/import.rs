//! Importing the tar of a layer: the one routine that unpacks.
//!
//! One pass over the stream gives both digests, the tar-split file and the tree. The layer may be
//! new, one that is there already, or a tree that has no layer yet: a [`Destination`] says which.

use std::io;
use std::io::{BufWriter, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use layerhold_archive::{
    Codec, ImportError, ImportOptions, Imported, OwnFiles, UnpackOptions, Unpacker, Unsettled,
};
use layerhold_driver::LayerError;
use layerhold_idmap::IdMappings;
use layerhold_ids::{Algorithm, CompressedDigest, DiffId, Digest};
use layerhold_schema::{Compression, LayerRecord};
use layerhold_staging::StagedAddition;
use layerhold_sys::{Cancel, Dir, PathError};
use layerhold_tar_split::Recorder;

use crate::catalog::files;
use crate::catalog::layout::FILE_MODE;
use crate::contents::progress::{Counted, Reporting};
use crate::records::Layer;
use crate::spec::LayerSpec;
use crate::spec::error::StageError;

/// What an archive is unpacked into.
pub(crate) struct Destination<'a> {
    /// The directory that stands for the root of the layer.
    pub(crate) root: Dir,
    /// How the driver wants archives unpacked.
    pub(crate) options: UnpackOptions,
    /// How the owners in the tree are mapped.
    pub(crate) maps: IdMappings,
    /// Decides what the layers below decide, when everything is unpacked.
    pub(crate) settle: &'a mut dyn FnMut(&Unsettled) -> Result<(), LayerError>,
}

/// Unpacks a tar, plain or compressed, and writes its tar-split file. `advance` is told how many
/// bytes have come in.
pub(crate) fn import(
    reader: impl Read + Send,
    destination: Destination<'_>,
    tar_split: &StagedAddition,
    options: &ImportOptions,
    advance: &mut dyn FnMut(u64),
) -> Result<Imported, ImportFailure> {
    let file = BufWriter::new(tar_split.create_file(FILE_MODE)?);
    let mut unpack_options = destination.options;
    unpack_options.id_maps = destination.maps;
    unpack_options.own_files = OwnFiles::Keep;
    let unpacker = Unpacker::new(&destination.root, unpack_options)?;
    let count = AtomicU64::new(0);
    let mut sink = Reporting {
        inner: Recorder::new(file),
        count: &count,
        told: 0,
        advance,
    };
    let reader = Counted {
        inner: reader,
        count: &count,
    };
    let imported = layerhold_archive::import(reader, &mut sink, unpacker, options)
        .map_err(|error| ImportFailure::Import(Box::new(error)))?;
    (destination.settle)(&imported.unpacked.unsettled).map_err(ImportFailure::Driver)?;
    (sink.advance)(count.load(Ordering::Relaxed));
    files::finish(sink.inner, &tar_split.path()).map_err(ImportFailure::Record)?;
    Ok(imported)
}

/// Why an import failed; each caller has its own error for that.
pub(crate) enum ImportFailure {
    /// The stream is no tar that can be unpacked.
    Import(Box<ImportError>),
    /// The driver refuses.
    Driver(LayerError),
    /// The tar-split file cannot be written.
    Record(io::Error),
    /// A file cannot be used.
    Os(PathError),
}

impl From<PathError> for ImportFailure {
    fn from(error: PathError) -> Self {
        Self::Os(error)
    }
}

impl From<ImportFailure> for StageError {
    fn from(failure: ImportFailure) -> Self {
        match failure {
            ImportFailure::Import(error) => Self::Import(error),
            ImportFailure::Driver(error) => Self::Driver(error),
            ImportFailure::Record(error) => Self::Record(error),
            ImportFailure::Os(error) => error.into(),
        }
    }
}

impl LayerSpec {
    /// How the stream of this layer is imported: digests that the caller vouches for are not
    /// computed.
    pub(crate) fn import_options(&self, cancel: &Cancel) -> ImportOptions {
        let trusted = |digest: Option<&Digest>| digest.and_then(sha256);
        ImportOptions {
            known_compressed: trusted(
                self.trusted_compressed
                    .as_ref()
                    .map(CompressedDigest::digest),
            ),
            known_uncompressed: trusted(self.trusted_diff_id.as_ref().map(DiffId::digest)),
            cancel: cancel.clone(),
            ..ImportOptions::default()
        }
    }
}

/// The bytes of a SHA-256 digest. Those of other algorithms are not taken over, as in Go.
fn sha256(digest: &Digest) -> Option<[u8; 32]> {
    if digest.algorithm() != Algorithm::Sha256 {
        return None;
    }
    digest.to_bytes().try_into().ok()
}

/// What importing a layer found out about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerDigests {
    /// Digest of the tar.
    pub diff_id: DiffId,
    /// Size of the tar in bytes.
    pub diff_size: u64,
    /// Digest of the stream as it came in; that of the tar when it came uncompressed.
    pub compressed: CompressedDigest,
    /// Size of the stream as it came in.
    pub compressed_size: u64,
    /// How it was compressed.
    pub compression: Codec,
    /// Sum of the sizes of the files in it.
    pub content_size: u64,
}

impl LayerDigests {
    /// What an import found out.
    pub(crate) fn of_import(imported: &Imported) -> Self {
        Self {
            diff_id: DiffId::new(Digest::sha256(imported.uncompressed.sha256)),
            diff_size: imported.uncompressed.bytes,
            compressed: CompressedDigest::new(Digest::sha256(imported.compressed.sha256)),
            compressed_size: imported.compressed.bytes,
            compression: imported.codec,
            content_size: imported.unpacked.bytes,
        }
    }

    /// Takes the size of the stream that the caller vouches for, if there is one.
    pub(crate) fn with_trusted_size(mut self, spec: &LayerSpec) -> Self {
        let trusted = spec.trusted_compressed.as_ref();
        if let Some(size) = trusted.and(spec.trusted_compressed_size) {
            self.compressed_size = size;
        }
        self
    }

    /// What the record of a layer says; `None` for one that was not imported.
    pub(crate) fn of_record(layer: &Layer) -> Option<Self> {
        Some(Self {
            diff_id: layer.diff_id()?,
            diff_size: layer.diff_size()?,
            compressed: layer.compressed_digest()?,
            compressed_size: layer.compressed_size()?,
            compression: layer.compression().unwrap_or(Codec::Plain),
            content_size: layer.diff_size()?,
        })
    }

    /// Notes in a record what an import found out.
    pub(crate) fn note(&self, record: &mut LayerRecord, imported: &Imported) {
        record.compressed_diff_digest = self.compressed.digest().to_string();
        record.compressed_size = i64::try_from(self.compressed_size).unwrap_or(i64::MAX);
        record.diff_digest = self.diff_id.digest().to_string();
        record.diff_size = i64::try_from(self.diff_size).unwrap_or(i64::MAX);
        record.compression = Compression::from(i64::from(imported.codec.number()));
        record.uid_set.clone_from(&imported.unpacked.uids);
        record.gid_set.clone_from(&imported.unpacked.gids);
    }
}
