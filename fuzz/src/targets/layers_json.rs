//! `layers.json`: the invariants of every record file. The flag `incomplete` can be set and
//! cleared, and the checked accessors agree with the text.

use layerhold_schema::{Completeness, LayerRecord};

/// Checks one input.
pub fn run(data: &[u8]) {
    for mut layer in super::records::check::<LayerRecord>(data) {
        if let Ok(id) = layer.layer_id() {
            assert_eq!(id.as_ref(), layer.id);
        }
        if let Ok(Some(digest)) = layer.diff_id() {
            assert_eq!(digest.to_string(), layer.diff_digest);
        }
        drop(layer.parent_id());
        drop(layer.compressed_digest());
        drop(layer.toc_digest_checked());
        drop(layer.id_mappings());
        layer.set_incomplete(Completeness::Incomplete);
        assert!(layer.is_incomplete());
        layer.set_incomplete(Completeness::Complete);
        assert!(!layer.is_incomplete());
    }
}
