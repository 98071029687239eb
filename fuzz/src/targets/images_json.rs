//! `images.json`: the invariants of every record file. The digests of an image have no duplicates
//! and begin with the recorded one, and its history has no name twice.

use layerhold_schema::ImageRecord;

/// Checks one input.
pub fn run(data: &[u8]) {
    for mut image in super::records::check::<ImageRecord>(data) {
        drop(image.image_id());
        drop(image.top_layer_id());
        if let Ok(digests) = image.digests() {
            let distinct: std::collections::BTreeSet<_> =
                digests.iter().map(ToString::to_string).collect();
            assert_eq!(distinct.len(), digests.len());
            if let (false, Some(first)) = (image.digest.is_empty(), digests.first()) {
                assert_eq!(first.to_string(), image.digest);
            }
        }
        image.names_history.clear();
        image.add_name_to_history("a");
        image.add_name_to_history("b");
        image.add_name_to_history("a");
        assert_eq!(
            image
                .names_history
                .iter()
                .filter(|name| *name == "a")
                .count(),
            1
        );
    }
}
