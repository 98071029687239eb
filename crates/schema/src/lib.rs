//! Reads and writes the JSON records of a containers-storage store exactly as Go does, and keeps
//! unknown fields.
//!
//! Four files hold all metadata of a store: `layers.json`, `images.json`, `containers.json` and
//! `mountpoints.json` (the first three also with the prefix `volatile-`). Each is an array of
//! records. This crate reads one record, or a whole array, and writes it byte for byte as the Go
//! library would, so both can rewrite each other's files.
//!
//! ```
//! use layerhold_schema::LayerRecord;
//!
//! let json = br#"{"id":"abc","names":["a\u0026b"],"created":"2024-05-01T10:00:00.5Z","novelty":[1, 2]}"#;
//! let mut layer = LayerRecord::from_json(json)?;
//! assert_eq!(layer.names, ["a&b"]);
//! assert_eq!(layer.to_json(), json);
//!
//! layer.metadata = "<mine>".to_owned();
//! let expected = br#"{"id":"abc","names":["a\u0026b"],"metadata":"\u003cmine\u003e","created":"2024-05-01T10:00:00.5Z","novelty":[1, 2]}"#;
//! assert_eq!(layer.to_json(), expected);
//! # Ok::<(), layerhold_schema::RecordError>(())
//! ```
//!
//! # What is written
//!
//! - Compact text, with the fields in the order of Go's structures; empty fields are left out if Go
//!   says `omitempty`.
//! - `<`, `>`, `&`, U+2028, U+2029 and control characters are escaped as `\u....`, except `\n`,
//!   `\r` and `\t`. So does json-iterator, which all versions of the library use; it has no short
//!   form for `\b` and `\f` (Go: jsoniter.go).
//! - Maps are sorted by key; times are in RFC 3339, with as many digits of the second as needed and
//!   with their offset.
//!
//! # What is accepted
//!
//! Everything that Go accepts: field names in any case, `null` anywhere, missing fields, repeated
//! fields (the last counts), unknown fields (kept and written after the others), text that is not
//! UTF-8 and lone surrogates (replaced by U+FFFD). A value of the wrong type is a [`RecordError`]
//! with its position.
//!
//! # Limitations
//!
//! - Unknown fields are kept at the top level of a record. Inside an ID range they are dropped, as
//!   Go does.
//! - Integers in `flags` keep all their digits; Go rounds them to 53 bits when it reads them.
//! - A repeated map field is replaced; Go adds to it.
//! - Values nest at most 128 levels deep.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod layer;
mod image;
mod container;
mod mount_point;
mod record;
mod id_map;
mod extra;
mod field;
mod flags;
mod compression;
mod json;
mod value;
mod error;
mod timestamp;

pub use compression::Compression;
pub use container::ContainerRecord;
pub use error::{RecordError, RecordErrorKind};
pub use extra::{ExtraFields, RawJson};
pub use flags::Flags;
pub use id_map::{IdMapEntry, IdMapEntryError, id_map_from_entries, id_map_to_entries};
pub use image::{ImageDigestError, ImageRecord};
pub use json::{JsonError, JsonText};
pub use layer::{Completeness, LayerRecord};
pub use mount_point::MountPointRecord;
pub use record::{JsonRecord, read_array, write_array};
pub use timestamp::{Timestamp, TimestampError};
pub use value::{Number, Value};
