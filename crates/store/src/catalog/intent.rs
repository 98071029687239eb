//! The intent file: what to clean up when a commit or deletion is cut off.
//!
//! Records are in three files that cannot be replaced in one step, and the format has no room for a
//! journal. So before the first of several files is replaced, a small file of our own is put beside
//! `layers.json`. It lists the layers concerned, and the images and containers whose records make
//! them wanted. It exists only while the layers lock is held. A process that takes that lock for
//! writing and finds the file knows that its writer died. It removes the layers, unless every
//! listed image and container is recorded; layers that anything else uses always stay. Go tools do
//! not know the file: to them the layers are layers that no image uses, as after a killed pull.
//!
//! The file may be deleted at any time; only the clean-up is lost.

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::{Dir, Durability, MetadataIo, Result};
use serde::{Deserialize, Serialize};

use crate::catalog::layout::FILE_MODE;

/// The name of the file, beside `layers.json`.
pub(crate) const INTENT_FILE: &str = "layerhold-intent.json";
/// The largest file that is read.
const MAX_INTENT: u64 = 64 << 20;

/// Layers that are wanted only if some images and containers are recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// The layers, parents before children.
    pub(crate) layers: Vec<LayerId>,
    /// The images and containers being added. If all are recorded, the commit was complete.
    #[serde(default)]
    pub(crate) images: Vec<ImageId>,
    #[serde(default)]
    pub(crate) containers: Vec<ContainerId>,
    /// Whether the layers are being deleted, no matter what is recorded.
    #[serde(default)]
    pub(crate) deleting: bool,
}

impl Intent {
    /// Writes the file, as durably as the records that follow. Otherwise a power cut could keep the
    /// first of them and lose the file that says what belongs to it.
    pub(crate) fn publish(
        &self,
        io: &dyn MetadataIo,
        layers_dir: &Dir,
        durability: Durability,
    ) -> Result<()> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let name = INTENT_FILE.as_ref();
        io.replace(layers_dir, name, FILE_MODE, &[&bytes], durability)
    }

    /// Reads the file; `None` when there is none, or it cannot be parsed, such as the empty file
    /// that a power cut may leave.
    pub(crate) fn read(layers_dir: &Dir) -> Result<Option<Self>> {
        let bytes = layers_dir.read_file(INTENT_FILE, MAX_INTENT)?;
        Ok(bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// Removes the file, if it exists.
    ///
    /// The removal is durable if the records are: a file that reappeared after a power cut would
    /// describe a store that has changed since.
    pub(crate) fn remove(
        io: &dyn MetadataIo,
        layers_dir: &Dir,
        durability: Durability,
    ) -> Result<()> {
        let removed = io.remove(layers_dir, INTENT_FILE.as_ref())?;
        match durability {
            Durability::Durable if removed => io.sync_dir(layers_dir),
            _ => Ok(()),
        }
    }
}
