//! The changes of a layer: as a tar, as a list, as a size.
//!
//! An imported layer has a tar-split file, from which its tar is rebuilt byte for byte. For other
//! layers, and for pairs other than a layer and its parent, the driver compares the trees.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use layerhold_archive::{Change, Codec, CodecError, compressor, decompressor};
use layerhold_driver::{DiffRequest, Driver, LayerContents};
use layerhold_ids::LayerId;
use layerhold_sys::{Cancel, Dir, PathError};
use layerhold_tar_split::ContentSource;

use crate::catalog::error::{AccessError, LookupError};
use crate::catalog::key::Key;
use crate::catalog::layout::tar_split_name;
use crate::catalog::lookup::{lookup, require};
use crate::catalog::record_stores::{MergedRecords, Records};
use crate::contents::additional_layer::{Blob, blob_of};
use crate::contents::error::DiffError;
use crate::contents::pipe::{PipeReader, pipe};
use crate::contents::rebuild::Rebuilt;
use crate::engine::Engine;
use crate::engine::owners_on_disk::OnDisk;
use crate::records::Layer;

/// The bytes that are enough to detect the compression of an archive.
const SNIFFED: u64 = 512;

/// The bytes that are read at once from an archive in an additional layer store.
const BLOB_BUFFER: usize = 128 << 10;

/// The compression of a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiffCompression {
    /// That of the imported stream, as in Go.
    #[default]
    AsImported,
    /// The given one. Only [`Codec::Plain`], [`Codec::Gzip`] and [`Codec::Zstd`] can be written.
    As(Codec),
}

/// A diff as a stream. It holds no lock. A second thread does half of the work, at most a few
/// buffers ahead of the reader. Dropping the diff asks that thread to stop.
///
/// Once the [`Cancel`] of the store is set, every read fails with an error that
/// [`is_cancelled`](layerhold_sys::is_cancelled) recognises.
///
/// ```
/// # use layerhold::{LayerSpec, StoreOptions};
/// use layerhold::{Codec, DiffCompression, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
/// # let options = StoreOptions::new(graph, run).with_driver("vfs").with_driver_option("vfs.ignore_chown_errors=true");
/// # let store = Store::open(options)?;
/// # let mut tx = store.begin()?;
/// # tx.import_layer(LayerSpec::new().name("base"), std::io::Cursor::new(vec![0u8; 1024]))?;
/// # tx.commit()?;
/// # let mut file = Vec::new();
/// // The changes from the parent layer, as a plain tar. That of an imported layer is the same byte
/// // for byte.
/// let mut diff = store.diff(None, "base", DiffCompression::As(Codec::Plain))?;
/// let bytes = std::io::copy(&mut diff, &mut file)?;
/// assert_eq!(bytes, store.layer_size("base")?);
/// # Ok(())
/// # }
/// ```
pub struct Diff {
    source: Source,
    layer: LayerId,
    /// Stops the work on this diff alone.
    cancel: Cancel,
    /// The span of reading it.
    span: tracing::Span,
}

pub(crate) enum Source {
    /// Rebuilt from the tar-split file, or an existing archive.
    Direct(Box<dyn BufRead + Send>),
    /// Written by another thread.
    Piped(PipeReader),
}

impl Drop for Diff {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Diff {
    /// A diff that is made with this handle, which no other work uses: dropping the diff cancels
    /// it.
    pub(crate) fn new(engine: &Engine, source: Source, layer: LayerId) -> Self {
        let span = tracing::debug_span!(target: "layerhold", "read_diff", id = %layer);
        Self {
            source,
            layer,
            cancel: engine.options.cancel.clone(),
            span,
        }
    }

    /// Returns the layer whose diff this is.
    #[must_use]
    pub fn layer(&self) -> &LayerId {
        &self.layer
    }
}

impl fmt::Debug for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diff")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

impl Read for Diff {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let _span = self.span.enter();
        self.cancel.check()?;
        match &mut self.source {
            Source::Direct(reader) => reader.read(buffer),
            Source::Piped(reader) => reader.read(buffer),
        }
    }
}

impl BufRead for Diff {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let _span = self.span.enter();
        self.cancel.check()?;
        match &mut self.source {
            Source::Direct(reader) => reader.fill_buf(),
            Source::Piped(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.source {
            Source::Direct(reader) => reader.consume(amount),
            Source::Piped(reader) => reader.consume(amount),
        }
    }
}

pub(crate) fn diff(
    engine: &Engine,
    from: Option<&Key<'_, LayerId>>,
    to: &Key<'_, LayerId>,
    compression: DiffCompression,
) -> Result<Diff, DiffError> {
    let engine = &engine.with_cancel(engine.options.cancel.child());
    let layers = engine.catalog.read_layers()?;
    let upper = lookup(&layers, to)?;
    // The tar-split file describes the diff to the parent, even if the parent is gone.
    let is_recorded = match from {
        Some(from) => Some(lookup(&layers, from)?.id()) == upper.parent(),
        None => true,
    };
    let codec = match compression {
        DiffCompression::AsImported => upper.compression().unwrap_or(Codec::Plain),
        DiffCompression::As(codec) => codec,
    };
    let layer = upper.id().clone();
    let blob = match is_recorded {
        true => blob_of(engine, &upper)?,
        false => None,
    };
    if let Some(blob) = blob {
        let source = source_of_blob(blob, compression)?;
        return Ok(Diff::new(engine, source, layer));
    }
    if !matches!(codec, Codec::Plain | Codec::Gzip | Codec::Zstd) {
        return Err(DiffError::Compress(CodecError::WriteUnsupported { codec }));
    }
    let rebuilt = match is_recorded {
        true => rebuilt(engine, &layers, &upper)?,
        false => None,
    };
    let source = match (rebuilt, codec) {
        (Some(tar), codec) => recompressed(tar, codec)?,
        (None, codec) => {
            let pair = pair(engine, from, to)?;
            let driver = engine.driver();
            in_background(move |out| compress(codec, out, |out| pair.write(&*driver, out)))?
        }
    };
    Ok(Diff::new(engine, source, layer))
}

pub(crate) fn changes(
    engine: &Engine,
    from: Option<&Key<'_, LayerId>>,
    to: &Key<'_, LayerId>,
) -> Result<Vec<Change>, DiffError> {
    let pair = pair(engine, from, to)?;
    engine
        .driver()
        .changes(&pair.request())
        .map_err(|source| pair.failed(source))
}

pub(crate) fn diff_size(
    engine: &Engine,
    from: Option<&Key<'_, LayerId>>,
    to: &Key<'_, LayerId>,
) -> Result<u64, DiffError> {
    pair_size(engine, &pair(engine, from, to)?)
}

/// Two layers to be compared.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) to: Arc<Layer>,
    from: Option<Arc<Layer>>,
    from_owners: OnDisk,
    to_owners: OnDisk,
    cancel: Cancel,
}

impl Pair {
    fn request(&self) -> DiffRequest<'_> {
        let request = DiffRequest::new(self.to.id())
            .with_id_maps(self.to_owners.maps.clone())
            .with_owners(self.to_owners.applies_to)
            .with_parent_maps(self.from_owners.maps.clone())
            .with_parent_owners(self.from_owners.applies_to)
            .with_mount_label(self.to.mount_label())
            .with_cancel(self.cancel.clone());
        match &self.from {
            Some(from) => request.with_parent(from.id()),
            None => request,
        }
    }

    fn failed(&self, source: layerhold_driver::LayerError) -> DiffError {
        failed(&self.to, source)
    }

    pub(crate) fn write(&self, driver: &dyn Driver, out: &mut dyn Write) -> io::Result<()> {
        driver.diff(&self.request(), out).map_err(io::Error::other)
    }
}

fn pair(
    engine: &Engine,
    from: Option<&Key<'_, LayerId>>,
    to: &Key<'_, LayerId>,
) -> Result<Pair, ResolveError> {
    let layers = engine.catalog.read_layers()?;
    let to = lookup(&layers, to)?;
    let from = match (from, to.parent()) {
        (Some(from), _) => Some(lookup(&layers, from)?),
        (None, Some(parent)) => Some(require(&layers, parent.as_str())?),
        (None, None) => None,
    };
    Ok(pair_of(engine, from, to)?)
}

/// Pairs two layers with their ID maps.
pub(crate) fn pair_of(
    engine: &Engine,
    from: Option<Arc<Layer>>,
    to: Arc<Layer>,
) -> Result<Pair, AccessError> {
    let from_owners = match &from {
        Some(from) => engine.owners_on_disk(from)?,
        None => OnDisk::default(),
    };
    Ok(Pair {
        to_owners: engine.owners_on_disk(&to)?,
        from_owners,
        from,
        to,
        cancel: engine.options.cancel.clone(),
    })
}

pub(crate) fn pair_size(engine: &Engine, pair: &Pair) -> Result<u64, DiffError> {
    engine
        .driver()
        .diff_size(&pair.request())
        .map_err(|source| pair.failed(source))
}

/// Opens the tar-split file of a layer, if there is one. It is beside the records of the store that
/// the layer is in. With a separate image store, it is in the graph root, unless the layer is older
/// than that separation.
pub(crate) fn open_tar_split(
    engine: &Engine,
    layers: &MergedRecords<Layer>,
    id: &LayerId,
) -> Result<Option<File>, PathError> {
    let name = tar_split_name(id);
    let store = layers.store_of(id.as_str());
    let additional = store.filter(|store| store.additional.is_some());
    let additional = additional
        .map(|store| Dir::open_ambient(&store.dir))
        .transpose()?;
    let dirs: Vec<&Dir> = match &additional {
        Some(dir) => vec![dir],
        None => engine.catalog.layout.layer_dirs().collect(),
    };
    for dir in dirs {
        match dir.open_file(&name) {
            Err(error) if error.is_not_found() => {}
            other => return other.map(Some),
        }
    }
    Ok(None)
}

/// Rebuilds the tar of a layer from its tar-split file, if there is one.
fn rebuilt(
    engine: &Engine,
    layers: &MergedRecords<Layer>,
    layer: &Layer,
) -> Result<Option<Box<Rebuilt>>, DiffError> {
    let Some(file) = open_tar_split(engine, layers, layer.id())? else {
        return Ok(None);
    };
    let contents = engine
        .driver()
        .contents(layer.id())
        .map_err(|source| failed(layer, source))?;
    let rebuilt = Rebuilt::start(file, LayerFiles { contents }).map_err(DiffError::Thread)?;
    Ok(Some(Box::new(rebuilt)))
}

fn failed(layer: &Layer, source: layerhold_driver::LayerError) -> DiffError {
    DiffError::Driver {
        layer: layer.id().clone(),
        source: Box::new(source),
    }
}

/// The files of a layer, for rebuilding its tar.
pub(crate) struct LayerFiles {
    pub(crate) contents: Box<dyn LayerContents>,
}

impl ContentSource for LayerFiles {
    fn open(&mut self, name: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(name));
        let file: File = self.contents.open(path).map_err(io::Error::other)?;
        Ok(Box::new(file))
    }
}

/// An error of looking up layers, for callers with different error types.
#[derive(Debug)]
pub(crate) enum ResolveError {
    Lookup(LookupError),
    Access(AccessError),
}

impl From<LookupError> for ResolveError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error)
    }
}

impl From<AccessError> for ResolveError {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

impl From<ResolveError> for DiffError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Lookup(error) => error.into(),
            ResolveError::Access(error) => error.into(),
        }
    }
}

/// Runs a writer on its own thread and returns its output. Dropping the reader stops the writer.
pub(crate) fn in_background(
    work: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<Source, DiffError> {
    let (mut writer, reader) = pipe();
    let run = move || {
        let outcome = work(&mut writer);
        writer.finish(outcome);
    };
    std::thread::Builder::new()
        .name("layer diff".to_owned())
        .spawn(run)
        .map_err(DiffError::Thread)?;
    Ok(Source::Piped(reader))
}

/// Returns the archive of an additional layer in the wanted compression. Its present compression is
/// detected from its first bytes, not taken from the record.
fn source_of_blob(mut blob: Blob, compression: DiffCompression) -> Result<Source, DiffError> {
    let DiffCompression::As(wanted) = compression else {
        return Ok(Source::Direct(Box::new(BufReader::with_capacity(
            BLOB_BUFFER,
            blob,
        ))));
    };
    let mut head = Vec::new();
    let sniffed = (&mut blob).take(SNIFFED).read_to_end(&mut head);
    sniffed.map_err(DiffError::Blob)?;
    let codec = Codec::sniff(&head);
    let blob = Cursor::new(head).chain(blob);
    if codec == wanted {
        return Ok(Source::Direct(Box::new(BufReader::with_capacity(
            BLOB_BUFFER,
            blob,
        ))));
    }
    let tar = decompressor(codec, blob).map_err(DiffError::Compress)?;
    recompressed(Box::new(BufReader::with_capacity(BLOB_BUFFER, tar)), wanted)
}

/// Compresses a tar as wanted.
fn recompressed(mut tar: Box<dyn BufRead + Send>, codec: Codec) -> Result<Source, DiffError> {
    match codec {
        Codec::Plain => Ok(Source::Direct(tar)),
        codec => in_background(move |out| compress(codec, out, |out| copy(&mut *tar, out))),
    }
}

fn compress(
    codec: Codec,
    out: &mut dyn Write,
    work: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if codec == Codec::Plain {
        return work(out);
    }
    let mut compressor = compressor(codec, out).map_err(io::Error::other)?;
    work(&mut compressor)?;
    compressor.finish().map(drop)
}

fn copy(from: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<()> {
    loop {
        let piece = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if piece.is_empty() {
            return Ok(());
        }
        out.write_all(piece)?;
        let length = piece.len();
        from.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn dropping_a_diff_stops_its_thread() {
        let cancel = Cancel::new();
        let (ended, has_ended) = channel();
        let stop = cancel.clone();
        // As a comparison of two trees, which writes nothing for long.
        let source = in_background(move |_out| {
            while !stop.is_cancelled() {
                std::thread::yield_now();
            }
            ended.send(()).map_err(io::Error::other)
        });
        let diff = Diff {
            source: source.unwrap(),
            layer: "a".repeat(64).parse().unwrap(),
            cancel,
            span: tracing::Span::none(),
        };
        drop(diff);
        assert_eq!(has_ended.recv_timeout(Duration::from_secs(60)), Ok(()));
    }
}
