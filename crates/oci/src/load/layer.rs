//! Loading one layer.

use std::io::Read;

use layerhold::{LayerSpec, Store, Transaction, layer_id_of_contents};
use layerhold_archive::Codec;
use layerhold_ids::{DiffId, LayerId};

use super::error::LoadError;
use crate::progress::{Event, Reporter};
use crate::source::{FoundLayer, OpenSource, SourceKind};
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
    pub(super) parent: Option<&'a LayerId>,
}

impl LayerImport<'_> {
    pub(super) fn run(
        &self,
        store: &Store,
        transaction: &mut Transaction,
        source: &OpenSource,
        progress: &Reporter<'_>,
    ) -> Result<StoredLayer, LoadError> {
        let id = layer_id_of_contents(self.parent, self.diff_id);
        if let Some(unpacked_size) = self.present(store, transaction, &id)? {
            progress.event(Event::LayerReused {
                index: self.index,
                of: self.of,
                digest: &self.layer.digest,
            });
            return Ok(StoredLayer {
                id,
                unpacked_size,
                reused: true,
            });
        }
        progress.event(Event::LayerStarted {
            index: self.index,
            of: self.of,
            digest: &self.layer.digest,
            size: self.layer.size,
        });
        let stored = self.import(transaction, source, id, progress)?;
        progress.event(Event::LayerFinished { index: self.index });
        Ok(stored)
    }

    /// The unpacked size of the layer, if it is in the store or was staged for an earlier image of
    /// this transaction.
    fn present(
        &self,
        store: &Store,
        transaction: &Transaction,
        id: &LayerId,
    ) -> Result<Option<u64>, LoadError> {
        if let Some(staged) = transaction.staged_layer(id) {
            return Ok(staged.diff_size());
        }
        let snapshot = store.snapshot()?;
        let Some(layer) = snapshot.layer_by_id(id)? else {
            return Ok(None);
        };
        // An ID is only a name: the digest tells whether it is the same layer.
        let same = layer.diff_id().as_ref() == Some(self.diff_id);
        Ok(if same { layer.diff_size() } else { None })
    }

    fn import(
        &self,
        transaction: &mut Transaction,
        source: &OpenSource,
        id: LayerId,
        progress: &Reporter<'_>,
    ) -> Result<StoredLayer, LoadError> {
        let section = source.layer(self.layer)?;
        if section.len() != self.layer.size {
            return Err(LoadError::LayerSize {
                index: self.index,
                expected: self.layer.size,
                actual: section.len(),
            });
        }
        let mut spec = LayerSpec::new().id(id.clone()).read_only().reuse_present();
        if let Some(parent) = self.parent {
            spec = spec.parent(parent.clone());
        }
        let verifier = Verifier::new(section, self.layer.digest.algorithm());
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
        let other_layer = || LoadError::OtherLayer {
            index: self.index,
            id: id.clone(),
        };
        let info = staged.digests().ok_or_else(other_layer)?;
        if staged.is_reused() {
            // Another process has just committed the layer, so nothing was read.
            return if info.diff_id == *self.diff_id {
                Ok(StoredLayer {
                    id,
                    unpacked_size: info.diff_size,
                    reused: true,
                })
            } else {
                Err(other_layer())
            };
        }
        if source.kind() != SourceKind::DockerArchive {
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
            id,
            unpacked_size: info.diff_size,
            reused: false,
        })
    }

    fn plain(
        &self,
        mut stream: impl Read + Send + 'static,
    ) -> Result<Box<dyn Read + Send>, LoadError> {
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
