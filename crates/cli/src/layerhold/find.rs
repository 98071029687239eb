//! Finding the item that an operand means.

use layerhold::{Image, Item, LookupError, Snapshot};
use layerhold_oci::{find_image, names_meant};

/// Finds a container, image or layer, in this order: a text that could mean several most likely
/// means what the user created. Images are also found by short names. The whole ID of a layer means
/// the layer, even if a container can be found by it.
pub(super) fn find(snapshot: &Snapshot, text: &str) -> Result<Item, LookupError> {
    if let Ok(container) = snapshot.container(text)
        && container.layer().as_str() != text
    {
        return Ok(Item::Container(container));
    }
    if let Ok(image) = find_image(snapshot, text) {
        return Ok(Item::Image(image));
    }
    snapshot.find(text)
}

/// The name by which [`find`] found an image, or nothing if that was its ID.
pub(super) fn name_of(snapshot: &Snapshot, image: &Image, text: &str) -> Option<String> {
    if !has_name(image, text) && snapshot.image(text).is_ok() {
        return None;
    }
    known_name(image, text)
}

/// The name of an image that a text stands for, which may be short.
pub(super) fn known_name(image: &Image, text: &str) -> Option<String> {
    if has_name(image, text) {
        return Some(text.to_owned());
    }
    names_meant(text).find(|name| has_name(image, name))
}

fn has_name(image: &Image, name: &str) -> bool {
    image.names().iter().any(|known| known == name)
}
