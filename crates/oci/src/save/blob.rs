//! Saving one layer: read, checked, compressed, and hashed again.

use std::io::{self, Read, Write};

use layerhold::{DiffCompression, Store};
use layerhold_archive::{Codec, CompressOptions, Level};
use layerhold_ids::{Algorithm, DiffId, Digest};
use sha2::Digest as _;

use super::error::SaveError;
use crate::copy::PIECE;
use crate::progress::{Event, Reporter};
use crate::stored::{ChainLayer, StoredImage};
use crate::written::Blob;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packing {
    pub(crate) codec: Codec,
    /// The codec's default if absent.
    pub(crate) level: Option<Level>,
    /// How many threads compress.
    pub(crate) threads: usize,
}

impl Packing {
    /// Uncompressed.
    pub(crate) const PLAIN: Self = Packing {
        codec: Codec::Plain,
        level: None,
        threads: 1,
    };

    /// With the codec's default level, on all cores.
    pub(super) fn on_all_cores(codec: Codec) -> Self {
        Packing {
            codec,
            level: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// Writes one layer, and returns the blob.
pub(crate) fn write_layer(
    store: &Store,
    layer: &ChainLayer,
    index: usize,
    packing: Packing,
    target: &mut dyn Write,
    progress: &Reporter<'_>,
) -> Result<Blob, SaveError> {
    let mut reader = store.diff(None, layer.id.as_str(), DiffCompression::As(Codec::Plain))?;
    let read_error = |source| SaveError::Read {
        layer: layer.id.clone(),
        source,
    };
    let mut counted = Hashing::new(target);
    let mut plain = sha2::Sha256::new();
    let options = CompressOptions::new()
        .with_level(packing.level)
        .with_threads(packing.threads);
    let mut encoder = layerhold_archive::compressor_with(packing.codec, options, &mut counted)
        .map_err(|error| read_error(io::Error::other(error)))?;
    let mut piece = vec![0; PIECE];
    loop {
        let got = reader.read(&mut piece).map_err(read_error)?;
        let bytes = piece.get(..got).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        plain.update(bytes);
        encoder.write_all(bytes).map_err(read_error)?;
        progress.event(Event::LayerAdvanced {
            index,
            bytes: got as u64,
        });
    }
    encoder.finish().map_err(read_error)?;
    let actual = DiffId::from(digest(plain));
    if actual != layer.diff_id {
        return Err(SaveError::Damaged {
            layer: layer.id.clone(),
            expected: layer.diff_id.clone(),
            actual,
        });
    }
    Ok(counted.finish())
}

fn digest(hash: sha2::Sha256) -> Digest {
    Digest::from_bytes(Algorithm::Sha256, &hash.finalize()).expect("a SHA-256 hash has 32 bytes")
}

/// Hashes and counts what is written through it.
struct Hashing<'a> {
    inner: &'a mut dyn Write,
    hash: sha2::Sha256,
    size: u64,
}

impl<'a> Hashing<'a> {
    fn new(inner: &'a mut dyn Write) -> Self {
        Hashing {
            inner,
            hash: sha2::Sha256::new(),
            size: 0,
        }
    }

    fn finish(self) -> Blob {
        Blob {
            digest: digest(self.hash),
            size: self.size,
        }
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reports the start of a layer.
pub(super) fn announce(progress: &Reporter<'_>, image: &StoredImage, index: usize) {
    if let Some(layer) = image.layers.get(index) {
        progress.event(Event::LayerStarted {
            index,
            of: image.layers.len(),
            digest: layer.diff_id.digest(),
            size: layer.size.unwrap_or(0),
        });
    }
}
