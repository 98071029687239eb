//! Checks that the trees of layers can be opened, and hold what their layers put there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use layerhold_driver::{LayerError, Privilege, Stacking, run_tasks};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use super::attributes::Compared;
use super::compare::{Comparison, IgnoredDifferences};
use super::contents::{Changes, entries};
use super::damage::{Attribute, Damage, FileChange};
use super::error::CheckError;
use super::inspection::Inspection;
use super::layers::unreadable;
use super::options::CheckDepth;
use super::own_tree::OwnComparison;
use super::progress::{CheckStep, Progress};
use super::report::Finding;
use super::tree::{Entry, Links, Tree};
use super::{locked, settled};
use crate::engine::owners_on_disk::OnDisk;
use crate::records::Layer;
use crate::records::kinds::ItemId;

/// Opens the trees of all layers except those of containers, and compares them if the depth asks
/// for it.
pub(super) fn check(
    inspection: &Inspection<'_>,
    unusable: &BTreeSet<&LayerId>,
    known: &[Finding],
) -> Result<Vec<Finding>, CheckError> {
    let walk = Walk {
        inspection,
        unusable,
        known: known_files(known),
        children: children(inspection),
        // Layers of containers change, and may be mounted.
        containers: inspection
            .containers
            .values()
            .map(|container| container.layer())
            .collect(),
        found: Mutex::default(),
        progress: Progress::new(CheckStep::Trees, inspection.layers.len()),
    };
    let bases = inspection.layers.values().filter(|layer| {
        let parent = layer.parent();
        parent.is_none_or(|parent| !inspection.layers.contains_key(parent))
    });
    let bases: Vec<Task> = bases
        .map(|layer| Task {
            layer: Arc::clone(layer),
            // Without its ancestors, the tree of a layer is unknown.
            below: layer.parent().is_none().then(Tree::default),
            depth: 0,
        })
        .collect();
    run_tasks(inspection.options.threads, bases, |layers, tasks| {
        for task in layers {
            let above = walk.layer(task)?;
            tasks.add_all(above.into_iter().map(|task| vec![task]));
        }
        Ok::<_, CheckError>(())
    })?;
    Ok(walk
        .found
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

/// A layer to be checked.
struct Task {
    layer: Arc<Layer>,
    /// The tree of its parent, if it is known.
    below: Option<Tree>,
    depth: usize,
}

struct Walk<'a, 'l> {
    inspection: &'a Inspection<'l>,
    unusable: &'a BTreeSet<&'a LayerId>,
    /// Files that are known to differ.
    known: BTreeMap<LayerId, BTreeSet<PathBuf>>,
    children: BTreeMap<&'a LayerId, Vec<&'a Arc<Layer>>>,
    containers: BTreeSet<&'a LayerId>,
    found: Mutex<Vec<Finding>>,
    progress: Progress,
}

impl Walk<'_, '_> {
    /// Checks a layer and returns its children.
    fn layer(&self, task: Task) -> Result<Vec<Task>, CheckError> {
        let Task {
            layer,
            below,
            depth,
        } = task;
        let id = layer.id();
        let entries = self.entries(&layer, depth).filter(|_| below.is_some());
        let stated = below.as_ref().zip(entries.as_deref());
        let is_read_only = self.inspection.is_read_only(&ItemId::Layer(id.clone()));
        let is_checked =
            !self.containers.contains(id) && !self.unusable.contains(id) && !is_read_only;
        let is_right = is_checked && self.is_as_stated(&layer, stated);
        let tree = below.zip(entries).map(|(mut tree, entries)| {
            tree.apply(&entries, Links::OfLayer);
            tree
        });
        if is_checked && !(is_right && self.is_part_of_a_view(id, depth)) {
            let tree = tree.as_ref().filter(|_| !is_right);
            let found = settled(self.inspection, id, &|inspection, layer| {
                self.compare(inspection, layer, tree, depth)
            })?;
            locked(&self.found).extend(found);
        }
        self.inspection.advance(&self.progress)?;
        let mut above = Vec::new();
        let children = self.children.get(id).map_or(&[][..], Vec::as_slice);
        let mut tree = tree;
        for (position, child) in children.iter().enumerate() {
            // The last child takes the tree over, so that a chain of layers has one tree at a time.
            let below = if position + 1 == children.len() {
                tree.take()
            } else {
                tree.clone()
            };
            above.push(Task {
                layer: Arc::clone(child),
                below,
                depth: depth + 1,
            });
        }
        Ok(above)
    }

    /// The entries of the layer's tar; `None` when they are unknown or not asked for.
    fn entries(&self, layer: &Layer, depth: usize) -> Option<Vec<Entry>> {
        if self.inspection.options.depth < CheckDepth::Contents || layer.diff_id().is_none() {
            return None;
        }
        entries(self.inspection, layer.id(), depth)
    }

    /// Tells whether the merged tree of a layer is right if that of its parent is, as far as what
    /// the layer itself holds shows it. `stated` are the tree of the parent and the entries of the
    /// layer, if they are compared.
    fn is_as_stated(&self, layer: &Layer, stated: Option<(&Tree, &[Entry])>) -> bool {
        let own = self.inspection.driver.own_tree(layer.id(), layer.parent());
        let Ok(Some(own)) = own else {
            return false;
        };
        let Some((below, entries)) = stated else {
            return true;
        };
        let mut tree = Tree::default();
        tree.apply(entries, Links::OfLayer);
        let maps = maps_of(self.inspection, layer);
        let Ok(files) = comparison(self.inspection, &own.root, &maps, 0) else {
            return false;
        };
        let comparison = OwnComparison {
            own: &own,
            files,
            stated: &tree,
            below,
        };
        // What cannot be read is found by the comparison that follows.
        comparison.is_as_stated().unwrap_or(false)
    }

    /// Tells whether the view of a layer above this one shows this one too.
    fn is_part_of_a_view(&self, id: &LayerId, depth: usize) -> bool {
        let inspection = self.inspection;
        let limit = inspection.driver.capabilities().max_depth;
        let mut children = self.children.get(id).into_iter().flatten();
        limit.is_none_or(|limit| depth < limit)
            && children.any(|child| {
                let child = child.id();
                let is_seen = !self.containers.contains(child)
                    && !self.unusable.contains(child)
                    && !inspection.is_read_only(&ItemId::Layer(child.clone()));
                is_seen && matches!(inspection.driver.own_tree(child, Some(id)), Ok(Some(_)))
            })
    }

    /// The tree that the layer has if the Go library unpacked it into a copy of its parent.
    fn tree_of_copies(&self, layer: &Layer) -> Option<Tree> {
        if self.inspection.driver.capabilities().stacking != Stacking::Copies {
            return None;
        }
        let mut tree = Tree::default();
        let chain = self.inspection.chain(layer.id());
        for (depth, layer) in chain.iter().rev().enumerate() {
            tree.apply(&entries(self.inspection, layer.id(), depth)?, Links::OfAll);
        }
        Some(tree)
    }

    fn compare(
        &self,
        inspection: &Inspection<'_>,
        layer: &Layer,
        tree: Option<&Tree>,
        depth: usize,
    ) -> Vec<Finding> {
        let mut changes = Changes::new(inspection, layer);
        let view = match inspection.driver.view(layer.id(), layer.mount_label()) {
            Ok(view) => view,
            // This is reported for the image.
            Err(LayerError::MaxDepth { .. }) => return Vec::new(),
            Err(error) => return changes.and(unreadable(error)),
        };
        let Some(tree) = tree else {
            return Vec::new();
        };
        let maps = maps_of(inspection, layer);
        let has_copies = inspection.driver.capabilities().stacking == Stacking::Copies;
        // Where layers are stacked, files of lower layers are not copies.
        let read_below = if has_copies { depth } else { 0 };
        let comparison = match comparison(inspection, view.root(), &maps, read_below) {
            Ok(comparison) => comparison,
            Err(error) => return changes.and(unreadable(error.into())),
        };
        let owner = owner_of_store(inspection);
        let known = self.known.get(layer.id());
        let compared = comparison.run(tree, &mut |path, change| {
            if is_of_ignored_owner(&change, owner.as_ref()) {
                changes.add_unowned();
            } else if known.is_none_or(|known| !known.contains(&path)) {
                changes.add(path, change);
            }
        });
        if let Err(error) = compared {
            return changes.and(unreadable(error.into()));
        }
        let found = changes.finish();
        if !found.is_empty() && self.is_of_copies(layer, comparison) {
            return Vec::new();
        }
        found
    }

    /// Tells whether a tree is right by the rules of the Go library.
    fn is_of_copies(&self, layer: &Layer, comparison: Comparison<'_>) -> bool {
        let Some(tree) = self.tree_of_copies(layer) else {
            return false;
        };
        let comparison = Comparison {
            is_first_enough: true,
            ..comparison
        };
        let mut differs = false;
        let compared = comparison.run(&tree, &mut |_, _| differs = true);
        compared.is_ok() && !differs
    }
}

/// The maps of the owners on disk. A view shows them as they lie there, even where mounts shift
/// them.
fn maps_of(inspection: &Inspection<'_>, layer: &Layer) -> IdMappings {
    OnDisk::of(layer, &inspection.records.containers, &*inspection.driver).maps
}

/// How the files of a tree are compared.
fn comparison<'a>(
    inspection: &Inspection<'a>,
    root: &'a Dir,
    maps: &'a IdMappings,
    read_below: usize,
) -> Result<Comparison<'a>, layerhold_sys::PathError> {
    Ok(Comparison {
        root,
        maps,
        ignored: IgnoredDifferences::of_layer(&inspection.engine.options, root),
        read_below,
        compared: compared(inspection, root, maps)?,
        is_first_enough: false,
        cancel: inspection.cancel(),
    })
}

/// The owner of the graph root, as text.
fn owner_of_store(inspection: &Inspection<'_>) -> Option<(String, String)> {
    let stat = layerhold_sys::stat_ambient(&inspection.engine.options.graph_root);
    let stat = stat.ok().flatten()?;
    Some((stat.uid.to_string(), stat.gid.to_string()))
}

/// Tells whether a file differs only in its owner, which is the owner of the store. This is so for
/// every file whose owner could not be set with `ignore_chown_errors`.
fn is_of_ignored_owner(change: &FileChange, store: Option<&(String, String)>) -> bool {
    let (FileChange::Attributes(changes), Some((user, group))) = (change, store) else {
        return false;
    };
    changes.iter().all(|change| match change.what {
        Attribute::User => change.actual == *user,
        Attribute::Group => change.actual == *group,
        _ => false,
    })
}

/// Returns which attributes can be compared: a user namespace cannot set all capabilities, and
/// shifting owners removes them.
fn compared(
    inspection: &Inspection<'_>,
    root: &Dir,
    maps: &IdMappings,
) -> Result<Compared, layerhold_sys::PathError> {
    let compared = Compared::of(root)?;
    let is_plain = *maps == IdMappings::IDENTITY
        && inspection.engine.options.privilege != Privilege::UserNamespace;
    Ok(Compared {
        capabilities: compared.capabilities && is_plain,
        ..compared
    })
}

fn known_files(known: &[Finding]) -> BTreeMap<LayerId, BTreeSet<PathBuf>> {
    let mut files: BTreeMap<LayerId, BTreeSet<PathBuf>> = BTreeMap::new();
    for finding in known {
        if let (Damage::File { path, .. }, Some(ItemId::Layer(id))) =
            (&finding.damage, finding.subject.item())
        {
            files.entry(id.clone()).or_default().insert(path.clone());
        }
    }
    files
}

fn children<'a>(inspection: &'a Inspection<'_>) -> BTreeMap<&'a LayerId, Vec<&'a Arc<Layer>>> {
    let mut children: BTreeMap<&LayerId, Vec<&Arc<Layer>>> = BTreeMap::new();
    for layer in inspection.layers.values() {
        if let Some(parent) = layer.parent() {
            children.entry(parent).or_default().push(layer);
        }
    }
    children
}
