//! Puts a layer of an additional layer store into the store.

use layerhold_ids::LayerId;

use crate::contents::additional_layer::AdditionalLayer;
use crate::spec::LayerSpec;
use crate::transaction::begin;
use crate::transaction::error::TransactionError;

impl AdditionalLayer {
    /// Creates a layer whose contents stay where they are, in a transaction of its own.
    /// [`Transaction::put_additional_layer`](crate::Transaction::put_additional_layer) says which
    /// parts of the specification are used.
    ///
    /// Go: `AdditionalLayer.PutAs`.
    ///
    /// # Errors
    ///
    /// Those of staging a layer and of committing it.
    pub fn put_as(&self, spec: LayerSpec) -> Result<LayerId, TransactionError> {
        let mut tx = begin(&self.engine)?;
        let layer = tx.put_additional_layer(self, spec)?;
        tx.commit()?;
        Ok(layer.into())
    }
}
