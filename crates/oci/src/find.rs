//! Finding images of a store by ID, name or short name.

use std::sync::Arc;

use layerhold::{Image, LookupError, Snapshot};

use crate::names::names_meant;

/// Finds an image by ID, name or unique prefix of an ID, and by a short name: `busybox` finds
/// `localhost/busybox:latest` and, failing that, `docker.io/library/busybox:latest`.
///
/// # Errors
///
/// The error of the text as it was given.
pub fn find_image(snapshot: &Snapshot, text: &str) -> Result<Arc<Image>, LookupError> {
    let error = match snapshot.image(text) {
        Ok(image) => return Ok(image),
        Err(error) => error,
    };
    for name in names_meant(text) {
        match snapshot.image(&name) {
            Ok(image) => return Ok(image),
            // A damaged image is not skipped in favour of another one.
            Err(damaged @ LookupError::Damaged { .. }) => return Err(damaged),
            Err(_) => {}
        }
    }
    Err(error)
}
