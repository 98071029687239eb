//! What an unfinished commit or deletion would leave, noted where the next one finds it.
//!
//! Records live in three files that cannot be replaced in one step, and the format leaves no room
//! for a journal in them. So before the first of several files is replaced, a small file of our own
//! is put beside `layers.json`: the layers concerned, and the images and containers whose records
//! make them wanted. It is there only while the layers lock is held. Whoever takes that lock for
//! writing and finds it knows that its writer died, and removes the layers unless every image and
//! container named in it is recorded; layers that anything else uses stay in any case. Go tools do
//! not know the file; for them such layers are layers that no image uses, as after a killed pull.
//!
//! The file may be deleted at any time; nothing but the clean-up is lost.

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::{Dir, Durability, MetadataIo, Result};
use serde::{Deserialize, Serialize};

use crate::catalog::layout::FILE_MODE;

/// Name of the file, beside `layers.json`.
pub(crate) const INTENT_FILE: &str = "layerhold-intent.json";
/// More than this is no file of ours.
const MAX_INTENT: u64 = 64 << 20;

/// Layers that are only wanted when some images and containers are recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// The layers, parents before children.
    pub(crate) layers: Vec<LayerId>,
    /// Images and containers being added: all recorded means that the commit was complete.
    #[serde(default)]
    pub(crate) images: Vec<ImageId>,
    #[serde(default)]
    pub(crate) containers: Vec<ContainerId>,
    /// Whether the layers are being deleted, whatever else is recorded.
    #[serde(default)]
    pub(crate) deleting: bool,
}

impl Intent {
    /// Writes the file. It is as durable as the records that follow: were it less, a power cut
    /// could leave the first of them without the note that tells what belongs to it.
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

    /// Reads the file; `None` when there is none. One that cannot be understood, such as the empty
    /// one that older versions left after a power cut, says nothing.
    pub(crate) fn read(layers_dir: &Dir) -> Result<Option<Self>> {
        let bytes = layers_dir.read_file(INTENT_FILE, MAX_INTENT)?;
        Ok(bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// Removes the file, if it is there.
    ///
    /// Durably, unless its records are not durable either: a note that came back after a power cut
    /// would speak of a store that has changed since.
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
