//! The findings of a check, in the lists of the Go tool.

use std::collections::BTreeMap;

use layerhold::check::{CheckReport, Subject};

use layerhold::ItemId;
use serde_json::{Value, json};

use super::messages;

/// One of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ListKind {
    Layer,
    ReadOnlyLayer,
    Image,
    ReadOnlyImage,
    Container,
    /// Findings about no item. The Go tool has no such list.
    Store,
}

/// All lists.
pub(super) const ALL: [ListKind; 6] = [
    ListKind::Layer,
    ListKind::ReadOnlyLayer,
    ListKind::Image,
    ListKind::ReadOnlyImage,
    ListKind::Container,
    ListKind::Store,
];
/// The lists with damage that a repair leaves if it keeps containers.
pub(super) const NOT_REPAIRED: [ListKind; 3] = [
    ListKind::ReadOnlyLayer,
    ListKind::ReadOnlyImage,
    ListKind::Container,
];
/// The lists with damage that a repair leaves in any case.
pub(super) const READ_ONLY: [ListKind; 2] = [ListKind::ReadOnlyLayer, ListKind::ReadOnlyImage];

impl ListKind {
    fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Store => Self::Store,
            Subject::Item(ItemId::Layer(_)) => Self::Layer,
            Subject::Item(ItemId::Image(_)) => Self::Image,
            Subject::Item(ItemId::Container(_)) | Subject::ReadOnly(ItemId::Container(_)) => {
                Self::Container
            }
            Subject::ReadOnly(ItemId::Layer(_)) => Self::ReadOnlyLayer,
            Subject::ReadOnly(ItemId::Image(_)) => Self::ReadOnlyImage,
        }
    }

    /// The Go tool's word for an item of the list.
    fn noun(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::ReadOnlyLayer => "read-only layer",
            Self::Image => "image",
            Self::ReadOnlyImage => "read-only image",
            Self::Container => "container",
            Self::Store => "store",
        }
    }

    /// The name of the list in JSON.
    fn field(self) -> &'static str {
        match self {
            Self::Layer => "Layers",
            Self::ReadOnlyLayer => "ROLayers",
            Self::Image => "Images",
            Self::ReadOnlyImage => "ROImages",
            Self::Container => "Containers",
            Self::Store => "Store",
        }
    }
}

/// Texts by list and ID.
#[derive(Debug)]
pub(super) struct Lists(BTreeMap<ListKind, BTreeMap<String, Vec<String>>>);

impl Lists {
    pub(super) fn new(report: &CheckReport) -> Self {
        let mut lists: BTreeMap<ListKind, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for finding in &report.findings {
            if !messages::is_listed(finding) {
                continue;
            }
            let kind = ListKind::of(&finding.subject);
            let id = finding
                .subject
                .item()
                .map_or(String::new(), ToString::to_string);
            let texts = messages::finding(report, finding);
            if !texts.is_empty() {
                let list = lists.entry(kind).or_default().entry(id).or_default();
                list.extend(texts);
            }
        }
        Self(lists)
    }

    /// The headings with the texts below them.
    pub(super) fn headings(&self) -> impl Iterator<Item = (String, &Vec<String>)> {
        self.0.iter().flat_map(|(kind, list)| {
            list.iter().map(|(id, texts)| {
                let heading = format!("{} {id}", kind.noun());
                (heading.trim_end().to_owned(), texts)
            })
        })
    }

    /// The lists as the Go tool has them in JSON, each error as its text. The list of findings
    /// about no item is left out if empty.
    pub(super) fn json(&self) -> Value {
        let mut lists = serde_json::Map::new();
        for kind in ALL {
            let list = self.0.get(&kind);
            if kind == ListKind::Store {
                let texts = list.and_then(|list| list.values().next());
                lists.extend(texts.map(|texts| (kind.field().to_owned(), json!(texts))));
            } else {
                let list = list.map_or_else(|| json!({}), |list| json!(list));
                drop(lists.insert(kind.field().to_owned(), list));
            }
        }
        Value::Object(lists)
    }

    /// How many items of some lists are damaged; `None` if none is.
    pub(super) fn counts(&self, kinds: &[ListKind]) -> Option<String> {
        let count = |kind: &ListKind| self.0.get(kind).map_or(0, BTreeMap::len);
        if kinds.iter().all(|kind| count(kind) == 0) {
            return None;
        }
        let shown = kinds
            .iter()
            // Go has no such count.
            .filter(|kind| **kind != ListKind::Store || count(kind) > 0)
            .map(|kind| format!("{} {} errors", count(kind), kind.noun()));
        Some(shown.collect::<Vec<_>>().join(", "))
    }
}
