//! The disk usage report.

use std::ops::AddAssign;

use layerhold_ids::{ContainerId, ImageId, LayerId};

use super::counters::Counts;

/// The disk usage of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DiskUsage {
    /// Lengths of all files, hard links once; directories count as 0 (Go: pkg/directory).
    pub bytes: u64,
    /// Files, directories and everything else with an inode.
    pub inodes: u64,
    /// Bytes of the allocated blocks at the time of counting, including directories. Blocks that
    /// are shared with another file count in full.
    pub allocated: u64,
}

impl AddAssign for DiskUsage {
    fn add_assign(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.inodes = self.inodes.saturating_add(other.inodes);
        self.allocated = self.allocated.saturating_add(other.allocated);
    }
}

impl From<Counts> for DiskUsage {
    fn from(counts: Counts) -> Self {
        Self {
            bytes: counts.bytes,
            inodes: counts.inodes,
            allocated: counts.allocated,
        }
    }
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageOrigin {
    /// Counted before, and recorded.
    Recorded,
    /// Counted now.
    Counted,
    /// The driver does not have the layer.
    Missing,
}

/// The disk usage of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerUsage {
    /// The layer.
    pub id: LayerId,
    /// Its parent.
    pub parent: Option<LayerId>,
    /// Its own files: what it changes, or everything where each layer is a full copy (vfs).
    pub own: DiskUsage,
    /// Bytes of the files beside it: its tar-split file and its big data items.
    pub beside: u64,
    /// Where the figures come from.
    pub origin: UsageOrigin,
    /// How many images it is part of.
    pub images: usize,
    /// How many containers have it as their own layer or as an ancestor of it.
    pub containers: usize,
}

/// The disk usage of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageUsage {
    /// The image.
    pub id: ImageId,
    /// Its names.
    pub names: Vec<String>,
    /// Layers that are part of no other image.
    pub unique: DiskUsage,
    /// Layers that are part of other images too.
    pub shared: DiskUsage,
    /// Bytes of its big data items, as recorded.
    pub data: u64,
    /// How many containers were made of it.
    pub containers: usize,
}

impl ImageUsage {
    /// Bytes that only this image takes: its own layers and its big data items.
    #[must_use]
    pub const fn unique_bytes(&self) -> u64 {
        self.unique.bytes.saturating_add(self.data)
    }

    /// Bytes of all its layers and big data items.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.unique_bytes().saturating_add(self.shared.bytes)
    }
}

/// The disk usage of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerUsage {
    /// The container.
    pub id: ContainerId,
    /// Its names.
    pub names: Vec<String>,
    /// The image it was made of.
    pub image: Option<ImageId>,
    /// Its own layer.
    pub own: DiskUsage,
    /// Bytes of its big data items and other files.
    pub data: u64,
    /// Bytes of the ancestors of its own layer.
    pub below: u64,
}

impl ContainerUsage {
    /// Bytes that only this container takes.
    #[must_use]
    pub const fn own_bytes(&self) -> u64 {
        self.own.bytes.saturating_add(self.data)
    }
}

/// The disk usage of a whole store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TotalUsage {
    /// The layers of images, each once.
    pub images: DiskUsage,
    /// The layers that containers write to.
    pub containers: DiskUsage,
    /// Layers that no image and no container uses.
    pub unused: DiskUsage,
    /// Bytes of big data items and other files of layers, images and containers.
    pub data: u64,
    /// Bytes that would be freed if all images without containers, and all unused layers, were
    /// removed.
    pub reclaimable: u64,
}

impl TotalUsage {
    /// Bytes of everything.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.images
            .bytes
            .saturating_add(self.containers.bytes)
            .saturating_add(self.unused.bytes)
            .saturating_add(self.data)
    }
}

/// The disk usage of the layers, images and containers of a store at one moment.
///
/// Additional stores are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct UsageReport {
    /// The layers, in the order of the store.
    pub layers: Vec<LayerUsage>,
    /// The images, in the order of the store.
    pub images: Vec<ImageUsage>,
    /// The containers, in the order of the store.
    pub containers: Vec<ContainerUsage>,
    /// All together.
    pub total: TotalUsage,
}

/// A counter with a wrong value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongCounter {
    /// The layer.
    pub layer: LayerId,
    /// The recorded counts.
    pub recorded: DiskUsage,
    /// The actual counts.
    pub found: DiskUsage,
}
