//! The IDs of new layers.

use layerhold_ids::{DiffId, Digest, LayerId};
use layerhold_sys::no_brief_lock;
use sha2::Digest as _;

/// The ID of a layer to be created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NewLayerId {
    /// A random one, as the layers of containers have.
    #[default]
    Random,
    /// The caller's.
    Given(LayerId),
    /// Derived from the contents and the parent ([`layer_id_of_contents`]), as podman, buildah and
    /// skopeo do for the layers of images. So equal layers are stored once, and an image that was
    /// saved can be loaded again into the same store.
    OfContents,
}

impl From<LayerId> for NewLayerId {
    fn from(id: LayerId) -> Self {
        Self::Given(id)
    }
}

/// Derives the ID of a layer from its contents and its parent: the digits of the diff ID if there
/// is no parent, else those of the SHA-256 of `PARENT+DIFF`, with the parent's ID and the digits of
/// the diff ID (Go: `layerID` in `image/storage/storage_dest.go`).
///
/// ```
/// use layerhold::layer_id_of_contents;
///
/// let digits = "1357e5e949490488edc62f1eca02a795d3764bb1886b7ce3035daee700f6dbbd";
/// let diff_id = format!("sha256:{digits}").parse()?;
/// assert_eq!(layer_id_of_contents(None, &diff_id).as_str(), digits);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn layer_id_of_contents(parent: Option<&LayerId>, diff_id: &DiffId) -> LayerId {
    no_brief_lock("the ID of a layer is hashed");
    let digits = match parent {
        None => diff_id.hex().to_owned(),
        Some(parent) => {
            let text = format!("{}+{}", parent.as_str(), diff_id.hex());
            Digest::sha256(sha2::Sha256::digest(text.as_bytes()).into())
                .hex()
                .to_owned()
        }
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
        let diff_id = |digits: &str| format!("sha256:{digits}").parse::<DiffId>().unwrap();
        let base = diff_id("1357e5e949490488edc62f1eca02a795d3764bb1886b7ce3035daee700f6dbbd");
        let upper = diff_id("1c88dc973d86ea03c4d86b2b48bf255e5b81f6596c5da7a86f7fe931e22963fb");
        let bottom = layer_id_of_contents(None, &base);
        assert_eq!(
            bottom.as_str(),
            "1357e5e949490488edc62f1eca02a795d3764bb1886b7ce3035daee700f6dbbd"
        );
        assert_eq!(
            layer_id_of_contents(Some(&bottom), &upper).as_str(),
            "67ae137df02046aeb77a07e6a28222bd2f90fc059de63c086055aac7546b0fb7"
        );
    }
}
