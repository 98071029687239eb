//! tar-split: records what unpacking a tar loses, so that the tar can be rebuilt byte for byte.
//!
//! A tar-split file is a gzip stream of JSON lines. A line of type 2 is a *segment*: raw bytes of
//! the archive, in base64. A line of type 1 is a *file*: the place of a file's content, with its
//! name, size and CRC-64. Positions number the lines from 0.
//!
//! ```text
//! {"type":2,"payload":"Li9hAAAA…","position":0}
//! {"type":1,"name":"./a","size":6,"payload":"zU9Zxe9NzkQ=","position":1}
//! {"type":2,"payload":"AAAAAAAA…","position":2}
//! ```
//!
//! The format is that of github.com/vbatts/tar-split, which containers/storage reads and writes.
//!
//! ```
//! use layerhold_tar_format::{EntryKind, Header, Limits, Reader, Writer};
//! use layerhold_tar_split::{Recorder, Skeleton, rebuild};
//! use std::io::Read;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut writer = Writer::new(Vec::new());
//! let mut header = Header::new(EntryKind::Regular, "hello");
//! header.size = 5;
//! writer.write_header(&header)?;
//! writer.write_content(b"world")?;
//! let archive = writer.finish()?;
//!
//! // Recording is a side effect of reading the archive for something else.
//! let recorder = Recorder::new(Vec::new());
//! let mut reader = Reader::with_sink(archive.as_slice(), Limits::default(), recorder);
//! while let Some(mut entry) = reader.next_entry()? {
//!     std::io::copy(&mut entry, &mut std::io::sink())?;
//! }
//! reader.drain()?;
//! let (_, recorder) = reader.into_parts();
//! let skeleton = recorder.finish()?;
//!
//! let mut content = |_name: &[u8]| -> std::io::Result<Box<dyn Read + Send>> {
//!     Ok(Box::new(b"world".as_slice()))
//! };
//! let mut rebuilt = Vec::new();
//! rebuild(Skeleton::from_gzip(skeleton.as_slice()), &mut content, &mut rebuilt)?;
//! assert_eq!(rebuilt, archive);
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `dir`, an open directory is a source of contents ([`ContentSource`]), so that
//! an archive is rebuilt from a tree and its tar-split file:
//!
#![cfg_attr(feature = "dir", doc = "```")]
#![cfg_attr(not(feature = "dir"), doc = "```ignore")]
//! use layerhold_tar_split::layerhold_sys::Dir;
//! use layerhold_tar_split::{Rebuild, Skeleton};
//! # fn copy(record: std::fs::File) -> Result<(), Box<dyn std::error::Error>> {
//! let tree = Dir::open_ambient("/srv/tree")?;
//! let mut archive = Rebuild::new(Skeleton::from_gzip(record), tree);
//! std::io::copy(&mut archive, &mut std::fs::File::create("layer.tar")?)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Differences from Go
//!
//! The lines are byte for byte those of Go, except for archives that Go cannot rebuild from its own
//! lines:
//!
//! - The payload of a sparse file goes into the segment with its header, and its file line has no
//!   size. Go records the size and checksum of the expanded content (and loses the map of PAX 1.0
//!   files), and puts the expanded content into the rebuilt archive.
//! - A link, directory or device whose header has a size gets no size in its file line. Go records
//!   the size, and then puts the content of the file with that name into the archive.
//! - Padding at the end of an archive is recorded; Go loses it.
//!
//! Go's tar-split rebuilds the archive exactly from these lines too.
//!
//! # Limitations
//!
//! - A sparse file with more than 16 MiB of stored data takes several segments, which the `check`
//!   command of containers-storage takes for damage. Rebuilding is not affected.
//! - An archive with two entries of the same cleaned name is refused, as in Go.
//! - The compressed bytes differ from those of Go's pgzip; only the gzip header is the same.
//! - An archive cannot be rebuilt from Go's lines for a PAX 1.0 sparse file; the error is
//!   [`RebuildError::SparseMapMissing`].

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod recorder;
#[cfg(feature = "dir")]
mod tree;
mod rebuild;
mod blocks;
mod headers;
mod skeleton;
mod json;
mod base64_engine;
mod error;
mod crc64;
mod crc64_blocks;

pub use blocks::{Block, ContentCheck};
pub use crc64::{Checksum, Crc64};
pub use error::{Base64Error, JsonError, RebuildError, RecordError, SkeletonError};
pub use headers::Headers;
#[cfg(feature = "dir")]
pub use layerhold_sys;
pub use layerhold_tar_format as tar_format;
pub use rebuild::{ContentSource, Rebuild, rebuild};
pub use recorder::Recorder;
pub use skeleton::{Entry, FileEntry, GzipLines, Skeleton};
