//! Layer archives to directory trees and back.

mod changes;
mod codec;
mod entry_path;
mod ids;
mod pack;
mod pipeline;
mod tree;
mod unpack;
mod whiteout;

pub use changes::{Change, ChangeKind, ChangesError, changes_size, compare};
pub use codec::{Codec, CodecError, Compressor, SNIFF_LEN, compressor, decompressor};
pub use pack::{
    HeaderStyle, OverlayLayers, OwnerNames, PackError, PackOptions, pack, pack_changes,
};
pub use pipeline::{Cancel, ContentSum, ImportError, ImportOptions, Imported, import};
pub use unpack::{
    ChownErrors, OverlayNamespace, Replace, Summary, UnpackError, UnpackOptions, Unpacker,
    UserNamespace, Whiteouts,
};
pub use whiteout::{OPAQUE_NAME, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX};
pub use {layerhold_idmap, layerhold_sys, layerhold_tar_format};
