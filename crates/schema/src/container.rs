//! `containers.json`.

use std::collections::BTreeMap;

use layerhold_idmap::IdMappings;
use layerhold_ids::{ContainerId, IdError, ImageId, LayerId};

use crate::{Flags, IdMapEntry, IdMapEntryError, Timestamp, id_map_from_entries};

record! {
    /// A container (Go: containers.go, `Container`).
    ContainerRecord ("container") {
        /// The ID, unchecked; see [`Self::container_id`].
        id: String = "id" always,
        /// Names given by callers, unique among containers.
        names: Vec<String> = "names" omitempty,
        /// The ID of the image it was made of; empty if of none. See [`Self::image_id`].
        image: String = "image" always,
        /// The ID of its own writable layer; see [`Self::layer_id`].
        layer: String = "layer" always,
        /// Text kept for the caller.
        metadata: String = "metadata" omitempty,
        /// Names of the data items kept beside the record.
        big_data_names: Vec<String> = "big-data-names" omitempty,
        /// Their sizes in bytes, where known.
        big_data_sizes: BTreeMap<String, i64> = "big-data-sizes" omitempty,
        /// Their digests, where known.
        big_data_digests: BTreeMap<String, String> = "big-data-digests" omitempty,
        /// When the container was made; the zero time if nobody noted it.
        created: Timestamp = "created" always,
        /// The map of user IDs of its user namespace.
        uid_map: Vec<IdMapEntry> = "uidmap" omitempty,
        /// The map of group IDs of its user namespace.
        gid_map: Vec<IdMapEntry> = "gidmap" omitempty,
        /// Notes; the library's own have methods here.
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
    /// Fails if the text is no ID, so that it can't be used as a file name.
    pub fn container_id(&self) -> Result<ContainerId, IdError> {
        self.id.parse()
    }

    /// Returns the checked ID of the image, or none if the container was made of none.
    ///
    /// # Errors
    ///
    /// Fails if the text is no ID.
    pub fn image_id(&self) -> Result<Option<ImageId>, IdError> {
        let given = (!self.image.is_empty()).then_some(self.image.as_str());
        given.map(str::parse).transpose()
    }

    /// Returns the checked ID of the writable layer.
    ///
    /// # Errors
    ///
    /// Fails if the text is no ID.
    pub fn layer_id(&self) -> Result<LayerId, IdError> {
        self.layer.parse()
    }

    /// Returns the ID maps of the user namespace.
    ///
    /// # Errors
    ///
    /// Fails for a range with numbers that are no IDs.
    pub fn id_mappings(&self) -> Result<IdMappings, IdMapEntryError> {
        Ok(IdMappings::new(
            id_map_from_entries(&self.uid_map)?,
            id_map_from_entries(&self.gid_map)?,
        ))
    }

    /// Returns the SELinux label to mount with; empty if the flag is missing or no text.
    #[must_use]
    pub fn mount_label(&self) -> &str {
        self.flags.text(MOUNT_LABEL)
    }

    /// Returns the SELinux label to run with; empty if the flag is missing or no text.
    #[must_use]
    pub fn process_label(&self) -> &str {
        self.flags.text(PROCESS_LABEL)
    }

    /// Returns the mount options; none if the flag is missing or no list, and without items that
    /// are no texts.
    pub fn mount_options(&self) -> impl Iterator<Item = &str> {
        self.flags.texts(MOUNT_OPTIONS)
    }

    /// Tells whether the container need not survive a crash.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.flags.is_true(VOLATILE)
    }

    /// Sets both labels, which Go always writes for a new container, even when they are empty.
    pub fn set_labels(&mut self, mount: &str, process: &str) {
        self.flags.set(MOUNT_LABEL, mount);
        self.flags.set(PROCESS_LABEL, process);
    }

    /// Sets the mount options; without any, the flag is removed.
    pub fn set_mount_options(&mut self, options: &[String]) {
        if options.is_empty() {
            self.flags.remove(MOUNT_OPTIONS);
        } else {
            self.flags.set(MOUNT_OPTIONS, options.to_vec());
        }
    }

    /// Notes that the container need not survive a crash.
    pub fn mark_volatile(&mut self) {
        self.flags.set(VOLATILE, true);
    }
}
