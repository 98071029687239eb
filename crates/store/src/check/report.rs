//! What a check found.

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
    /// Everything that a repair would remove, in that order.
    pub removals: Vec<Removal>,
    /// The names of images and containers that something was found about, or that a repair would
    /// remove.
    pub names: BTreeMap<ItemId, Vec<String>>,
    /// What the records of the items said when they were looked at; an item that changed since is
    /// left alone by a repair.
    pub(crate) seen: BTreeMap<ItemId, Vec<u8>>,
    /// Records that were lost, as a repair makes them anew.
    pub(crate) rebuilt: BTreeMap<ItemId, RebuiltRecord>,
}

/// Something that is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finding {
    /// With what.
    pub subject: Subject,
    /// What.
    pub damage: Damage,
    /// Whether it is damage, and what a repair does about it then.
    pub verdict: Verdict,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The store as a whole: its files, and what belongs to no item.
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
    /// The bytes that are free then: lengths of files, hard links once. What is set aside frees
    /// none.
    pub bytes: u64,
    /// What becomes of its contents.
    pub disposal: Disposal,
    /// A container that has to be removed first. Containers are removed only when that is asked
    /// for.
    pub held_by: Option<ContainerId>,
}

/// What becomes of what is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposal {
    /// It is erased.
    Erase,
    /// It is set aside, where people can look at it, until
    /// [`Store::erase_quarantine`](crate::Store::erase_quarantine).
    Quarantine,
}

/// What can be removed.
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
    /// A file or directory that belongs to nothing.
    Path(PathBuf),
}

impl Removable {
    /// The layer, image or container with its record.
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
    /// Tells whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Tells whether anything is damaged, or could not be judged. Leftovers of dead processes are
    /// in the report, do no harm, and go with the next repair or collection of garbage.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.verdict != Verdict::Note && !finding.damage.is_leftover())
    }

    /// Goes through what was found about one subject.
    pub fn about(&self, subject: &Subject) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.subject == *subject)
    }

    /// Lists the subjects that something was found about.
    #[must_use]
    pub fn subjects(&self) -> BTreeSet<&Subject> {
        self.findings
            .iter()
            .map(|finding| &finding.subject)
            .collect()
    }

    /// Adds up the bytes that a repair would free. With containers, that is with those held by them
    /// too.
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
    /// They stay, with the image and the layers that they stand on.
    #[default]
    Keep,
    /// They are removed.
    Remove,
}

impl Finding {
    /// What a repair does about it.
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

    /// Damage of an item.
    pub(crate) fn of(id: ItemId, damage: Damage, remedy: Remedy) -> Self {
        Self::new(Subject::Item(id), damage, Verdict::Damaged(remedy))
    }

    /// Damage of the store as a whole.
    pub(crate) fn of_store(damage: Damage, remedy: Remedy) -> Self {
        Self::new(Subject::Store, damage, Verdict::Damaged(remedy))
    }
}
