//! Packs a tree of files into an archive, byte for byte as Go does.

mod entry;
mod error;
mod options;
mod overlay;
mod packer;

pub use error::PackError;
pub use options::{HeaderStyle, OverlayLayers, OwnerNames, PackOptions, UnmappedOwners};
pub use packer::{pack, pack_changes};
