//! The report of a check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use layerhold_ids::{ContainerId, ImageId, LayerId};

use super::damage::Damage;
use super::rebuilt::RebuiltRecord;
use super::verdict::{Remedy, Verdict};
use crate::records::kinds::ItemId;

/// What a check found, and what [`Store::repair`](crate::Store::repair) would remove.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Everything found: the store as a whole first, then layers, images and containers by ID.
    pub findings: Vec<Finding>,
    /// Everything that a repair would remove, in the order of removal.
    pub removals: Vec<Removal>,
    /// The names of images and containers with findings, and of those that a repair would remove.
    pub names: BTreeMap<ItemId, Vec<String>>,
    /// The JSON of the records at the time of the check; a repair leaves alone an item that changed
    /// since.
    pub(crate) seen: BTreeMap<ItemId, Vec<u8>>,
    /// Lost records, as a repair restores them.
    pub(crate) rebuilt: BTreeMap<ItemId, RebuiltRecord>,
}

/// One finding of a check.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// What.
    pub damage: Damage,
    /// Whether it is damage, and what a repair does about it.
    pub verdict: Verdict,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The store as a whole: its files, and what no item owns.
    Store,
    /// A layer, an image or a container of the store itself.
    Item(ItemId),
    /// A layer or an image of an additional store, which is never changed.
    ReadOnly(ItemId),
}

impl Subject {
    /// The layer, image or container.
    #[must_use]
    pub fn item(&self) -> Option<&ItemId> {
        match self {
            Self::Store => None,
            Self::Item(id) | Self::ReadOnly(id) => Some(id),
        }
    }
}

/// Something that a repair would remove.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removal {
    /// What.
    pub what: Removable,
    /// The bytes that this frees: lengths of files, hard links once. What goes to the quarantine
    /// frees none.
    pub bytes: u64,
    /// Whether its contents are erased or kept.
    pub disposal: Disposal,
    /// A container that has to be removed first. Containers are removed only with
    /// [`Containers::Remove`].
    pub held_by: Option<ContainerId>,
}

/// Whether removed contents are erased or kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposal {
    /// They are erased.
    Erase,
    /// They are moved to the quarantine, where they can be examined, until
    /// [`Store::erase_quarantine`](crate::Store::erase_quarantine).
    Quarantine,
}

/// Something that a repair can remove.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Removable {
    /// A container with its layer.
    Container(ContainerId),
    /// An image without its layers, which are listed by themselves.
    Image(ImageId),
    /// A layer.
    Layer(LayerId),
    /// Contents in the driver that no record names.
    Contents(LayerId),
    /// A file or directory that no record names.
    Path(PathBuf),
}

impl Removable {
    /// The layer, image or container, if it has a record.
    pub(crate) fn item(&self) -> Option<ItemId> {
        match self {
            Self::Container(id) => Some(ItemId::Container(id.clone())),
            Self::Image(id) => Some(ItemId::Image(id.clone())),
            Self::Layer(id) => Some(ItemId::Layer(id.clone())),
            Self::Contents(_) | Self::Path(_) => None,
        }
    }
}

impl CheckReport {
    /// Tells whether there are no findings.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Tells whether anything is damaged or could not be judged. Leftovers of dead processes do not
    /// count: they do no harm, and the next repair or garbage collection removes them.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.verdict != Verdict::Note && !finding.damage.is_leftover())
    }

    /// Returns the findings about one subject.
    pub fn about(&self, subject: &Subject) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.subject == *subject)
    }

    /// Lists the subjects of all findings.
    #[must_use]
    pub fn subjects(&self) -> BTreeSet<&Subject> {
        self.findings
            .iter()
            .map(|finding| &finding.subject)
            .collect()
    }

    /// Adds up the bytes that a repair would free; with [`Containers::Remove`] including what
    /// containers hold.
    #[must_use]
    pub fn bytes(&self, containers: Containers) -> u64 {
        let counted = self
            .removals
            .iter()
            .filter(|removal| containers == Containers::Remove || removal.held_by.is_none());
        counted.fold(0, |sum, removal| sum.saturating_add(removal.bytes))
    }
}

/// Whether a repair removes damaged containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Containers {
    /// They stay, with their images and layers.
    #[default]
    Keep,
    /// They are removed.
    Remove,
}

impl Finding {
    /// Returns what a repair does about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        self.verdict.remedy()
    }

    pub(crate) fn new(subject: Subject, damage: Damage, verdict: Verdict) -> Self {
        Self {
            subject,
            damage,
            verdict,
        }
    }

    /// Makes a finding about damage of an item.
    pub(crate) fn of(id: ItemId, damage: Damage, remedy: Remedy) -> Self {
        Self::new(Subject::Item(id), damage, Verdict::Damaged(remedy))
    }

    /// Makes a finding about damage of the store as a whole.
    pub(crate) fn of_store(damage: Damage, remedy: Remedy) -> Self {
        Self::new(Subject::Store, damage, Verdict::Damaged(remedy))
    }
}
