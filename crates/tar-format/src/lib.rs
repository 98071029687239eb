//! Reads and writes the tar format incrementally: ustar, PAX, GNU and v7 headers, without accessing
//! files.
//!
//! [`Parser`] turns chunks of an archive into [`Event`]s and does no input of its own. The events
//! contain every byte of the archive, so one pass can unpack the files and record the archive.
//! [`Reader`] drives a parser from any [`std::io::Read`]. [`Writer`] writes the bytes that Go's
//! `archive/tar` writes for the same header.
//!
//! The meaning of an archive is that of Go's reader: two programs that read one archive differently
//! are a security hole, such as PAX headers that apply to the wrong entry.
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
//! - The writer does not write GNU headers or sparse files. Numbers that only GNU headers can
//!   represent, such as device numbers above 2,097,151, are refused.
//! - Records of PAX global headers are reported but not applied to later entries, as in Go.
//! - Solaris, AIX and star extensions (`X`, `A`, multi-volume, dump directories) are entries with
//!   an unknown flag.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod reader;
mod parser;
mod merge;
mod sparse_map;
mod writer;
mod encode;
mod event;
mod block;
mod header;
mod pax;
mod kind;
mod sparse;
mod time;
mod number;
mod limits;
mod path;
mod error;

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
