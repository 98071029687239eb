//! Packs a tree of files into an archive, byte for byte as Go does.

mod packer;
mod overlay;
mod entry;
mod options;
mod error;

pub use error::PackError;
pub use options::{HeaderStyle, OverlayLayers, OwnerNames, PackOptions, UnmappedOwners};
pub use packer::{pack, pack_changes};
