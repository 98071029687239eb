//! OCI layouts and docker archives in and out of a layerhold store.
//!
//! [`load`] reads an OCI layout (a directory or a tar of one) or a docker archive
//! (`docker save`, `podman save`), and [`save`] writes them. What is stored is what podman and
//! skopeo would have stored for the same image: the same image ID, layer IDs, big data items, names
//! and metadata. So layers are shared with theirs, and their commands work on loaded images.
//!
//! Every digest is checked while its bytes are read. An image becomes visible as a whole, when all
//! of it is on the disk.
//!
//! ```
//! use layerhold_oci::{LoadOptions, Platform, normalize_name};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = LoadOptions::new()
//!     .platform("linux/arm64".parse::<Platform>()?)
//!     .names([normalize_name("example/app")?]);
//! assert_eq!(options.names.as_deref(), Some(&["docker.io/example/app:latest".to_owned()][..]));
//! # Ok(())
//! # }
//! ```
//!
//! # Limitations
//!
//! - Docker's oldest manifests ("schema 1") are refused.
//! - Signatures are neither read nor written.
//! - zstd:chunked layers are read as zstd.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod build;
mod load;
mod save;
mod big_data;
mod source;
mod stored;
mod find;
mod check;
mod progress;
mod config;
mod manifest;
mod media;
mod platform;
mod typed;
mod names;
mod reference;
mod verify;
mod digest;
mod section;
mod copy;
mod store_errors;

pub use build::{BuildError, BuiltImage, ImageBuilder, InvalidSetting, LayerSource};
pub use check::{check_configuration, check_manifest};
pub use config::ConfigError;
pub use find::find_image;
pub use load::{LoadError, LoadOptions, LoadedImage, load, load_stream};
pub use manifest::{MAX_CONFIG_SIZE, MAX_MANIFEST_SIZE, ManifestError};
pub use names::local_name;
pub use platform::{ParsePlatformError, Platform};
pub use progress::{Event, Progress, Quiet};
pub use reference::{ParseNameError, normalize_name};
pub use save::{Compression, SaveError, SaveOptions, TargetKind, WrittenImage, save, save_stream};
pub use source::{SourceError, SourceKind};
pub use stored::ImageError;
pub use typed::FieldError;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
