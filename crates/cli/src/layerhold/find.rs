//! Finding what people mean.

use layerhold::{Image, Item, LookupError, Snapshot};
use layerhold_oci::{find_image, normalize_name};

/// Finds a container, image or layer, in this order: where a text could mean several, people
/// mean what they made themselves. Images are found by short names too. The whole ID of a layer
/// means the layer, also when a container can be found by it.
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
    let is_name = |name: &str| image.names().iter().any(|known| known == name);
    if is_name(text) {
        return Some(text.to_owned());
    }
    if snapshot.image(text).is_ok() {
        return None;
    }
    let completed = [format!("localhost/{text}"), text.to_owned()];
    completed
        .iter()
        .filter_map(|text| normalize_name(text).ok())
        .find(|name| is_name(name))
}
