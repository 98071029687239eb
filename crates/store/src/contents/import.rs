//! Imports the tar of a layer. This is the only routine that unpacks.
//!
//! One pass over the stream yields both digests, the tar-split file and the tree. The
//! [`Destination`] may be a new layer, an existing one, or a tree without a layer.

use std::io;
use std::io::{BufWriter, Read};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use layerhold_archive::{
    Codec, ImportError, ImportOptions, Imported, OwnFiles, UnpackOptions, Unpacker, Unsettled,
};
use layerhold_driver::LayerError;
use layerhold_idmap::IdMappings;
use layerhold_ids::{Algorithm, CompressedDigest, DiffId, Digest};
use layerhold_schema::{Compression, LayerRecord};
use layerhold_staging::StagedAddition;
use layerhold_sys::{Dir, PathError};
use layerhold_tar_split::Recorder;

use crate::catalog::files;
use crate::catalog::layout::FILE_MODE;
use crate::contents::progress::{Counted, Reporting};
use crate::engine::options::StoreOptions;
use crate::records::Layer;
use crate::spans::phase;
use crate::spec::LayerSpec;
use crate::spec::error::StageError;

/// The tree that an archive is unpacked into.
pub(crate) struct Destination<'a> {
    /// The root directory of the layer.
    pub(crate) root: Dir,
    /// The form in which the driver keeps trees.
    pub(crate) options: UnpackOptions,
    /// The ID maps of the owners in the tree.
    pub(crate) maps: IdMappings,
    /// Settles, after unpacking, what depends on the layers below.
    pub(crate) settle: &'a mut dyn FnMut(&Unsettled) -> Result<(), LayerError>,
}

/// Unpacks a tar, plain or compressed, and writes its tar-split file. `advance` is called with the
/// bytes read so far, and may stop the import.
pub(crate) fn import(
    reader: impl Read + Send,
    destination: Destination<'_>,
    tar_split: &StagedAddition,
    options: &ImportOptions,
    advance: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Imported, ImportFailure> {
    let span = phase!("unpack", bytes = tracing::field::Empty);
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
    let read = count.load(Ordering::Relaxed);
    let _span = span.record("bytes", read);
    sink.report(read)
        .map_err(|stop| ImportFailure::Import(Box::new(ImportError::Cancelled(stop))))?;
    files::finish(sink.inner, &tar_split.path()).map_err(ImportFailure::Record)?;
    Ok(imported)
}

/// An error of an import, which each caller converts into its own.
pub(crate) enum ImportFailure {
    /// The stream is not a tar that can be unpacked.
    Import(Box<ImportError>),
    /// The driver cannot finish the tree.
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
    /// Returns the options for importing the stream of this layer into a store. Digests that the
    /// caller vouches for are not computed.
    pub(crate) fn import_options(&self, store: &StoreOptions) -> ImportOptions {
        let compressed = self.trusted_compressed.as_ref();
        let compressed = compressed.map(CompressedDigest::digest).and_then(sha256);
        let diff_id = self.trusted_diff_id.as_ref().map(DiffId::digest);
        store
            .import_options()
            .with_known_compressed(compressed)
            .with_known_uncompressed(diff_id.and_then(sha256))
    }
}

/// Returns the bytes of a SHA-256 digest; `None` for other algorithms, which are not used, as in
/// Go.
fn sha256(digest: &Digest) -> Option<[u8; 32]> {
    if digest.algorithm() != Algorithm::Sha256 {
        return None;
    }
    digest.to_bytes().try_into().ok()
}

/// The digests and sizes of an imported layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerDigests {
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// The size of the uncompressed tar in bytes.
    pub diff_size: u64,
    /// The digest of the stream; equal to that of the tar if the stream is not compressed.
    pub compressed: CompressedDigest,
    /// The size of the stream in bytes.
    pub compressed_size: u64,
    /// The compression of the stream.
    pub compression: Codec,
    /// The sum of the file sizes in the tar.
    pub content_size: u64,
}

impl LayerDigests {
    /// Takes the result of an import.
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

    /// Uses the stream size that the caller vouches for, if given.
    pub(crate) fn with_trusted_size(mut self, spec: &LayerSpec) -> Self {
        let trusted = spec.trusted_compressed.as_ref();
        if let Some(size) = trusted.and(spec.trusted_compressed_size) {
            self.compressed_size = size;
        }
        self
    }

    /// Takes what a layer record has; `None` for a layer that was not imported.
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

    /// Notes the result of an import in a record.
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
