//! Records of `containers.json`.

use std::collections::BTreeMap;

use layerhold_idmap::IdMappings;
use layerhold_ids::{ContainerId, IdError, ImageId, LayerId};

use crate::record::record;
use crate::{Flags, IdMapEntry, IdMapEntryError, Timestamp, id_map_from_entries};

record! {
    /// A container (Go: containers.go, `Container`).
    ContainerRecord ("container") {
        /// The ID, unchecked; see [`Self::container_id`].
        id: String = "id" always,
        /// Names given by callers, unique among containers.
        names: Vec<String> = "names" omitempty,
        /// The ID of its image; empty if it has none. See [`Self::image_id`].
        image: String = "image" always,
        /// The ID of its writable layer; see [`Self::layer_id`].
        layer: String = "layer" always,
        /// Text of the caller.
        metadata: String = "metadata" omitempty,
        /// Names of the big data items beside the record.
        big_data_names: Vec<String> = "big-data-names" omitempty,
        /// Their sizes in bytes, if known.
        big_data_sizes: BTreeMap<String, i64> = "big-data-sizes" omitempty,
        /// Their digests, if known.
        big_data_digests: BTreeMap<String, String> = "big-data-digests" omitempty,
        /// The creation time; the zero time if it is unknown.
        created: Timestamp = "created" always,
        /// The map of user IDs of its user namespace.
        uid_map: Vec<IdMapEntry> = "uidmap" omitempty,
        /// The map of group IDs of its user namespace.
        gid_map: Vec<IdMapEntry> = "gidmap" omitempty,
        /// Flags, of callers and of the library; methods here read the latter.
        flags: Flags = "flags" omitempty,
    }
}

// The names of the library's own flags (Go: store.go).
const VOLATILE: &str = "Volatile";
const MOUNT_LABEL: &str = "MountLabel";
const PROCESS_LABEL: &str = "ProcessLabel";
const MOUNT_OPTIONS: &str = "MountOpts";

impl ContainerRecord {
    /// Returns the checked ID.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an ID and cannot be used as a file name.
    pub fn container_id(&self) -> Result<ContainerId, IdError> {
        self.id.parse()
    }

    /// Returns the checked ID of the image; `None` if the container has none.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an ID.
    pub fn image_id(&self) -> Result<Option<ImageId>, IdError> {
        let given = (!self.image.is_empty()).then_some(self.image.as_str());
        given.map(str::parse).transpose()
    }

    /// Returns the checked ID of the writable layer.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an ID.
    pub fn layer_id(&self) -> Result<LayerId, IdError> {
        self.layer.parse()
    }

    /// Returns the ID maps of the user namespace.
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

    /// Returns the SELinux label for mounts; empty if the flag is missing or not a string.
    #[must_use]
    pub fn mount_label(&self) -> &str {
        self.flags.text(MOUNT_LABEL)
    }

    /// Returns the SELinux label for processes; empty if the flag is missing or not a string.
    #[must_use]
    pub fn process_label(&self) -> &str {
        self.flags.text(PROCESS_LABEL)
    }

    /// Returns the mount options; none if the flag is missing or not a list. Items that are not
    /// strings are skipped.
    pub fn mount_options(&self) -> impl Iterator<Item = &str> {
        self.flags.texts(MOUNT_OPTIONS)
    }

    /// Tells whether the container may be lost in a crash.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.flags.is_true(VOLATILE)
    }

    /// Sets both labels. For a new container, Go always writes them, even if they are empty.
    pub fn set_labels(&mut self, mount: &str, process: &str) {
        self.flags.set(MOUNT_LABEL, mount);
        self.flags.set(PROCESS_LABEL, process);
    }

    /// Sets the mount options; an empty list removes the flag.
    pub fn set_mount_options(&mut self, options: &[String]) {
        if options.is_empty() {
            self.flags.remove(MOUNT_OPTIONS);
        } else {
            self.flags.set(MOUNT_OPTIONS, options.to_vec());
        }
    }

    /// Marks the container as one that may be lost in a crash.
    pub fn mark_volatile(&mut self) {
        self.flags.set(VOLATILE, true);
    }
}
