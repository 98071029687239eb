//! What is to be created.

pub(crate) mod error;

use std::collections::BTreeMap;

use layerhold_driver::LayerAccess;
use layerhold_idmap::IdMappingOptions;
use layerhold_ids::{CompressedDigest, ContainerId, DiffId, Digest, ImageId, LayerId};
use layerhold_schema::{Flags, Timestamp, Value};
use layerhold_selinux::Labels;

use crate::engine::userns::AutoUserNs;
use crate::records::big_data_item::BigDataItem;

/// What happens when a layer of the wanted ID exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfPresent {
    /// Creating it fails with [`ErrorKind::DuplicateId`](crate::ErrorKind::DuplicateId).
    #[default]
    Refuse,
    /// The existing layer is used, provided that it stands on the same parent; also when it appears
    /// only while ours is being staged. Right for IDs that are derived from the contents, as those
    /// of image layers are.
    Reuse,
}

/// What happens when a wanted name belongs to another item of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameConflict {
    /// Creating fails with [`ErrorKind::DuplicateName`](crate::ErrorKind::DuplicateName), as in
    /// Go's creating calls.
    #[default]
    Refuse,
    /// The name moves to the new item, as in Go's `SetNames` and `AddNames`.
    Move,
}

/// Gives a specification the setters that all three have.
macro_rules! common_setters {
    ($spec:ident, $id:ident) => {
        impl $spec {
            /// Sets the ID.
            #[must_use]
            pub fn id(mut self, id: $id) -> Self {
                self.id = Some(id);
                self
            }

            /// Adds a name.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.names.push(name.into());
                self
            }

            /// Adds names.
            #[must_use]
            pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
                self.names.extend(names.into_iter().map(Into::into));
                self
            }

            /// Sets the metadata.
            #[must_use]
            pub fn metadata(mut self, metadata: impl Into<String>) -> Self {
                self.metadata = metadata.into();
                self
            }

            /// Adds a data item.
            #[must_use]
            pub fn big_data(mut self, item: BigDataItem) -> Self {
                self.big_data.push(item);
                self
            }

            /// Sets a flag.
            #[must_use]
            pub fn flag(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
                self.flags.set(name, value);
                self
            }
        }
    };
}

common_setters!(LayerSpec, LayerId);
common_setters!(ImageSpec, ImageId);
common_setters!(ContainerSpec, ContainerId);

/// A layer to be created or imported.
///
/// ```
/// use layerhold::LayerSpec;
///
/// let spec = LayerSpec::new().name("base").read_only();
/// assert_eq!(spec.names, ["base"]);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LayerSpec {
    /// The ID; a random one when absent.
    pub id: Option<LayerId>,
    /// The layer below, committed or staged in the same transaction.
    pub parent: Option<LayerId>,
    /// A layer whose contents and digests the new one starts with.
    pub template: Option<LayerId>,
    /// Names, in order; duplicates are dropped.
    pub names: Vec<String>,
    /// Free text of the caller.
    pub metadata: String,
    /// SELinux mount label; empty for none.
    pub mount_label: String,
    /// Whether it is to be written to. `None` means [`LayerAccess::ReadWrite`], which is the Go
    /// command line's default.
    pub access: Option<LayerAccess>,
    /// Maps of the layer's owners.
    pub id_maps: IdMappingOptions,
    /// Digest of the stream as it comes in, vouched for by the caller: it is recorded and not
    /// computed. Nothing is recorded of a layer that comes without a stream.
    pub trusted_compressed: Option<CompressedDigest>,
    /// Size of the stream, to be recorded with [`trusted_compressed`](Self::trusted_compressed).
    pub trusted_compressed_size: Option<u64>,
    /// Digest of the tar inside, vouched for by the caller: it is recorded and not computed, as the
    /// one of the stream is.
    pub trusted_diff_id: Option<DiffId>,
    /// Whether the record may be lost at a reboot.
    pub volatile: bool,
    /// Big data items.
    pub big_data: Vec<BigDataItem>,
    /// Flags of the caller.
    pub flags: Flags,
    /// Driver options for this layer (`size`, `inodes`).
    pub storage_options: BTreeMap<String, String>,
    /// What happens when the ID is taken.
    pub if_present: IfPresent,
    /// Whether a container made by the same call writes to it.
    pub(crate) of_container: bool,
}

impl LayerSpec {
    /// Describes a base layer without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the layer on top of another; a staged layer serves as well as an ID.
    #[must_use]
    pub fn parent(mut self, parent: impl Into<LayerId>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Starts with the contents of another layer.
    #[must_use]
    pub fn template(mut self, template: impl Into<LayerId>) -> Self {
        self.template = Some(template.into());
        self
    }

    /// Sets the mount label.
    #[must_use]
    pub fn mount_label(mut self, label: impl Into<String>) -> Self {
        self.mount_label = label.into();
        self
    }

    /// Makes it an image layer, which nobody writes to.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Some(LayerAccess::ReadOnly);
        self
    }

    /// Sets the maps.
    #[must_use]
    pub fn id_maps(mut self, maps: IdMappingOptions) -> Self {
        self.id_maps = maps;
        self
    }

    /// Vouches for the digest and the size of the incoming stream, which are not checked. Without a
    /// stream they mean nothing.
    #[must_use]
    pub fn trusted_compressed(mut self, digest: CompressedDigest, size: Option<u64>) -> Self {
        self.trusted_compressed = Some(digest);
        self.trusted_compressed_size = size;
        self
    }

    /// Vouches for the digest of the tar inside the stream, which is not checked. Without a stream
    /// it means nothing.
    #[must_use]
    pub fn trusted_diff_id(mut self, digest: DiffId) -> Self {
        self.trusted_diff_id = Some(digest);
        self
    }

    /// Lets the layer be lost at a reboot.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Uses an existing layer of that ID instead of failing.
    #[must_use]
    pub fn reuse_present(mut self) -> Self {
        self.if_present = IfPresent::Reuse;
        self
    }

    /// The access asked for, or the default.
    #[must_use]
    pub fn access(&self) -> LayerAccess {
        self.access.unwrap_or(LayerAccess::ReadWrite)
    }
}

/// An image to be created.
///
/// ```
/// use layerhold::ImageSpec;
///
/// let spec = ImageSpec::new().name("localhost/example:latest").metadata("{}");
/// assert!(spec.top_layer.is_none());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ImageSpec {
    /// The ID; a random one when absent.
    pub id: Option<ImageId>,
    /// Names, in order; duplicates are dropped.
    pub names: Vec<String>,
    /// What happens to names that other images have.
    pub name_conflict: NameConflict,
    /// Names it had before, newest first.
    pub names_history: Vec<String>,
    /// The top layer, committed or staged in the same transaction; an image may have none.
    pub top_layer: Option<LayerId>,
    /// Free text of the caller.
    pub metadata: String,
    /// When the image was made; now when absent.
    pub created: Option<Timestamp>,
    /// The digest by which it is found besides those of its manifests.
    pub digest: Option<Digest>,
    /// Manifests, configuration and the like.
    pub big_data: Vec<BigDataItem>,
    /// Flags of the caller.
    pub flags: Flags,
    /// What happens when an image of that ID exists.
    pub if_present: ImageIfPresent,
}

/// What happens when an image of the wanted ID exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageIfPresent {
    /// Creating it fails with [`ErrorKind::DuplicateId`](crate::ErrorKind::DuplicateId).
    #[default]
    Refuse,
    /// The image gets the names, the data items and the metadata of the new one added to its own,
    /// provided that it has the same top layer. That is what loading an image again does.
    Update,
}

impl ImageSpec {
    /// Describes an image without layers, names or data.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes names away from images that have them.
    #[must_use]
    pub fn move_names(mut self) -> Self {
        self.name_conflict = NameConflict::Move;
        self
    }

    /// Updates an image of that ID instead of failing.
    #[must_use]
    pub fn update_present(mut self) -> Self {
        self.if_present = ImageIfPresent::Update;
        self
    }

    /// Sets the names it had before, newest first.
    #[must_use]
    pub fn names_history<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names_history = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the top layer; a staged layer serves as well as an ID.
    #[must_use]
    pub fn top_layer(mut self, layer: impl Into<LayerId>) -> Self {
        self.top_layer = Some(layer.into());
        self
    }

    /// Sets when the image was made.
    #[must_use]
    pub fn created(mut self, created: Timestamp) -> Self {
        self.created = Some(created);
        self
    }

    /// Sets the image's own digest.
    #[must_use]
    pub fn digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }
}

/// A container to be created.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ContainerSpec {
    /// The ID; a random one when absent.
    pub id: Option<ContainerId>,
    /// Names, in order; duplicates are dropped.
    pub names: Vec<String>,
    /// The image whose top layer the container's layer stands on; committed or created in the same
    /// transaction.
    pub image: Option<ImageId>,
    /// The ID for the container's layer; a random one when absent.
    pub layer: Option<LayerId>,
    /// Free text of the caller.
    pub metadata: String,
    /// Data items.
    pub big_data: Vec<BigDataItem>,
    /// Flags of the caller, beside those set here.
    pub flags: Flags,
    /// Options for every mount of the container's layer.
    pub mount_options: Vec<String>,
    /// Driver options for the container's layer (`size`, `inodes`).
    pub storage_options: BTreeMap<String, String>,
    /// SELinux labels of process and mount; both or none. `None` chooses them where SELinux is in
    /// use.
    pub labels: Option<Labels>,
    /// What is to be different from the labels that the policy of the system gives containers, see
    /// [`label_option`](Self::label_option). Not looked at when labels are given.
    pub label_options: Vec<String>,
    /// Maps of the container's owners.
    pub id_maps: IdMappingOptions,
    /// A user namespace to be chosen, in place of [`id_maps`](Self::id_maps).
    pub auto_userns: Option<AutoUserNs>,
    /// Whether container and layer may be lost at a reboot.
    pub volatile: bool,
}

impl ContainerSpec {
    /// Describes a container without an image.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the image.
    #[must_use]
    pub fn image(mut self, image: impl Into<ImageId>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Sets the ID of the container's layer.
    #[must_use]
    pub fn layer(mut self, layer: LayerId) -> Self {
        self.layer = Some(layer);
        self
    }

    /// Adds a mount option.
    #[must_use]
    pub fn mount_option(mut self, option: impl Into<String>) -> Self {
        self.mount_options.push(option.into());
        self
    }

    /// Changes the SELinux labels that the policy of the system gives containers: `user:USER`,
    /// `role:ROLE`, `type:TYPE` and `level:LEVEL` for its processes, `filetype:TYPE` for its files,
    /// which have the same user and level; or `disable`, for processes without a label. Without a
    /// level, one is chosen that no other container of the store has. Where SELinux is not in use,
    /// nothing of it matters.
    #[must_use]
    pub fn label_option(mut self, option: impl Into<String>) -> Self {
        self.label_options.push(option.into());
        self
    }

    /// Sets the SELinux labels.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = Some(labels);
        self
    }

    /// Sets the maps.
    #[must_use]
    pub fn id_maps(mut self, maps: IdMappingOptions) -> Self {
        self.id_maps = maps;
        self
    }

    /// Lets the store choose the maps, so that no other container has the same IDs on the host.
    ///
    /// From then on until its end, the transaction holds the lock of such choices (`userns.lock`):
    /// whoever else wants to choose waits, also a second transaction of the same thread, which then
    /// waits forever.
    #[must_use]
    pub fn auto_userns(mut self, choice: AutoUserNs) -> Self {
        self.auto_userns = Some(choice);
        self
    }

    /// Lets the container be lost at a reboot.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }
}
