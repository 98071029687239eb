//! Generates layers from arbitrary bytes, and computes the tree that they must give: a small model
//! of the rules for stacking layers.
//!
//! The model shares no code with the library and knows no drivers: every driver has to show the
//! tree that it computes.
//!
//! ```
//! use layerhold_testkit::layers::{Chain, Layers};
//!
//! // The same bytes always make the same layers; a fuzzer or a property test gives them.
//! let chain = Chain::from_bytes(b"any bytes at all");
//! let mut layers = Layers::new();
//! for layer in chain.layers() {
//!     let archive = layer.archive();
//!     assert_eq!(archive.len() % 512, 0);
//!     if layers.add(layer).is_ok() {
//!         assert!(layers.tree().get("").is_some());
//!     }
//! }
//! ```

mod model;
mod generator;
mod choices;

pub use choices::Choices;
pub use generator::{Chain, Entry, EntryKind, Layer};
pub use model::{ANY_TIME, Layers, Refused};
