//! The tar wire format: incremental reading and writing of ustar, PAX, GNU and v7 headers, without
//! touching any file.
//!
//! [`Parser`] does no input of its own: chunks of an archive go in, [`Event`]s come out, and the
//! events hold every byte of the archive, so that one pass serves both those who want the files
//! and those who want to record the archive.  [`Reader`] drives it from any [`std::io::Read`].
//! [`Writer`] emits what Go's `archive/tar` would for the same header.
//!
//! Go's reader decides what an archive means: two programs that read the same archive differently
//! are a security hole (pax headers that apply to the wrong entry have been one).
//!
//! ```
//! use layerhold_tar_format::{EntryKind, Header, Reader, Writer};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut writer = Writer::new(Vec::new());
//! writer.write_header(&Header::new(EntryKind::Directory, "etc/"))?;
//! let archive = writer.finish()?;
//!
//! let mut reader = Reader::new(archive.as_slice());
//! let entry = reader.next_entry()?.expect("the directory");
//! assert_eq!(entry.header().kind, EntryKind::Directory);
//! # Ok(())
//! # }
//! ```
//!
//! # Limitations
//!
//! - The writer makes neither GNU headers nor sparse files: numbers that only GNU headers can
//!   state, such as device numbers above 2,097,151, are refused.
//! - Records of PAX global headers are reported but not applied to later entries; Go does the same.
//! - Solaris, AIX and star extensions (`X`, `A`, multi-volume, dump directories) are plain entries
//!   with an unknown flag.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod block;
mod encode;
mod error;
mod event;
mod header;
mod kind;
mod limits;
mod merge;
mod number;
mod parser;
mod path;
mod pax;
mod reader;
mod sparse;
mod sparse_map;
mod time;
mod writer;

pub use block::BLOCK_SIZE;
pub use error::{ParseError, ReadError, WriteError};
pub use event::{Event, EventSink};
pub use header::Header;
pub use kind::EntryKind;
pub use limits::Limits;
pub use parser::Parser;
pub use path::clean_path;
pub use pax::PaxRecords;
pub use reader::{Chunk, Entry, Reader};
pub use sparse::{Region, SparseMap};
pub use time::TarTime;
pub use writer::{WriteFormat, Writer};
