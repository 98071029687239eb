//! Layers that another program keeps and presents in an additional layer store.
//!
//! An additional *image* store is a store like this one. An additional *layer* store has layers
//! only. Usually it is a filesystem that fetches files when they are read, so that a container can
//! start before its image is downloaded.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use layerhold_driver::{self as driver, LayerError, StageRequest};
use layerhold_idmap::IdMappings;
use layerhold_ids::{CompressedDigest, DiffId, LayerId, TocDigest};
use layerhold_schema::LayerRecord;

use crate::catalog::error::AccessError;
use crate::contents::error::DiffError;
use crate::engine::Engine;
use crate::records::Layer;
use crate::records::error_kind::error_kind;

/// A layer that an additional layer store presents, and that is in no store yet.
///
/// The program behind it sees the layer as in use until this value is dropped. A layer that was
/// [put](Self::put_as) into a store is in use on its own.
pub struct AdditionalLayer {
    pub(crate) engine: Arc<Engine>,
    held: Box<dyn driver::AdditionalLayer>,
    record: LayerRecord,
}

pub(crate) fn lookup_additional_layer(
    engine: &Arc<Engine>,
    toc: &TocDigest,
    image: &str,
) -> Result<Option<AdditionalLayer>, AdditionalLayerError> {
    let in_use = engine.use_driver()?;
    let found = in_use
        .driver
        .additional_layer(toc, image)
        .map_err(AdditionalLayerError::Driver)?;
    let Some(held) = found else { return Ok(None) };
    let info = held.info().map_err(AdditionalLayerError::Driver)?;
    let record = LayerRecord::from_json(&info).map_err(|source| AdditionalLayerError::Info {
        path: held.path().to_owned(),
        source,
    })?;
    Ok(Some(AdditionalLayer {
        engine: Arc::clone(engine),
        held,
        record,
    }))
}

impl AdditionalLayer {
    /// Returns the directory in which the program presents the layer.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.held.path()
    }

    /// Returns the digest of its table of contents, if the layer store has it.
    ///
    /// Go: `AdditionalLayer.TOCDigest`.
    #[must_use]
    pub fn toc_digest(&self) -> Option<TocDigest> {
        self.record.toc_digest_checked().ok().flatten()
    }

    /// Returns the size of its compressed tar in bytes, if the layer store has it.
    ///
    /// Go: `AdditionalLayer.CompressedSize`.
    #[must_use]
    pub fn compressed_size(&self) -> Option<u64> {
        // Here the size is valid without the digest: the program knows what it fetches.
        u64::try_from(self.record.compressed_size)
            .ok()
            .filter(|size| *size > 0)
    }

    /// Returns the digest of its compressed tar, if the layer store has it.
    #[must_use]
    pub fn compressed_digest(&self) -> Option<CompressedDigest> {
        self.record.compressed_digest().ok().flatten()
    }

    /// Returns the digest of its uncompressed tar, if the layer store has it.
    #[must_use]
    pub fn diff_id(&self) -> Option<DiffId> {
        self.record.diff_id().ok().flatten()
    }

    /// Returns its record in the layer store.
    #[must_use]
    pub fn record(&self) -> &LayerRecord {
        &self.record
    }

    /// Tells the program that the layer is no longer in use, as dropping does.
    ///
    /// Go: `AdditionalLayer.Release`.
    pub fn release(self) {
        drop(self);
    }

    /// Returns the record of a layer with these contents: digests, sizes, owners and metadata come
    /// from the layer store. Names, flags, labels and big data items do not.
    pub(crate) fn record_as(&self, id: &LayerId) -> Result<Layer, crate::records::InvalidRecord> {
        Layer::new(LayerRecord {
            id: id.to_string(),
            parent: String::new(),
            ..self.record.clone()
        })
    }

    /// Returns the ID maps of the owners in its tree.
    pub(crate) fn id_maps(&self) -> IdMappings {
        self.record.id_mappings().unwrap_or_default()
    }

    /// Lets the driver stage a layer whose contents are here.
    pub(crate) fn stage(
        &self,
        request: &StageRequest<'_>,
    ) -> Result<Box<dyn driver::StagedLayer>, LayerError> {
        self.held.stage(request)
    }
}

impl fmt::Debug for AdditionalLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdditionalLayer")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// The compressed tar of a layer in an additional layer store. The layer is in use while it is
/// read.
pub(crate) struct Blob {
    file: File,
    _held: Box<dyn driver::AdditionalLayer>,
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

/// Opens the compressed tar of a layer whose contents are in an additional layer store; `None` for
/// all other layers (Go: layers.go, `Diff`).
pub(crate) fn blob_of(engine: &Engine, layer: &Layer) -> Result<Option<Blob>, DiffError> {
    let failed = |source| DiffError::Driver {
        layer: layer.id().clone(),
        source: Box::new(source),
    };
    let driver = engine.driver();
    let Some(held) = driver.additional_layer_of(layer.id()).map_err(failed)? else {
        return Ok(None);
    };
    Ok(Some(Blob {
        file: held.blob().map_err(failed)?,
        _held: held,
    }))
}

/// A layer cannot be looked up in the additional layer stores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdditionalLayerError {
    /// The description of the layer is not a layer record.
    #[error("cannot use the additional layer at {}: its description is not a layer record", path.display())]
    Info {
        /// The layer's directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: layerhold_schema::RecordError,
    },
    /// The driver cannot read it.
    #[error("cannot read an additional layer")]
    Driver(#[source] LayerError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

error_kind!(AdditionalLayerError, |error| match error {
    Self::Access(error) => error.kind(),
    Self::Info { .. } | Self::Driver(_) => None,
});
