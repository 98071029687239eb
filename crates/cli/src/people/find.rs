//! Finding what people mean.

use layerhold::{Item, LookupError, Snapshot};
use layerhold_oci::find_image;

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
