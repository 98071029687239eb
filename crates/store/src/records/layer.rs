//! Layers.

use layerhold_archive::Codec;
use layerhold_idmap::IdMappings;
use layerhold_ids::{CompressedDigest, DiffId, LayerId, TocDigest};
use layerhold_json_store::{KeySpec, Record};
use layerhold_schema::{Completeness, Compression, Flags, LayerRecord, Timestamp};

use super::common::{common_accessors, plain_record};
use super::invalid::InvalidRecord;

// Indexes of layers, named like their JSON fields.
pub(crate) const BY_PARENT: &str = "parent";
pub(crate) const BY_COMPRESSED_DIGEST: &str = "compressed-diff-digest";
pub(crate) const BY_DIFF_DIGEST: &str = "diff-digest";
pub(crate) const BY_TOC_DIGEST: &str = "toc-digest";

/// A layer, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    id: LayerId,
    parent: Option<LayerId>,
    record: LayerRecord,
}

impl Layer {
    pub(crate) fn new(record: LayerRecord) -> Result<Self, InvalidRecord> {
        Ok(Self {
            id: record.layer_id().map_err(InvalidRecord::field("id"))?,
            parent: record.parent_id().map_err(InvalidRecord::field("parent"))?,
            record,
        })
    }

    /// Returns the parent layer, if any.
    #[must_use]
    pub fn parent(&self) -> Option<&LayerId> {
        self.parent.as_ref()
    }

    /// Returns the SELinux label of its mounts; empty for none.
    #[must_use]
    pub fn mount_label(&self) -> &str {
        &self.record.mount_label
    }

    /// Returns the digest of its compressed tar, if known.
    #[must_use]
    pub fn compressed_digest(&self) -> Option<CompressedDigest> {
        self.record.compressed_digest().ok().flatten()
    }

    /// Returns the size of its compressed tar in bytes, if known.
    #[must_use]
    pub fn compressed_size(&self) -> Option<u64> {
        if self.record.compressed_diff_digest.is_empty() {
            return None;
        }
        u64::try_from(self.record.compressed_size).ok()
    }

    /// Returns the digest of its uncompressed tar, if known.
    #[must_use]
    pub fn diff_id(&self) -> Option<DiffId> {
        self.record.diff_id().ok().flatten()
    }

    /// Returns the digest of its table of contents, if it was pulled by one.
    #[must_use]
    pub fn toc_digest(&self) -> Option<TocDigest> {
        self.record.toc_digest_checked().ok().flatten()
    }

    /// Returns the size of its uncompressed tar in bytes, if known. A size without a digest is
    /// ignored (Go: layers.go, `UncompressedSize`).
    #[must_use]
    pub fn diff_size(&self) -> Option<u64> {
        if self.record.diff_digest.is_empty() && self.record.toc_digest.is_empty() {
            return None;
        }
        u64::try_from(self.record.diff_size).ok()
    }

    /// Returns the compression of its tar, if it is one that this library knows.
    #[must_use]
    pub fn compression(&self) -> Option<Codec> {
        match self.record.compression {
            Compression::None => Some(Codec::Plain),
            Compression::Bzip2 => Some(Codec::Bzip2),
            Compression::Gzip => Some(Codec::Gzip),
            Compression::Xz => Some(Codec::Xz),
            Compression::Zstd => Some(Codec::Zstd),
            _ => None,
        }
    }

    /// Returns the user IDs of its entries, sorted.
    #[must_use]
    pub fn uids(&self) -> &[u32] {
        &self.record.uid_set
    }

    /// Returns the group IDs of its entries, sorted.
    #[must_use]
    pub fn gids(&self) -> &[u32] {
        &self.record.gid_set
    }

    /// Tells whether its contents are incomplete: the process that creates it has not finished, or
    /// was killed.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.record.is_incomplete()
    }

    /// Returns the ID maps of the owners on disk. Invalid ranges count as none.
    #[must_use]
    pub fn id_maps(&self) -> IdMappings {
        self.record.id_mappings().unwrap_or_default()
    }

    /// Notes a big data item of this name.
    pub(crate) fn add_big_data_name(&mut self, item: &str) {
        let names = &mut self.record.big_data_names;
        if !names.iter().any(|name| name == item) {
            names.push(item.to_owned());
        }
    }

    /// Marks the contents as incomplete.
    pub(crate) fn set_incomplete(&mut self) {
        self.record.set_incomplete(Completeness::Incomplete);
    }

    /// Marks the contents as complete.
    pub(crate) fn set_complete(&mut self) {
        self.record.set_incomplete(Completeness::Complete);
    }
}

common_accessors!(Layer, LayerId, LayerRecord);

impl Record for Layer {
    const KIND: &'static str = "layer";
    const KEYS: &'static [KeySpec] = &[
        KeySpec::field(BY_PARENT),
        KeySpec::field(BY_COMPRESSED_DIGEST),
        KeySpec::field(BY_DIFF_DIGEST),
        KeySpec::field(BY_TOC_DIGEST),
    ];
    plain_record!(LayerRecord);

    fn key_values(&self, key: usize, found: &mut dyn FnMut(&str)) {
        let value = match key {
            0 => &self.record.parent,
            1 => &self.record.compressed_diff_digest,
            2 => &self.record.diff_digest,
            3 => &self.record.toc_digest,
            _ => return,
        };
        if !value.is_empty() {
            found(value);
        }
    }
}
