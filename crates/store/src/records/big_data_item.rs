//! Big data items, and how records note them.

use std::collections::BTreeMap;

use layerhold_ids::Digest;
use layerhold_schema::{ContainerRecord, ImageRecord};
use layerhold_sys::no_brief_lock;
use sha2::Digest as _;

/// The big data item that podman reads of every image, whose digest is the image's own (Go:
/// images.go, `ImageDigestBigDataKey`). The names of other manifests begin with it.
pub(crate) const MANIFEST: &str = "manifest";

/// A named piece of data kept beside a record, such as a manifest or a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigDataItem {
    /// The name, from which the name of its file is derived.
    pub key: String,
    /// The contents.
    pub data: Vec<u8>,
    /// The digest to record. `None` computes SHA-256. That is refused for items of images whose
    /// name begins with `manifest`: the digest of a manifest depends on its type, which only the
    /// caller knows.
    pub digest: Option<Digest>,
}

impl BigDataItem {
    /// Creates an item whose digest is computed by the store.
    #[must_use]
    pub fn new(key: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            data: data.into(),
            digest: None,
        }
    }

    /// Sets the digest.
    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Sets the digest to the SHA-256 of the bytes, even if the name is that of a manifest. This is
    /// for callers that cannot tell manifest types apart; it is right for all types but the oldest.
    #[must_use]
    pub fn with_plain_digest(mut self) -> Self {
        self.digest = Some(digest_of(&self.data));
        self
    }
}

/// Computes the digest that is recorded for a big data item.
pub(crate) fn digest_of(data: &[u8]) -> Digest {
    no_brief_lock("a big data item is hashed");
    Digest::sha256(sha2::Sha256::digest(data).into())
}

/// Notes a big data item in the record of an image.
pub(crate) fn note_item(record: &mut ImageRecord, item: &BigDataItem) {
    note_fields(
        &mut record.big_data_names,
        &mut record.big_data_sizes,
        &mut record.big_data_digests,
        item,
    );
}

/// Notes a big data item in the record of a container.
pub(crate) fn note_container_item(record: &mut ContainerRecord, item: &BigDataItem) {
    note_fields(
        &mut record.big_data_names,
        &mut record.big_data_sizes,
        &mut record.big_data_digests,
        item,
    );
}

/// Removes the size and digest of a big data item that is about to be replaced, unless its
/// replacement has the same. Returns whether there were any. If so, the record must be saved before
/// the item is written: a crash in between would leave the old size and digest with the new data.
pub(crate) fn clear_noted(
    sizes: &mut BTreeMap<String, i64>,
    digests: &mut BTreeMap<String, String>,
    item: &BigDataItem,
) -> bool {
    let size = i64::try_from(item.data.len()).unwrap_or(i64::MAX);
    let digest = item.digest.as_ref().map(ToString::to_string);
    let is_other_size = sizes.get(&item.key).is_some_and(|known| *known != size);
    let is_other = digests
        .get(&item.key)
        .is_some_and(|known| Some(known) != digest.as_ref());
    if is_other || is_other_size {
        drop(digests.remove(&item.key));
        let _size = sizes.remove(&item.key);
    }
    is_other || is_other_size
}

/// Notes a big data item in the three fields that records of images and containers have for it.
pub(crate) fn note_fields(
    names: &mut Vec<String>,
    sizes: &mut BTreeMap<String, i64>,
    digests: &mut BTreeMap<String, String>,
    item: &BigDataItem,
) {
    if !names.contains(&item.key) {
        names.push(item.key.clone());
    }
    let size = i64::try_from(item.data.len()).unwrap_or(i64::MAX);
    sizes.insert(item.key.clone(), size);
    if let Some(digest) = &item.digest {
        digests.insert(item.key.clone(), digest.to_string());
    }
}
