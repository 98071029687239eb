//! Specifications of layers, images and containers to be created.

pub(crate) mod error;
pub(crate) mod layer_id;

use std::collections::BTreeMap;

use layerhold_driver::LayerAccess;
use layerhold_idmap::IdMappingOptions;
use layerhold_ids::{CompressedDigest, ContainerId, DiffId, Digest, ImageId, LayerId};
use layerhold_schema::{Flags, Timestamp, Value};
use layerhold_selinux::Labels;

use crate::engine::userns::AutoUserNs;
use crate::records::big_data_item::BigDataItem;
use crate::spec::layer_id::NewLayerId;

/// What to do if a layer of the same ID exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfPresent {
    /// Fails with [`ErrorKind::DuplicateId`](crate::ErrorKind::DuplicateId).
    #[default]
    Refuse,
    /// Uses the existing layer if it has the same parent, even if it appears while the new one is
    /// being staged. This fits IDs derived from the contents, such as those of image layers.
    Reuse,
}

/// What to do if another item of the same kind has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameConflict {
    /// Fails with [`ErrorKind::DuplicateName`](crate::ErrorKind::DuplicateName), as Go does when it
    /// creates items.
    #[default]
    Refuse,
    /// Moves the name to the new item, as Go's `SetNames` and `AddNames` do.
    Move,
}

/// Gives a specification the setters that all three share.
macro_rules! common_setters {
    ($spec:ident, $id:ident) => {
        impl $spec {
            /// Sets the ID.
            #[must_use]
            pub fn id(mut self, id: $id) -> Self {
                self.id = id.into();
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

            /// Adds a big data item.
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
    /// The ID.
    pub id: NewLayerId,
    /// The parent, committed or staged in the same transaction.
    pub parent: Option<LayerId>,
    /// A layer whose contents and digests are copied into the new one.
    pub template: Option<LayerId>,
    /// Names, in order; duplicates are dropped.
    pub names: Vec<String>,
    /// The caller's metadata.
    pub metadata: String,
    /// The SELinux mount label; empty for none.
    pub mount_label: String,
    /// Whether the layer will be written to. `None` means [`LayerAccess::ReadWrite`], the default
    /// of Go's command line.
    pub access: Option<LayerAccess>,
    /// The ID maps of the layer.
    pub id_maps: IdMappingOptions,
    /// The digest of the incoming stream, vouched for by the caller: it is recorded without being
    /// computed. It is ignored for a layer that comes without a stream.
    pub trusted_compressed: Option<CompressedDigest>,
    /// The size of the stream, recorded with [`trusted_compressed`](Self::trusted_compressed).
    pub trusted_compressed_size: Option<u64>,
    /// The digest of the uncompressed tar, vouched for by the caller: it is recorded without being
    /// computed.
    pub trusted_diff_id: Option<DiffId>,
    /// Whether the record may be lost at a reboot.
    pub volatile: bool,
    /// Big data items.
    pub big_data: Vec<BigDataItem>,
    /// The caller's flags.
    pub flags: Flags,
    /// Driver options for this layer (`size`, `inodes`).
    pub storage_options: BTreeMap<String, String>,
    /// What to do if the ID is taken.
    pub if_present: IfPresent,
    /// Whether the layer is created for a container.
    pub(crate) of_container: bool,
}

impl LayerSpec {
    /// Describes a base layer without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Derives the ID from the contents and the parent ([`NewLayerId::OfContents`]), and uses an
    /// existing layer of that ID: it has the same contents.
    #[must_use]
    pub fn id_of_contents(mut self) -> Self {
        self.id = NewLayerId::OfContents;
        self.reuse_present()
    }

    /// Sets the parent: a layer ID or a staged layer.
    #[must_use]
    pub fn parent(mut self, parent: impl Into<LayerId>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Sets the layer whose contents are copied.
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

    /// Makes it an image layer, which is never written to.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Some(LayerAccess::ReadOnly);
        self
    }

    /// Sets the ID maps.
    #[must_use]
    pub fn id_maps(mut self, maps: IdMappingOptions) -> Self {
        self.id_maps = maps;
        self
    }

    /// Vouches for the digest and the size of the incoming stream, which are not checked. They are
    /// ignored without a stream.
    #[must_use]
    pub fn trusted_compressed(mut self, digest: CompressedDigest, size: Option<u64>) -> Self {
        self.trusted_compressed = Some(digest);
        self.trusted_compressed_size = size;
        self
    }

    /// Vouches for the digest of the uncompressed tar, which is not checked. It is ignored without
    /// a stream.
    #[must_use]
    pub fn trusted_diff_id(mut self, digest: DiffId) -> Self {
        self.trusted_diff_id = Some(digest);
        self
    }

    /// Makes the record volatile: it may be lost at a reboot.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Uses an existing layer of the same ID instead of failing.
    #[must_use]
    pub fn reuse_present(mut self) -> Self {
        self.if_present = IfPresent::Reuse;
        self
    }

    /// Returns the access asked for, or the default.
    #[must_use]
    pub fn access(&self) -> LayerAccess {
        self.access.unwrap_or(LayerAccess::ReadWrite)
    }
}

/// An image to be created.
///
/// An image that podman can use has a configuration and a manifest, which name its layers. The
/// crate `layerhold-oci` makes both. [`ManifestRule`] says what happens without a manifest.
///
/// ```
/// use layerhold::{BigDataItem, ImageSpec};
///
/// let manifest = BigDataItem::new("manifest", br#"{"schemaVersion":2}"#).with_plain_digest();
/// let spec = ImageSpec::new().name("localhost/example:latest").big_data(manifest);
/// assert!(spec.top_layer.is_none());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ImageSpec {
    /// The ID; random if `None`.
    pub id: Option<ImageId>,
    /// Names, in order; duplicates are dropped.
    pub names: Vec<String>,
    /// What to do with names that other images have.
    pub name_conflict: NameConflict,
    /// Former names, newest first.
    pub names_history: Vec<String>,
    /// The top layer, committed or staged in the same transaction; an image may have none.
    pub top_layer: Option<LayerId>,
    /// The caller's metadata.
    pub metadata: String,
    /// The time of creation; now if `None`.
    pub created: Option<Timestamp>,
    /// A digest to find the image by, besides those of its manifests.
    pub digest: Option<Digest>,
    /// Big data items, such as manifests and the configuration.
    pub big_data: Vec<BigDataItem>,
    /// The caller's flags.
    pub flags: Flags,
    /// What to do if an image of the same ID exists.
    pub if_present: ImageIfPresent,
    /// Whether the image needs a manifest.
    pub manifest: ManifestRule,
}

/// Whether an image needs a manifest, which is its big data item `manifest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ManifestRule {
    /// Fails with [`StageError::NoManifest`](crate::StageError::NoManifest) without one.
    #[default]
    Required,
    /// Creates the image without one. Until one is stored, `podman images` and other commands fail
    /// for the whole store, with exit code 125: they read the manifest of every image.
    Later,
}

/// What to do if an image of the same ID exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageIfPresent {
    /// Fails with [`ErrorKind::DuplicateId`](crate::ErrorKind::DuplicateId).
    #[default]
    Refuse,
    /// Adds names, big data items and metadata to the existing image if it has the same top layer.
    /// Loading an image again does this.
    Update,
}

impl ImageSpec {
    /// Describes an image without layers, names or data.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the image without a manifest ([`ManifestRule::Later`]), to be stored with
    /// [`Store::set_image_data`](crate::Store::set_image_data). Until then, `podman images` and
    /// other commands fail for the whole store. Go: `Store.CreateImage` never asks for one.
    #[must_use]
    pub fn without_manifest(mut self) -> Self {
        self.manifest = ManifestRule::Later;
        self
    }

    /// Moves names here from images that have them.
    #[must_use]
    pub fn move_names(mut self) -> Self {
        self.name_conflict = NameConflict::Move;
        self
    }

    /// Updates an image of the same ID instead of failing.
    #[must_use]
    pub fn update_present(mut self) -> Self {
        self.if_present = ImageIfPresent::Update;
        self
    }

    /// Sets former names, newest first.
    #[must_use]
    pub fn names_history<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names_history = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the top layer: a layer ID or a staged layer.
    #[must_use]
    pub fn top_layer(mut self, layer: impl Into<LayerId>) -> Self {
        self.top_layer = Some(layer.into());
        self
    }

    /// Sets the time of creation.
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
///
/// ```
/// # use layerhold::{ImageSpec, LayerSpec, StoreOptions};
/// use layerhold::{BigDataItem, ContainerSpec, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
/// # let options = StoreOptions::new(graph, run).with_driver("vfs").with_driver_option("vfs.ignore_chown_errors=true");
/// # let store = Store::open(options)?;
/// # let mut tx = store.begin()?;
/// # let layer = tx.import_layer(LayerSpec::new(), std::io::Cursor::new(vec![0u8; 1024]))?;
/// # tx.create_image(ImageSpec::new().without_manifest().name("alpine").top_layer(&layer))?;
/// # tx.commit()?;
/// let image = store.resolve_image("alpine")?;
/// let mut tx = store.begin()?;
/// let spec = ContainerSpec::new()
///     .name("box")
///     .image(image)
///     .metadata("of my program")
///     .big_data(BigDataItem::new("config.json", b"{}"));
/// let container = tx.create_container(spec)?;
/// tx.commit()?;
/// assert_eq!(store.container_data("box", "config.json")?, b"{}");
/// assert_eq!(store.resolve_container("box")?, *container.id());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ContainerSpec {
    /// The ID; random if `None`.
    pub id: Option<ContainerId>,
    /// Names, in order; duplicates are dropped.
    pub names: Vec<String>,
    /// The image whose top layer becomes the parent of the container's layer, committed or created
    /// in the same transaction.
    pub image: Option<ImageId>,
    /// The ID of the container's layer; random if `None`.
    pub layer: Option<LayerId>,
    /// The caller's metadata.
    pub metadata: String,
    /// Big data items.
    pub big_data: Vec<BigDataItem>,
    /// The caller's flags, besides those that other fields set.
    pub flags: Flags,
    /// The mount options of the container's layer.
    pub mount_options: Vec<String>,
    /// Driver options for the container's layer (`size`, `inodes`).
    pub storage_options: BTreeMap<String, String>,
    /// The SELinux labels of processes and mount. `None` chooses them if SELinux is in use.
    pub labels: Option<Labels>,
    /// Changes to the default labels of the system's policy, see
    /// [`label_option`](Self::label_option). Ignored if labels are given.
    pub label_options: Vec<String>,
    /// The ID maps of the container.
    pub id_maps: IdMappingOptions,
    /// A user namespace to be chosen instead of [`id_maps`](Self::id_maps).
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

    /// Changes the default SELinux labels of the system's policy. `user:USER`, `role:ROLE`,
    /// `type:TYPE` and `level:LEVEL` apply to processes. `filetype:TYPE` applies to files, which
    /// have the same user and level. `disable` runs processes without a label. Without a level, one
    /// is drawn that no other container of the store has. Options are ignored if SELinux is not in
    /// use.
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

    /// Sets the ID maps.
    #[must_use]
    pub fn id_maps(mut self, maps: IdMappingOptions) -> Self {
        self.id_maps = maps;
        self
    }

    /// Lets the store choose ID maps that no other container has on the host.
    ///
    /// The transaction holds `userns.lock` from then on until its end, and other transactions that
    /// choose wait for it. A second transaction of the same thread fails with
    /// [`UserNsError::ChosenByThisThread`](crate::UserNsError::ChosenByThisThread).
    #[must_use]
    pub fn auto_userns(mut self, choice: AutoUserNs) -> Self {
        self.auto_userns = Some(choice);
        self
    }

    /// Makes container and layer volatile: they may be lost at a reboot.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }
}
