//! JSON documents read as podman, buildah and skopeo read them.
//!
//! One record in a store that they cannot read makes all of their commands fail. So every document
//! that is loaded has to fit the types that they decode it into: [`tables`] lists those types, and
//! [`read`] fits a text to one of them by the rules of Go's `encoding/json`. The result holds the
//! values under the names of the table.

mod read;
mod tables;
mod shape;

pub use read::FieldError;
pub(crate) use read::read;
pub(crate) use shape::{Shape, Typed};
pub(crate) use tables::{
    ARCHIVE_ITEMS, CONFIG, DOCKER_LIST, DOCKER_MANIFEST, MANIFEST_TYPE, OCI_DESCRIPTOR, OCI_INDEX,
    OCI_MANIFEST,
};
