//! The IDs that layers of images have in a store.

use layerhold_ids::{DiffId, LayerId};

use crate::digest::sha256;

/// The ID of a layer: the diff ID's digits at the bottom, and above it a hash over the parent's
/// ID and the diff ID (Go: `layerID` in `image/storage/storage_dest.go`).
///
/// podman, buildah and skopeo compute the same ID, so that layers are shared with theirs.
pub(crate) fn layer_id(parent: Option<&LayerId>, diff_id: &DiffId) -> LayerId {
    let digits = match parent {
        None => diff_id.hex().to_owned(),
        Some(parent) => sha256(format!("{}+{}", parent.as_str(), diff_id.hex()).as_bytes())
            .hex()
            .to_owned(),
    };
    digits
        .parse()
        .expect("the digits of a digest are a valid layer ID")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As skopeo 1.9 stored a two-layer image.
    #[test]
    fn ids_are_those_of_skopeo() {
        let base: DiffId =
            "sha256:1357e5e949490488edc62f1eca02a795d3764bb1886b7ce3035daee700f6dbbd"
                .parse()
                .unwrap();
        let upper: DiffId =
            "sha256:1c88dc973d86ea03c4d86b2b48bf255e5b81f6596c5da7a86f7fe931e22963fb"
                .parse()
                .unwrap();
        let bottom = layer_id(None, &base);
        assert_eq!(
            bottom.as_str(),
            "1357e5e949490488edc62f1eca02a795d3764bb1886b7ce3035daee700f6dbbd"
        );
        assert_eq!(
            layer_id(Some(&bottom), &upper).as_str(),
            "67ae137df02046aeb77a07e6a28222bd2f90fc059de63c086055aac7546b0fb7"
        );
    }
}
