//! From a tree of files to an archive, byte for byte as Go writes it.

mod entry;
mod error;
mod options;
mod overlay;
mod packer;

pub use error::PackError;
pub use options::{HeaderStyle, OverlayLayers, OwnerNames, PackOptions, UnmappedOwners};
pub use packer::{pack, pack_changes};
