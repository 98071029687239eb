//! Compares what a layer itself holds with what its tar says.
//!
//! A layer that is as its tar says, on a parent that is so too, has the merged tree that it should
//! have. So that tree need not be looked at, which is as large as all layers together. Wherever the
//! two disagree, or could mean the same in different words, the merged trees decide.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use layerhold_archive::UpperEntry;
use layerhold_driver::OwnTree;
use layerhold_sys::{Descent, Dir, PathError};

use super::compare::Comparison;
use super::tree::{Node, State, Tree};

/// What a layer is compared with.
pub(super) struct OwnComparison<'a> {
    pub(super) own: &'a OwnTree,
    /// How files are compared.
    pub(super) files: Comparison<'a>,
    /// The tree of the layer's tar alone.
    pub(super) stated: &'a Tree,
    /// The tree that its parent should have.
    pub(super) below: &'a Tree,
}

/// A directory that both have.
struct Place<'a> {
    path: PathBuf,
    names: Vec<Vec<u8>>,
    node: &'a Node,
    /// What the lower layers show here.
    below: Option<&'a Node>,
}

/// The two differ, or may do.
struct Differs;

type Compared<T> = Result<Result<T, Differs>, PathError>;

impl<'a> OwnComparison<'a> {
    /// Tells whether the layer holds exactly what its tar says. A directory is only looked at if
    /// the layer has it.
    pub(super) fn is_as_stated(&self) -> Result<bool, PathError> {
        // What an opaque root means differs between tools.
        if self.stated.hidden.opaque.contains(&Vec::new()) {
            return Ok(false);
        }
        let mut seen = BTreeSet::new();
        let mut descent = Descent::new(&self.own.root);
        let mut pending = vec![Place {
            path: PathBuf::new(),
            names: Vec::new(),
            node: &self.stated.root,
            below: Some(&self.below.root),
        }];
        while let Some(place) = pending.pop() {
            if self.files.cancel.is_cancelled() {
                return Ok(false);
            }
            let dir = descent.go_to(&place.path)?;
            match self.directory(&dir, &place)? {
                Ok(more) => pending.extend(more),
                Err(Differs) => return Ok(false),
            }
            seen.insert(place.names);
        }
        Ok(self.hides_nothing_elsewhere(&seen))
    }

    /// Compares the entries of a directory, and returns the directories in it.
    fn directory(&self, dir: &Dir, place: &Place<'a>) -> Compared<Vec<Place<'a>>> {
        let form = self.own.form;
        let entries = form.entries(dir)?;
        let (hides, should_hide) = (form.is_marked_opaque(dir)?, self.should_hide(&place.names));
        let is_empty_below = place.below.is_none_or(|below| below.children.is_empty());
        if form.is_marked_redirected(dir)? || (hides != should_hide && !is_empty_below) {
            return Ok(Err(Differs));
        }
        let below = place.below.filter(|_| !hides && !should_hide);
        if !self.has_all(&entries, place, below) {
            return Ok(Err(Differs));
        }
        let mut more = Vec::new();
        for UpperEntry { name, stat, .. } in entries {
            let below = below.and_then(|below| below.children.get(name.as_bytes()));
            let Some(stat) = stat else {
                if below.is_some_and(|below| !below.optional)
                    && !self.deletes(place, name.as_bytes())
                {
                    return Ok(Err(Differs));
                }
                continue;
            };
            let Some(node) = place.node.children.get(name.as_bytes()) else {
                return Ok(Err(Differs));
            };
            if node.optional {
                continue;
            }
            let is_unknown = matches!(node.state, State::Unknown);
            let facts = self.stated.facts(node.state);
            if is_unknown
                || self
                    .files
                    .file(dir, &name, node.state, facts, &stat)
                    .is_some()
            {
                return Ok(Err(Differs));
            }
            if stat.is_dir() {
                let mut names = place.names.clone();
                names.push(name.as_bytes().to_vec());
                more.push(Place {
                    path: place.path.join(&name),
                    names,
                    node,
                    below: below.filter(|below| self.below.is_dir(below)),
                });
            }
        }
        Ok(Ok(more))
    }

    /// Whether a directory has everything that the tar puts there, and a whiteout of each name that
    /// it deletes and that would be visible otherwise.
    fn has_all(&self, entries: &[UpperEntry], place: &Place<'_>, below: Option<&Node>) -> bool {
        let entry = |name: &[u8]| {
            let found = entries.binary_search_by(|entry| entry.name.as_bytes().cmp(name));
            found.ok().and_then(|found| entries.get(found))
        };
        let mut stated = place.node.children.iter();
        let has_stated = stated.all(|(name, node)| {
            node.optional
                || entry(name).is_some_and(|entry| entry.stat.is_some())
                || (entry(name).is_none()
                    && self.files.may_be_missing(self.stated.facts(node.state)))
        });
        let mut deleted = self
            .stated
            .hidden
            .names
            .get(&place.names)
            .into_iter()
            .flatten();
        let is_visible = |name: &[u8]| {
            let below = below.and_then(|below| below.children.get(name));
            below.is_some_and(|below| !below.optional)
        };
        has_stated && deleted.all(|name| entry(name).is_some() || !is_visible(name))
    }

    fn deletes(&self, place: &Place<'_>, name: &[u8]) -> bool {
        let names = self.stated.hidden.names.get(&place.names);
        names.is_some_and(|names| names.contains(name))
    }

    /// Whether the tar hides what lower layers have in a directory: it is opaque, or it was deleted
    /// and made again.
    fn should_hide(&self, names: &[Vec<u8>]) -> bool {
        let hidden = &self.stated.hidden;
        let is_deleted = names.split_last().is_some_and(|(name, parent)| {
            let deleted = hidden.names.get(parent);
            deleted.is_some_and(|deleted| deleted.contains(name))
        });
        is_deleted || hidden.opaque.contains(names)
    }

    /// Whether whiteouts in directories that the layer does not have hide nothing.
    fn hides_nothing_elsewhere(&self, seen: &BTreeSet<Vec<Vec<u8>>>) -> bool {
        let hidden = &self.stated.hidden;
        let mut names = hidden.names.iter().filter(|(dir, _)| !seen.contains(*dir));
        let mut opaque = hidden.opaque.iter().filter(|dir| !seen.contains(*dir));
        let below = |dir: &[Vec<u8>]| self.below.root.find(dir);
        names.all(|(dir, names)| {
            let below = below(dir);
            below.is_none_or(|below| names.iter().all(|name| !below.children.contains_key(name)))
        }) && opaque.all(|dir| below(dir).is_none_or(|below| below.children.is_empty()))
    }
}
