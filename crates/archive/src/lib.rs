//! Unpacks layer archives into directory trees, and packs trees into archives: compression,
//! whiteouts, links, extended attributes, owners, change lists.
//!
//! [`import`] reads a layer in one pass. It recognises the compression, hashes the stored and the
//! uncompressed stream, parses the archive once, passes every byte to a recorder, and unpacks with
//! an [`Unpacker`], which works relative to an open directory and cannot leave it.
//!
//! [`pack`] and [`pack_changes`] write archives byte for byte as Go's containers/storage does.
//! [`compare`] lists the changes between two trees, and [`overlay_changes`] those in the upper
//! directory of an overlay.
//!
//! ```
//! use layerhold_archive::layerhold_sys::Dir;
//! use layerhold_archive::{
//!     Codec, CompareOptions, ImportOptions, PackOptions, UnpackOptions, Unpacker, compare, import, pack,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scratch = tempfile::tempdir()?;
//! let tree = Dir::create_ambient_all(scratch.path().join("tree"), 0o755)?;
//! tree.create_dir("etc", 0o755)?;
//! drop(tree.open_dir("etc")?.create_file("hostname", 0o644)?);
//! let layer = pack(&tree, &PackOptions::default(), Vec::new())?;
//!
//! let copy = Dir::create_ambient_all(scratch.path().join("copy"), 0o755)?;
//! let unpacker = Unpacker::new(&copy, UnpackOptions::new())?;
//! // The second argument sees every event of the archive; `()` takes no notice.
//! let imported = import(&layer[..], &mut (), unpacker, &ImportOptions::default())?;
//! assert_eq!(imported.codec, Codec::Plain);
//! assert_eq!(imported.uncompressed.bytes, layer.len() as u64);
//! assert_eq!(imported.unpacked.entries, 2);
//!
//! let changes = compare(&copy, None, &CompareOptions::new())?;
//! let listed: Vec<String> = changes.iter().map(ToString::to_string).collect();
//! assert_eq!(listed, ["A /etc", "A /etc/hostname"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Why no archive can reach outside the tree
//!
//! An entry's path is cleaned lexically: `..` stops at the root, and a leading slash means nothing.
//! The directories on it are looked up with the root of the tree as root (`openat2` with
//! `RESOLVE_IN_ROOT`, or an equivalent walk). So symbolic links, `/var/run -> /run` included, lead
//! where they would inside a container, and never out. The last component is newly created and not
//! followed; owner, mode, attributes and times are set on the descriptor of the new entry. Both
//! ends of a hard link are looked up the same way. Targets of symbolic links are not checked.
//!
//! # Differences from Go
//!
//! - A symbolic link may have any target, as in Go below a changed root. Without one, Go refuses
//!   targets outside the tree; here they are harmless, because all lookups stay inside.
//! - The whiteouts `.wh.`, `.wh..` and `.wh...` are refused; Go deletes their directory or its
//!   parent.
//! - Whiteouts delete entries of lower layers and never of their own layer, wherever they stand; Go
//!   deletes the layer's earlier entries, or fails. They create nothing, not even directories. A
//!   character device 0:0 is a whiteout with every driver.
//! - A lower layer's link on the path of an entry is replaced by a directory, as in Go where layers
//!   are stacked.
//! - With overlay whiteouts, a directory that replaces something it deletes becomes opaque, so that
//!   it does not show the deleted entries.
//! - A layer that was unpacked into an empty directory is [settled](Unsettled) once its lower
//!   layers are complete.
//! - Files below `.wh..wh.plnk` are ordinary files, as in Go where layers are stacked.
//! - In a tree for overlayfs or fuse-overlayfs, an archive cannot set their own attributes
//!   (`trusted.overlay.`, `user.overlay.`, `user.fuseoverlayfs.`).
//! - The entry of the root applies with every treatment of whiteouts.
//! - Directories without an entry belong to the mapped root.
//! - Directories without an access time get their modification time, as files do; Go sets 1970.
//! - GNU sparse and contiguous files are unpacked; Go refuses them. Holes stay holes.
//! - Packing fails on owners without a mapping; Go leaves those files out.
//!
//! # Limitations
//!
//! - bzip2 and xz can be read but not written.
//! - A zstd window is at most 128 MiB, an xz dictionary at most 256 MiB.
//! - Paths are at most 4095 bytes, the limit of the kernel.
//! - An import cannot be cancelled while its source blocks.
//! - A layer unpacked over others takes eight bytes of memory for each entry, and every layer about
//!   a hundred for each directory.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod pipeline;
mod unpack;
mod pack;
mod merged;
mod changes;
mod overlay_form;
mod codec;
mod whiteout;
mod entry_path;
mod ids;
mod tree;

pub use changes::{
    Change, ChangeKind, ChangesError, CompareOptions, changes_size, check_redirected, compare,
    overlay_changes, overlay_size,
};
pub use codec::{
    Codec, CodecError, CompressOptions, Compressor, Level, SNIFF_LEN, compressor, compressor_with,
    decompressor,
};
pub use entry_path::{clean_entry_path, entry_components};
pub use layerhold_sys::Cancel;
pub use merged::{MergedEntry, MergedError, merged};
pub use overlay_form::{OverlayForm, OverlayNamespace, UpperEntry};
pub use pack::{
    HeaderStyle, OverlayLayers, OwnerNames, PackError, PackOptions, UnmappedOwners, pack,
    pack_changes,
};
pub use pipeline::{ContentSum, ImportError, ImportLimit, ImportOptions, Imported, import};
pub use unpack::{
    ChownErrors, OwnFiles, Replace, Summary, UnpackError, UnpackOptions, Unpacker, Unsettled,
    UserNamespace, Whiteouts,
};
pub use whiteout::{Meaning, OPAQUE_NAME, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX, meaning};
pub use {layerhold_idmap, layerhold_sys, layerhold_tar_format};
