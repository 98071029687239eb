//! Loading one layer.

use std::io::Read;
use std::sync::Arc;

use layerhold::{DiffCompression, Layer, LayerSpec, Snapshot, Store, Transaction};
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
        // Other processes may have committed layers while those below were imported.
        let snapshot = store.snapshot()?;
        if let Some(unpacked_size) = self.present(&snapshot, transaction)? {
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
        let copied = match self.twin(&snapshot, source.kind()) {
            Some(twin) => self.copy(store, transaction, &twin, progress)?,
            None => None,
        };
        let stored = match copied {
            Some(stored) => stored,
            None => self.import(transaction, source, progress)?,
        };
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

    /// Whether this layer has to come from the source.
    pub(super) fn needs_source(
        &self,
        snapshot: &Snapshot,
        transaction: &Transaction,
        kind: SourceKind,
    ) -> Result<bool, LoadError> {
        let is_present = self.present(snapshot, transaction)?.is_some();
        Ok(!is_present && self.twin(snapshot, kind).is_none())
    }

    /// A layer of the store with the same contents, upon other layers. Registries are slower than
    /// that, files are not.
    fn twin(&self, snapshot: &Snapshot, kind: SourceKind) -> Option<Arc<Layer>> {
        if kind != SourceKind::Registry {
            return None;
        }
        let mut twins = snapshot.layers_by_diff_id(self.diff_id).into_iter();
        twins.find(|layer| layer.diff_size().is_some())
    }

    /// Imports the contents of a layer of the store; `None` if they cannot be had from it.
    fn copy(
        &self,
        store: &Store,
        transaction: &mut Transaction,
        twin: &Layer,
        progress: &Reporter<'_>,
    ) -> Result<Option<StoredLayer>, LoadError> {
        let plain = DiffCompression::As(Codec::Plain);
        let Ok(reader) = store.diff(None, twin.id().as_str(), plain) else {
            return Ok(None);
        };
        let mut spec = self.spec();
        let compressed = twin.compressed_digest();
        if let Some(digest) = compressed.filter(|digest| *digest.digest() == self.layer.digest) {
            spec = spec.trusted_compressed(digest, twin.compressed_size());
        }
        let staged = transaction.import_layer(spec, reader);
        progress.check()?;
        // A layer that is damaged cannot be rebuilt, so it is fetched.
        let Ok(staged) = staged else {
            return Ok(None);
        };
        let digests = staged.digests().ok_or_else(|| self.other_layer())?;
        self.check_diff_id(&digests.diff_id)?;
        Ok(Some(self.reused(digests.diff_size)))
    }

    fn spec(&self) -> LayerSpec {
        let mut spec = LayerSpec::new()
            .id(self.id.clone())
            .read_only()
            .reuse_present();
        spec.parent.clone_from(&self.parent);
        spec
    }

    /// The unpacked size of the layer, if it is in the store or was staged for an earlier image of
    /// this transaction.
    fn present(
        &self,
        snapshot: &Snapshot,
        transaction: &Transaction,
    ) -> Result<Option<u64>, LoadError> {
        if let Some(staged) = transaction.staged_layer(&self.id) {
            return Ok(staged.diff_size());
        }
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
        let spec = self.spec();
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
                transaction.import_layer_with(spec, plain, &mut advance)
            }
            _ => transaction.import_layer_with(spec, verifier, &mut advance),
        };
        let staged = staged.map_err(|error| self.refused(error.into()))?;
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
        self.check_diff_id(&info.diff_id)?;
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

    fn check_diff_id(&self, actual: &DiffId) -> Result<(), LoadError> {
        if actual == self.diff_id {
            return Ok(());
        }
        Err(LoadError::DiffIdMismatch {
            index: self.index,
            expected: self.diff_id.clone(),
            actual: actual.clone(),
        })
    }

    fn refused(&self, source: layerhold::Error) -> LoadError {
        LoadError::Layer {
            index: self.index,
            digest: self.layer.digest.clone(),
            source,
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
