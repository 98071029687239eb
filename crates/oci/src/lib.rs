//! Images of a layerhold store: built there, and moved in and out as OCI layouts, docker archives
//! and directories that skopeo calls `dir:`.
//!
//! [`ImageBuilder`] builds an image from a base image or none, with layers from directories, files,
//! archives, functions or a container's changes. [`load`] reads an OCI layout (a directory or a tar
//! of one), a docker archive (`docker save`, `podman save`) or a `dir:`, and [`save`] writes them.
//! What is stored is what podman and skopeo would have stored for the same image: the same image
//! ID, layer IDs, big data items, names and metadata. So layers are shared with theirs, and their
//! commands work on these images.
//!
//! Every digest is checked while its bytes are read. An image becomes visible as a whole, when all
//! of it is on the disk.
//!
//! ```
//! use layerhold_oci::ImageBuilder;
//! # use layerhold::{Store, StoreOptions};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
//! # let options = StoreOptions::new(graph, run).with_driver("vfs").with_driver_option("vfs.ignore_chown_errors=true");
//! # let store = Store::open(options)?;
//! # let path = scratch.path().join("rootfs");
//! # layerhold_sys::Dir::create_ambient_all(&path, 0o755)?;
//!
//! let image = ImageBuilder::new()
//!     .directory(path)
//!     .entrypoint(["/usr/bin/app"])
//!     .name("app")
//!     .build(&store)?;
//! assert_eq!(image.names, ["localhost/app:latest"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Limitations
//!
//! - Docker's oldest manifests ("schema 1") are refused.
//! - zstd:chunked layers are read as zstd.
//! - Images are built in OCI's format. Fields of docker's, such as a health check, stay in the
//!   configuration of a base image, but podman ignores them there.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod build;
#[cfg(feature = "registry")]
mod pull;
#[cfg(feature = "registry")]
mod push;
#[cfg(feature = "registry")]
mod signatures;
#[cfg(feature = "registry")]
mod registries;
mod load;
mod save;
mod big_data;
mod source;
mod written;
mod stored;
mod find;
mod check;
mod progress;
mod config;
mod manifest;
mod media;
mod image_directory;
mod platform;
mod typed;
mod names;
mod verify;
mod digest;
mod section;
mod copy;
mod store_errors;

pub use build::{BuildError, BuiltImage, ImageBuilder, InvalidSetting, LayerSource};
pub use check::{check_configuration, check_manifest};
pub use config::ConfigError;
pub use find::find_image;
pub use layerhold_reference::{self, ReferenceError};
pub use load::{LoadError, LoadOptions, LoadedImage, load, load_stream};
pub use manifest::{MAX_CONFIG_SIZE, MAX_MANIFEST_SIZE, ManifestError};
#[cfg(feature = "registry")]
pub use media::MANIFEST_TYPES;
pub use names::{local_name, names_meant, normalize_name};
pub use platform::{ParsePlatformError, Platform};
pub use progress::{Event, Progress, Quiet};
#[cfg(feature = "registry")]
pub use pull::{PullError, PullOptions, PulledImage, pull};
#[cfg(feature = "registry")]
pub use push::{
    Change, ManifestFormat, PushCompression, PushError, PushOptions, Pushed, push, push_index,
};
#[cfg(feature = "registry")]
pub use registries::{ConnectError, Registries};
pub use save::{Compression, SaveError, SaveOptions, TargetKind, WrittenImage, save, save_stream};
pub use source::{SourceError, SourceKind};
pub use stored::ImageError;
pub use typed::FieldError;

#[cfg(feature = "registry")]
pub use signatures::SignaturesError;

/// The store: its types are part of this interface.
pub use layerhold;
#[cfg(feature = "registry")]
pub use layerhold_environment;
#[cfg(feature = "registry")]
pub use layerhold_image_policy;
#[cfg(feature = "registry")]
pub use layerhold_registries_conf;
#[cfg(feature = "registry")]
pub use layerhold_registry;
#[cfg(feature = "registry")]
pub use layerhold_registry_auth;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
