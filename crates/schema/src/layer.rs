//! Records of `layers.json`.

use layerhold_idmap::IdMappings;
use layerhold_ids::{CompressedDigest, DiffId, DigestError, IdError, LayerId, TocDigest};

use crate::record::record;
use crate::{Compression, Flags, IdMapEntry, IdMapEntryError, Timestamp, id_map_from_entries};

record! {
    /// A layer (Go: layers.go, `Layer`).
    ///
    /// The record does not contain where and how often the layer is mounted, or its store and file.
    LayerRecord ("layer") {
        /// The ID, unchecked; see [`Self::layer_id`].
        id: String = "id" always,
        /// Names given by callers, unique among layers.
        names: Vec<String> = "names" omitempty,
        /// The ID of the parent; empty for a base layer. See [`Self::parent_id`].
        parent: String = "parent" omitempty,
        /// Text of the caller.
        metadata: String = "metadata" omitempty,
        /// The SELinux label for mounts.
        mount_label: String = "mountlabel" omitempty,
        /// The creation time; the zero time if it is unknown.
        created: Timestamp = "created" always,
        /// The digest of the layer as received; see [`Self::compressed_digest`].
        compressed_diff_digest: String = "compressed-diff-digest" omitempty,
        /// Number of bytes received. Meaningless without the digest.
        compressed_size: i64 = "compressed-size" omitempty,
        /// The digest of the uncompressed tar stream; see [`Self::diff_id`].
        diff_digest: String = "diff-digest" omitempty,
        /// The digest of the table of contents of a partially pulled layer; see
        /// [`Self::toc_digest_checked`].
        toc_digest: String = "toc-digest" omitempty,
        /// Length of the uncompressed tar stream. Meaningless without one of the two digests before
        /// it; may be -1 if only that of the table of contents is known.
        diff_size: i64 = "diff-size" omitempty,
        /// The compression of the layer as received.
        compression: Compression = "compression" omitempty,
        /// The user IDs in the layer, sorted. Missing in older stores.
        uid_set: Vec<u32> = "uidset" omitempty,
        /// The group IDs in the layer, sorted. Missing in older stores.
        gid_set: Vec<u32> = "gidset" omitempty,
        /// Flags; `incomplete` is the library's own, see [`Self::is_incomplete`].
        flags: Flags = "flags" omitempty,
        /// The map of user IDs of the content on disk.
        uid_map: Vec<IdMapEntry> = "uidmap" omitempty,
        /// The map of group IDs of the content on disk.
        gid_map: Vec<IdMapEntry> = "gidmap" omitempty,
        /// Names of the big data items beside the record.
        big_data_names: Vec<String> = "big-data-names" omitempty,
    }
}

/// The flag of a layer with incomplete content (Go: layers.go, `incompleteFlag`).
const INCOMPLETE: &str = "incomplete";

impl LayerRecord {
    /// Returns the checked ID.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an ID and cannot be used as a file name.
    pub fn layer_id(&self) -> Result<LayerId, IdError> {
        self.id.parse()
    }

    /// Returns the checked ID of the parent; `None` for a base layer.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an ID.
    pub fn parent_id(&self) -> Result<Option<LayerId>, IdError> {
        given(&self.parent).map(str::parse).transpose()
    }

    /// Returns the checked digest of the layer as received, if known.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a digest.
    pub fn compressed_digest(&self) -> Result<Option<CompressedDigest>, DigestError> {
        given(&self.compressed_diff_digest)
            .map(str::parse)
            .transpose()
    }

    /// Returns the checked digest of the uncompressed tar stream, if known.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a digest.
    pub fn diff_id(&self) -> Result<Option<DiffId>, DigestError> {
        given(&self.diff_digest).map(str::parse).transpose()
    }

    /// Returns the checked digest of the table of contents, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a digest.
    pub fn toc_digest_checked(&self) -> Result<Option<TocDigest>, DigestError> {
        given(&self.toc_digest).map(str::parse).transpose()
    }

    /// Returns the ID maps of the content on disk.
    ///
    /// # Errors
    ///
    /// Fails for a range with numbers that are not IDs.
    pub fn id_mappings(&self) -> Result<IdMappings, IdMapEntryError> {
        Ok(IdMappings::new(
            id_map_from_entries(&self.uid_map)?,
            id_map_from_entries(&self.gid_map)?,
        ))
    }

    /// Tells whether the content is incomplete: its creation has not finished, or was killed.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.flags.is_true(INCOMPLETE)
    }

    /// Marks the content as complete or incomplete.
    pub fn set_incomplete(&mut self, completeness: Completeness) {
        match completeness {
            Completeness::Incomplete => self.flags.set(INCOMPLETE, true),
            Completeness::Complete => self.flags.remove(INCOMPLETE),
        };
    }
}

/// Whether the content of a layer is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Completeness {
    /// All content is present.
    Complete,
    /// Content may be missing.
    Incomplete,
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
