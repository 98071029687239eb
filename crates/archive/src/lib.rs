//! Layer archives to directory trees and back: compression, whiteouts, links,
//! extended attributes, owners, change lists.
//!
//! [`import`] takes a layer in one pass: it recognises the compression, hashes
//! what is stored and what is unpacked, parses the archive once, shows every byte
//! to a recorder, and unpacks it with an [`Unpacker`], which works relative to an
//! open directory that nothing in the archive can leave. [`pack`] and
//! [`pack_changes`] write archives byte for byte as Go's containers/storage does;
//! [`compare`] lists what one tree changes in comparison with another, and
//! [`overlay_changes`] what the upper directory of an overlay does.
//!
//! ```
//! use layerhold_archive::layerhold_idmap::IdMappings;
//! use layerhold_archive::layerhold_sys::Dir;
//! use layerhold_archive::{
//!     Codec, ImportOptions, PackOptions, UnpackOptions, Unpacker, compare, import, pack,
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
//! let maps = IdMappings::IDENTITY;
//! let changes = compare(&copy, &maps, None, &maps)?;
//! let listed: Vec<String> = changes.iter().map(ToString::to_string).collect();
//! assert_eq!(listed, ["A /etc", "A /etc/hostname"]);
//! # Ok(())
//! # }
//! ```
//!
//! # How an archive is kept inside
//!
//! The path of an entry is cleaned lexically: `..` stops at the root and a
//! leading slash means nothing. The directories on it are opened with the root of
//! the tree as the root of the lookup (`openat2` with `RESOLVE_IN_ROOT`, or an
//! equivalent walk), so that symbolic links lead where they would lead inside a
//! container, `/var/run -> /run` included, and never out. The last component is
//! created new and not followed; owner, mode, attributes and times are set on the
//! descriptor that creating it gave. Both ends of a hard link are looked up the
//! same way. The targets of symbolic links are data.
//!
//! # Differences from Go
//!
//! - A symbolic link may point anywhere, as it does in Go below a changed root.
//!   Without one, Go refuses targets that climb out of the tree; here they are
//!   harmless, since nothing is looked up through them but inside.
//! - The whiteouts `.wh.`, `.wh..` and `.wh...` are refused; Go deletes the
//!   directory they are in, or its parent.
//! - Whiteouts delete what layers below have and nothing of their own layer, wherever they stand;
//!   Go deletes what came before them, or fails. They make nothing, not even directories. A
//!   character device 0:0 is a whiteout, whatever the driver.
//! - A link of a layer below that is on the path of an entry is replaced by a directory, as in Go
//!   where layers are stacked.
//! - With overlay whiteouts, a directory in the place of something that it deletes becomes opaque,
//!   so that it does not show what was deleted.
//! - A layer that was unpacked into an empty directory is [settled](Unsettled) when those below it
//!   are complete.
//! - Files below `.wh..wh.plnk` are files, as in Go where layers are stacked.
//! - In a tree for overlayfs or fuse-overlayfs, their own attributes
//!   (`trusted.overlay.`, `user.overlay.`, `user.fuseoverlayfs.`) are not set from
//!   the archive.
//! - The entry of the root applies whatever the whiteouts become.
//! - Directories that no entry describes belong to the mapped root.
//! - Directories without a stated access time get their modification time, as
//!   files do; Go sets 1970.
//! - GNU sparse and contiguous files are unpacked; Go refuses them. Holes stay holes.
//! - Packing fails on owners without a mapping; Go leaves those files out.
//!
//! # Limitations
//!
//! - bzip2 and xz are read and not written.
//! - A zstd window may be 128 MiB, an xz dictionary 256 MiB; more is refused.
//! - Paths longer than the kernel takes (4095 bytes) are refused.
//! - An import cannot be cancelled while its source waits for something.
//! - A layer on top of others keeps eight bytes of memory for each of its entries,
//!   and every layer about a hundred for each directory.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod changes;
mod codec;
mod entry_path;
mod ids;
mod merged;
mod overlay_form;
mod pack;
mod pipeline;
mod tree;
mod unpack;
mod whiteout;

pub use changes::{Change, ChangeKind, ChangesError, changes_size, compare, overlay_changes};
pub use codec::{Codec, CodecError, Compressor, SNIFF_LEN, compressor, decompressor};
pub use entry_path::{clean_entry_path, entry_components};
pub use merged::{Shown, merged};
pub use overlay_form::OverlayForm;
pub use pack::{
    HeaderStyle, OverlayLayers, OwnerNames, PackError, PackOptions, UnmappedOwners, pack,
    pack_changes,
};
pub use pipeline::{Cancel, ContentSum, ImportError, ImportOptions, Imported, import};
pub use unpack::{
    ChownErrors, OverlayNamespace, OwnFiles, Replace, Summary, UnpackError, UnpackOptions,
    Unpacker, Unsettled, UserNamespace, Whiteouts,
};
pub use whiteout::{Meaning, OPAQUE_NAME, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX, meaning};
pub use {layerhold_idmap, layerhold_sys, layerhold_tar_format};
