//! The facts that a filled tree is recorded with.

use layerhold_archive::{Codec, Imported, Unsettled};
use layerhold_driver::TreeRoot;
use layerhold_ids::{CompressedDigest, DiffId, Digest, TocDigest};
use layerhold_schema::{Compression, Flags, LayerRecord, Value};

use crate::records::big_data_item::BigDataItem;

/// The facts to record of a tree that the caller filled (Go: drivers/driver.go,
/// `DriverWithDifferOutput`).
///
/// They are not checked: the caller vouches for them.
///
/// ```
/// use layerhold::TreeFacts;
/// use layerhold::layerhold_ids::{Digest, TocDigest};
///
/// let toc = TocDigest::new(Digest::sha256([1; 32]));
/// let facts = TreeFacts::new().with_toc(toc.clone()).with_owners([0, 1000], [0]);
/// assert_eq!((facts.toc_digest(), facts.diff_id()), (Some(&toc), None));
/// ```
#[derive(Debug, Clone, Default)]
pub struct TreeFacts {
    diff_id: Option<DiffId>,
    diff_size: Option<u64>,
    compressed: Option<(CompressedDigest, Option<u64>)>,
    compression: Option<Codec>,
    toc: Option<TocDigest>,
    uids: Vec<u32>,
    gids: Vec<u32>,
    metadata: Option<String>,
    pub(crate) big_data: Vec<BigDataItem>,
    flags: Flags,
    pub(crate) root: TreeRoot,
    pub(crate) unsettled: Option<Unsettled>,
}

impl TreeFacts {
    /// Creates empty facts: no digest is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the digest and the size in bytes of the uncompressed tar.
    #[must_use]
    pub fn with_diff(mut self, digest: DiffId, size: u64) -> Self {
        self.diff_id = Some(digest);
        self.diff_size = Some(size);
        self
    }

    /// Sets the size in bytes of the uncompressed tar if its digest is not known.
    #[must_use]
    pub fn with_diff_size(mut self, size: u64) -> Self {
        self.diff_size = Some(size);
        self
    }

    /// Sets the digest of the compressed tar, and its size in bytes if known.
    #[must_use]
    pub fn with_compressed(mut self, digest: CompressedDigest, size: Option<u64>) -> Self {
        self.compressed = Some((digest, size));
        self
    }

    /// Sets the compression of the tar, which exports of the layer use again.
    #[must_use]
    pub fn with_compression(mut self, codec: Codec) -> Self {
        self.compression = Some(codec);
        self
    }

    /// Sets the digest of the table of contents.
    #[must_use]
    pub fn with_toc(mut self, digest: TocDigest) -> Self {
        self.toc = Some(digest);
        self
    }

    /// Sets the user and group IDs of the entries, as a container sees them.
    #[must_use]
    pub fn with_owners(
        mut self,
        uids: impl IntoIterator<Item = u32>,
        gids: impl IntoIterator<Item = u32>,
    ) -> Self {
        self.uids = sorted(uids);
        self.gids = sorted(gids);
        self
    }

    /// Sets the metadata. Without this, an existing layer keeps its own.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = Some(metadata.into());
        self
    }

    /// Adds a big data item of the layer, such as a table of contents.
    #[must_use]
    pub fn with_big_data(mut self, item: BigDataItem) -> Self {
        self.big_data.push(item);
        self
    }

    /// Sets a flag of the layer.
    #[must_use]
    pub fn with_flag(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        drop(self.flags.set(name, value));
        self
    }

    /// Returns the flags to set.
    pub(crate) fn flags(&self) -> &Flags {
        &self.flags
    }

    /// Tells whether the attributes of the root directory were set on purpose. Without this, they
    /// are taken from the parent layer.
    #[must_use]
    pub fn with_root(mut self, root: TreeRoot) -> Self {
        self.root = root;
        self
    }

    /// Passes on what an [`Unpacker`](layerhold_archive::Unpacker) left open, to be settled when
    /// the parent layers are known.
    #[must_use]
    pub fn with_unsettled(mut self, unsettled: Unsettled) -> Self {
        self.unsettled = Some(unsettled);
        self
    }

    /// Returns the digest of the uncompressed tar, if known.
    #[must_use]
    pub fn diff_id(&self) -> Option<&DiffId> {
        self.diff_id.as_ref()
    }

    /// Returns the size of the uncompressed tar in bytes, if known.
    #[must_use]
    pub fn diff_size(&self) -> Option<u64> {
        self.diff_size
    }

    /// Returns the digest of the compressed tar, if known.
    #[must_use]
    pub fn compressed_digest(&self) -> Option<&CompressedDigest> {
        self.compressed.as_ref().map(|(digest, _)| digest)
    }

    /// Returns the digest of the table of contents, if known.
    #[must_use]
    pub fn toc_digest(&self) -> Option<&TocDigest> {
        self.toc.as_ref()
    }

    /// Takes the result of unpacking a tar.
    pub(super) fn of_import(imported: &Imported) -> Self {
        let (stored, tar) = (&imported.compressed, &imported.uncompressed);
        let compressed = CompressedDigest::new(Digest::sha256(stored.sha256));
        Self::new()
            .with_diff(DiffId::new(Digest::sha256(tar.sha256)), tar.bytes)
            .with_compressed(compressed, Some(stored.bytes))
            .with_compression(imported.codec)
            .with_unsettled(imported.unpacked.unsettled.clone())
            .with_owners(
                imported.unpacked.uids.iter().copied(),
                imported.unpacked.gids.iter().copied(),
            )
    }

    /// Replaces the facts in a record (Go: layers.go, `applyDiffFromStagingDirectory`).
    pub(crate) fn note(&self, record: &mut LayerRecord) {
        forget(record);
        if let Some(digest) = &self.diff_id {
            record.diff_digest = digest.digest().to_string();
        }
        if let Some(digest) = &self.toc {
            record.toc_digest = digest.digest().to_string();
        }
        let has_tar = self.diff_id.is_some() || self.toc.is_some();
        record.diff_size = match self.diff_size {
            Some(size) => i64::try_from(size).unwrap_or(i64::MAX),
            // Go's library writes this for an unknown size.
            None if has_tar => -1,
            None => 0,
        };
        if let Some((digest, size)) = &self.compressed {
            record.compressed_diff_digest = digest.digest().to_string();
            record.compressed_size = size
                .and_then(|size| i64::try_from(size).ok())
                .unwrap_or_default();
        }
        if let Some(codec) = self.compression {
            record.compression = Compression::from(i64::from(codec.number()));
        }
        record.uid_set.clone_from(&self.uids);
        record.gid_set.clone_from(&self.gids);
        if let Some(metadata) = &self.metadata {
            record.metadata.clone_from(metadata);
        }
        for (name, value) in self.flags.iter() {
            drop(record.flags.set(name, value.clone()));
        }
    }
}

/// Removes the facts about a layer's contents from its record.
pub(super) fn forget(record: &mut LayerRecord) {
    let nothing = LayerRecord::default();
    record.diff_digest = nothing.diff_digest;
    record.diff_size = nothing.diff_size;
    record.toc_digest = nothing.toc_digest;
    record.compressed_diff_digest = nothing.compressed_diff_digest;
    record.compressed_size = nothing.compressed_size;
    record.compression = nothing.compression;
    record.uid_set = nothing.uid_set;
    record.gid_set = nothing.gid_set;
}

fn sorted(ids: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut ids: Vec<u32> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(facts: &TreeFacts) -> LayerRecord {
        let mut record = LayerRecord {
            compressed_size: 7,
            diff_size: 8,
            metadata: "kept".to_owned(),
            uid_set: vec![9],
            ..LayerRecord::default()
        };
        facts.note(&mut record);
        record
    }

    #[test]
    fn what_is_not_said_is_not_recorded() {
        let record = noted(&TreeFacts::new());
        let wanted = LayerRecord {
            metadata: "kept".to_owned(),
            ..LayerRecord::default()
        };
        assert_eq!(record, wanted);
    }

    #[test]
    fn a_size_that_is_not_known_is_written_as_go_does() {
        let toc = TocDigest::new(Digest::sha256([1; 32]));
        let facts = TreeFacts::new().with_toc(toc);
        assert_eq!(noted(&facts).diff_size, -1);
        assert_eq!(noted(&facts.with_diff_size(5)).diff_size, 5);
    }

    #[test]
    fn owners_are_sorted_and_each_there_once() {
        let record = noted(&TreeFacts::new().with_owners([3, 1, 3], [2]));
        assert_eq!((record.uid_set, record.gid_set), (vec![1, 3], vec![2]));
    }
}
