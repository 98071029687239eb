//! Records in JSON files that several processes share, for any type of record.
//!
//! The store keeps what the Go library containers/storage keeps in `layers.json`,
//! `images.json` and `containers.json`: arrays of objects, each with an
//! ID and names, beside a lock file, and the big data items of each record in files
//! of their own. It knows nothing of what the records mean; that is [`Record`].
//!
//! A [`Snapshot`] finds records without parsing them: loading only splits the
//! file. A [`WriteGuard`] writes unchanged records back byte for byte.
//!
//! ```
//! use layerhold_json_store::{JsonStore, Location, LocationId, NameChange, Options, Record};
//!
//! #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
//! struct Note {
//!     id: String,
//!     #[serde(default, skip_serializing_if = "Vec::is_empty")]
//!     names: Vec<String>,
//!     text: String,
//!     /// Fields that this program does not know come out as they came in.
//!     #[serde(flatten)]
//!     unknown: serde_json::Map<String, serde_json::Value>,
//! }
//!
//! impl Record for Note {
//!     const KIND: &'static str = "note";
//!     type Error = serde_json::Error;
//!
//!     fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
//!         serde_json::from_slice(json)
//!     }
//!     fn write(&self, out: &mut Vec<u8>) {
//!         serde_json::to_writer(out, self).expect("what was JSON is JSON again");
//!     }
//!     fn id(&self) -> &str {
//!         &self.id
//!     }
//!     fn names(&self) -> &[String] {
//!         &self.names
//!     }
//!     fn set_names(&mut self, names: Vec<String>) {
//!         self.names = names;
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scratch = tempfile::tempdir()?;
//! let options = Options::new(scratch.path().join("notes.lock"), scratch.path())
//!     .location(Location::durable(scratch.path(), "notes.json"));
//! let store = JsonStore::<Note>::open(options)?;
//!
//! let mut guard = store.write()?;
//! let text = "first".into();
//! let note = Note { id: "a1".into(), names: vec![], text, unknown: Default::default() };
//! guard.insert(note, LocationId::FIRST)?;
//! guard.change_names("a1", NameChange::Add, &["start".into()])?;
//! guard.save()?;
//! drop(guard);
//!
//! let snapshot = store.snapshot()?;
//! assert_eq!(snapshot.resolve("start").one(), Some("a1"));
//! assert_eq!(snapshot.lookup("a")?.one().map(|note| note.text.clone()), Some("first".into()));
//! # Ok(())
//! # }
//! ```
//!
//! # Damage
//!
//! A damaged record is set aside, not served, and kept in the file byte for byte
//! ([`Snapshot::damaged`]), until it is removed by its ID ([`WriteGuard::remove`]). The end
//! of a torn file is set aside too, and moved to a side file before a save replaces the file
//! ([`JsonStore::set_aside_files`]). A file that is missing or empty is reported as such
//! ([`FileState`]): only the caller knows whether records ought to be there.
//!
//! # Limitations
//!
//! - A record that Go would read although its field names are not written as
//!   Go writes them (`"ID"`, `"n\u0061mes"`) is not found by these fields.
//! - Two damages in one file that happen to cancel out can turn the records between them into one
//!   damaged record. The file is never split into pieces that are not records.
//! - Record files are read as a whole (except for [`JsonStore::lookup`]), and are limited to 2 GiB.
//! - Big data items whose names have no file of their own with Go are refused
//!   ([`file_name_to_write`]).

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod store;
mod lookup;
mod big_data;
mod write_guard;
mod read_guard;
mod shared;
mod save;
mod load;
mod snapshot;
mod pending;
mod loaded;
mod scan;
mod document;
mod fields;
mod walk;
mod text;
mod hash;
mod file_name;
mod names;
mod location;
mod damage;
mod record;
mod options;

pub use layerhold_lockfile;
pub use layerhold_sys;
pub use layerhold_truncindex::Resolution;

pub use big_data::BigDataError;
pub use damage::{DamageKind, Damaged, FileReport, FileState, NameConflict};
pub use file_name::{KeyError, file_name_to_read, file_name_to_write, key_of_file_name};
pub use lookup::LookupError;
pub use names::NameChange;
pub use options::{Access, Durability, Freshness, Location, LocationId, Options};
pub use read_guard::ReadGuard;
pub use record::{KeySource, KeySpec, KeyUse, Record};
pub use save::SaveError;
pub use shared::ReadError;
pub use snapshot::{Snapshot, Stored};
pub use store::{DeleteError, JsonStore, OpenError, UpdateError};
pub use write_guard::{ChangeError, WriteGuard};
