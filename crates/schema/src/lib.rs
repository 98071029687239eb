//! The exact JSON records of a containers-storage store, with unknown fields kept.
//!
//! Four files hold all metadata of a store: `layers.json`, `images.json`, `containers.json` and
//! `mountpoints.json` (the first three with a `volatile-` twin). Each is an array of records. This
//! crate reads one record, or a whole array, from bytes and writes it as the Go library would, byte
//! for byte, so that both can rewrite each other's files for ever.
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
//! - Compact text; fields in the order of Go's structures; empty fields left out where Go says
//!   `omitempty`.
//! - `<`, `>`, `&`, U+2028, U+2029 and control characters escaped as `\u....`, except `\n`, `\r`
//!   and `\t`. This is how json-iterator writes, which all versions of the library use; `\b` and
//!   `\f` have no short form there (Go: jsoniter.go).
//! - Maps sorted by key; times in RFC 3339 with as many digits of the second as needed and the
//!   offset they came with.
//!
//! # What is accepted
//!
//! As much as Go accepts: names of fields in any case, `null` anywhere, missing fields, repeated
//! fields (the last counts), fields that nobody knows (kept and written again behind the others),
//! text that is not UTF-8 and lone surrogates (replaced by U+FFFD). A value of the wrong type is a
//! [`RecordError`] that says where it is.
//!
//! # Limitations
//!
//! - Unknown fields are kept at the top level of a record; inside an ID range they are dropped, as
//!   Go does.
//! - Integers in `flags` keep all their digits; Go rounds them to 53 bits when it reads them.
//! - A repeated map field is replaced; Go adds to it.
//! - Values nest at most 128 levels deep.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

#[macro_use]
mod record;

mod compression;
mod container;
mod error;
mod extra;
mod field;
mod flags;
mod id_map;
mod image;
mod json;
mod layer;
mod mount_point;
mod timestamp;
mod value;

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
