//! Names without a registry.

use crate::reference::registry_of;

/// Tells whether a name has no registry, so that a tool takes one from its configuration: the
/// `unqualified-search-registries` and aliases of `registries.conf`.
///
/// The first component is a registry if it has a period or a colon, or is `localhost`. The rest of
/// the text is not checked.
///
/// ```
/// use layerhold_reference::is_short_name;
///
/// assert!(is_short_name("busybox:1.36"));
/// assert!(is_short_name("library/busybox"));
/// assert!(!is_short_name("quay.io/app"));
/// assert!(!is_short_name("localhost/app"));
/// ```
#[must_use]
pub fn is_short_name(text: &str) -> bool {
    registry_of(text).is_none()
}
