//! Pushing one layer.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use layerhold::Store;
use layerhold_archive::Codec;
use layerhold_registry::{FileSource, Repository};

use super::error::PushError;
use super::options::PushOptions;
use crate::copy::PIECE;
use crate::progress::{Event, Reporter};
use crate::save::{Packing, SaveError, write_layer};
use crate::stored::ChainLayer;
use crate::written::Blob;

/// A layer as the registry has it now.
#[derive(Clone, Debug)]
pub(super) struct PushedLayer {
    pub(super) blob: Blob,
    pub(super) codec: Codec,
    pub(super) is_reused: bool,
}

/// What the layers of a push have in common.
pub(super) struct LayerPush<'a> {
    pub(super) store: &'a Store,
    pub(super) repository: &'a Repository,
    pub(super) options: &'a PushOptions,
    pub(super) progress: &'a Reporter<'a>,
    /// How many layers the image has.
    pub(super) of: usize,
    /// The threads that compress: no more than there are cores, over all layers.
    pub(super) compressing: Permits,
}

impl LayerPush<'_> {
    /// Makes sure that the registry has a layer. `others` are repositories of the same registry
    /// that may have it.
    pub(super) fn run(
        &self,
        index: usize,
        layer: &ChainLayer,
        others: &[String],
    ) -> Result<PushedLayer, PushError> {
        let codec = self.options.compression.codec(layer.codec);
        if let Some(blob) = self.known(layer, codec)
            && self.is_there(&blob, others)?
        {
            self.progress.event(Event::LayerReused {
                index,
                of: self.of,
                digest: &blob.digest,
            });
            return Ok(PushedLayer {
                blob,
                codec,
                is_reused: true,
            });
        }
        let (file, blob) = self.pack(index, layer, codec)?;
        let is_reused = self.is_there(&blob, &[])?;
        if !is_reused {
            self.send(index, file, &blob)?;
        }
        self.progress.event(Event::LayerFinished { index });
        Ok(PushedLayer {
            blob,
            codec,
            is_reused,
        })
    }

    /// The blob that the layer is, as far as that is known without reading it.
    fn known(&self, layer: &ChainLayer, codec: Codec) -> Option<Blob> {
        if codec == Codec::Plain {
            return Some(Blob {
                digest: layer.diff_id.digest().clone(),
                size: layer.size?,
            });
        }
        layer.compressed.clone().filter(|_| layer.codec == codec)
    }

    fn is_there(&self, blob: &Blob, others: &[String]) -> Result<bool, PushError> {
        if let Some(size) = self.repository.find_blob(&blob.digest)? {
            return Ok(size == blob.size);
        }
        for other in others {
            if self.repository.mount_blob(&blob.digest, other)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Compresses the layer into an unnamed file.
    fn pack(
        &self,
        index: usize,
        layer: &ChainLayer,
        codec: Codec,
    ) -> Result<(File, Blob), PushError> {
        let permit = self.compressing.take(wanted_threads(layer.size));
        self.progress.check()?;
        let scratch = &self.options.scratch;
        self.progress.event(Event::LayerStarted {
            index,
            of: self.of,
            digest: layer.diff_id.digest(),
            size: layer.size.unwrap_or(0),
        });
        let file = tempfile::tempfile_in(scratch).map_err(unwritable(scratch))?;
        let mut writer = BufWriter::with_capacity(PIECE, file);
        let packing = Packing {
            codec,
            level: self.options.level,
            threads: permit.count,
        };
        let blob = write_layer(
            self.store,
            layer,
            index,
            packing,
            &mut writer,
            self.progress,
        )?;
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error);
        Ok((file.map_err(unwritable(scratch))?, blob))
    }

    fn send(&self, index: usize, file: File, blob: &Blob) -> Result<(), PushError> {
        self.progress.event(Event::LayerSending {
            index,
            digest: &blob.digest,
            size: blob.size,
        });
        let source = FileSource::new(file).map_err(unwritable(&self.options.scratch))?;
        let mut seen = 0;
        let mut advance = |total: u64| {
            let bytes = total.saturating_sub(seen);
            seen = total.max(seen);
            self.progress.event(Event::LayerSent { index, bytes });
        };
        self.repository
            .upload(&blob.digest, &source, &mut advance)?;
        Ok(())
    }
}

fn unwritable(scratch: &Path) -> impl Fn(io::Error) -> SaveError + use<> {
    let path = scratch.to_owned();
    move |source| SaveError::Write {
        path: path.clone(),
        source,
    }
}

/// The least size of a layer that is worth several threads.
const LARGE: u64 = 4 << 20;

/// How many threads a layer may use if so many are free.
fn wanted_threads(size: Option<u64>) -> usize {
    match size {
        Some(LARGE..) => usize::MAX,
        _ => 1,
    }
}

/// Limits how many threads do something at the same time.
pub(super) struct Permits {
    left: Mutex<usize>,
    returned: Condvar,
}

impl Permits {
    pub(super) fn new(count: usize) -> Self {
        Permits {
            left: Mutex::new(count.max(1)),
            returned: Condvar::new(),
        }
    }

    /// Waits for a permit, and takes up to `most` if so many are left. They are returned when the
    /// result is dropped.
    fn take(&self, most: usize) -> Permit<'_> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.returned.wait_while(left, |left| *left == 0);
        let mut left = waited.unwrap_or_else(PoisonError::into_inner);
        let count = most.clamp(1, *left);
        *left -= count;
        Permit { of: self, count }
    }
}

struct Permit<'a> {
    of: &'a Permits,
    count: usize,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut left = self.of.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left += self.count;
        self.of.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_layers_together_have_a_thread_for_each_core() {
        let permits = Permits::new(4);
        let small = permits.take(wanted_threads(Some(LARGE - 1)));
        assert_eq!(small.count, 1);
        assert_eq!(permits.take(wanted_threads(None)).count, 1);
        let large = permits.take(wanted_threads(Some(LARGE)));
        assert_eq!(large.count, 3);
        drop(small);
        let next = permits.take(wanted_threads(Some(u64::MAX)));
        assert_eq!(next.count, 1);
        assert_eq!(*permits.left.lock().unwrap(), 0);
        drop((large, next));
        assert_eq!(permits.take(usize::MAX).count, 4);
    }
}
