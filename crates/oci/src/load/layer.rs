//! Loading one layer.

use std::io::Read;

use layerhold::{LayerSpec, Store, Transaction};
use layerhold_archive::Codec;
use layerhold_ids::{DiffId, LayerId};

use super::error::LoadError;
use crate::progress::{Event, Reporter};
use crate::source::{FoundLayer, Layers, SourceKind};
use crate::verify::Verifier;

/// A layer that is in the store or staged.
pub(super) struct StoredLayer {
    pub(super) id: LayerId,
    /// The size of the unpacked layer, as far as known.
    pub(super) unpacked_size: u64,
    pub(super) reused: bool,
}

/// A layer to load.
pub(super) struct LayerImport<'a> {
    pub(super) index: usize,
    pub(super) of: usize,
    pub(super) layer: &'a FoundLayer,
    pub(super) diff_id: &'a DiffId,
    /// The ID of the layer in the store.
    pub(super) id: LayerId,
    pub(super) parent: Option<LayerId>,
}

impl LayerImport<'_> {
    pub(super) fn run(
        &self,
        store: &Store,
        transaction: &mut Transaction,
        source: &dyn Layers,
        progress: &Reporter<'_>,
    ) -> Result<StoredLayer, LoadError> {
        if let Some(unpacked_size) = self.present(store, transaction)? {
            progress.event(Event::LayerReused {
                index: self.index,
                of: self.of,
                digest: &self.layer.digest,
            });
            return Ok(self.reused(unpacked_size));
        }
        progress.event(Event::LayerStarted {
            index: self.index,
            of: self.of,
            digest: &self.layer.digest,
            size: self.layer.size,
        });
        let stored = self.import(transaction, source, progress)?;
        progress.event(Event::LayerFinished { index: self.index });
        Ok(stored)
    }

    fn reused(&self, unpacked_size: u64) -> StoredLayer {
        StoredLayer {
            id: self.id.clone(),
            unpacked_size,
            reused: true,
        }
    }

    /// Whether nothing has to be read for this layer.
    pub(super) fn is_present(
        &self,
        store: &Store,
        transaction: &Transaction,
    ) -> Result<bool, LoadError> {
        Ok(self.present(store, transaction)?.is_some())
    }

    /// The unpacked size of the layer, if it is in the store or was staged for an earlier image of
    /// this transaction.
    fn present(&self, store: &Store, transaction: &Transaction) -> Result<Option<u64>, LoadError> {
        if let Some(staged) = transaction.staged_layer(&self.id) {
            return Ok(staged.diff_size());
        }
        let snapshot = store.snapshot()?;
        let Some(layer) = snapshot.layer_by_id(&self.id)? else {
            return Ok(None);
        };
        // An ID is only a name: the digest tells whether it is the same layer.
        let same = layer.diff_id().as_ref() == Some(self.diff_id);
        Ok(if same { layer.diff_size() } else { None })
    }

    fn import(
        &self,
        transaction: &mut Transaction,
        source: &dyn Layers,
        progress: &Reporter<'_>,
    ) -> Result<StoredLayer, LoadError> {
        let stream = source.open(self.index, self.layer)?;
        if let Some(actual) = stream.size {
            self.check_size(actual)?;
        }
        let mut spec = LayerSpec::new()
            .id(self.id.clone())
            .read_only()
            .reuse_present();
        spec.parent.clone_from(&self.parent);
        let verifier = Verifier::new(stream.reader, self.layer.digest.algorithm());
        let counted = verifier.report();
        let index = self.index;
        let mut seen = 0;
        let mut advance = |total: u64| {
            let bytes = total.saturating_sub(seen);
            seen = total;
            progress.event(Event::LayerAdvanced { index, bytes });
        };
        let staged = match source.kind() {
            SourceKind::DockerArchive => {
                // Layers of a docker archive are identified by their unpacked form, and the store
                // records them as uncompressed, as Go does.
                let plain = self.plain(verifier)?;
                transaction.import_layer_with(spec, plain, &mut advance)?
            }
            _ => transaction.import_layer_with(spec, verifier, &mut advance)?,
        };
        let info = staged.digests().ok_or_else(|| self.other_layer())?;
        if staged.is_reused() {
            // Another process has just committed the layer, so nothing was read.
            return match info.diff_id == *self.diff_id {
                true => Ok(self.reused(info.diff_size)),
                false => Err(self.other_layer()),
            };
        }
        if source.kind() != SourceKind::DockerArchive {
            self.check_size(info.compressed_size)?;
            let digest = counted.finish(info.compressed.digest().clone());
            if digest != self.layer.digest {
                return Err(LoadError::LayerDigest {
                    index: self.index,
                    expected: self.layer.digest.clone(),
                    actual: digest,
                });
            }
        }
        if info.diff_id != *self.diff_id {
            return Err(LoadError::DiffIdMismatch {
                index: self.index,
                expected: self.diff_id.clone(),
                actual: info.diff_id.clone(),
            });
        }
        Ok(StoredLayer {
            id: self.id.clone(),
            unpacked_size: info.diff_size,
            reused: false,
        })
    }

    fn other_layer(&self) -> LoadError {
        LoadError::OtherLayer {
            index: self.index,
            id: self.id.clone(),
        }
    }

    fn check_size(&self, actual: u64) -> Result<(), LoadError> {
        if actual == self.layer.size {
            return Ok(());
        }
        Err(LoadError::LayerSize {
            index: self.index,
            expected: self.layer.size,
            actual,
        })
    }

    fn plain<'a>(
        &self,
        mut stream: impl Read + Send + 'a,
    ) -> Result<Box<dyn Read + Send + 'a>, LoadError> {
        let mut magic = Vec::new();
        stream
            .by_ref()
            .take(layerhold_archive::SNIFF_LEN as u64)
            .read_to_end(&mut magic)
            .map_err(|source| LoadError::Read {
                index: self.index,
                source,
            })?;
        let codec = Codec::sniff(&magic);
        let whole = std::io::Cursor::new(magic).chain(stream);
        layerhold_archive::decompressor(codec, whole).map_err(|source| LoadError::Codec {
            index: self.index,
            source,
        })
    }
}
