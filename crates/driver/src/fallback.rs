//! Differences for drivers that do not keep them: mount both trees and compare (Go:
//! drivers/fsdiff.go).

use std::io::{BufWriter, Read, Write};

use layerhold_archive::layerhold_tar_format::Reader;
use layerhold_archive::{
    Cancel, Change, ChownErrors, CompareOptions, PackOptions, UnmappedOwners, Unpacker,
    changes_size, compare, pack, pack_changes,
};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;

use crate::apply::{ApplyRequest, ApplySummary, LayerTarget};
use crate::diff::{DiffRequest, TreeOwners};
use crate::driver::Driver;
use crate::error::LayerError;
use crate::mount::OwnFiles;
use crate::view::LayerView;

/// Headers and small files are joined to pieces of this size.
const PACK_BUFFER: usize = 128 * 1024;

/// The layer and, when there is one, its parent.
struct Trees<'a> {
    layer: Tree<'a>,
    parent: Option<Tree<'a>>,
}

/// The merged tree of a layer, and the maps of its owners.
struct Tree<'a> {
    view: LayerView<'a>,
    maps: IdMappings,
}

impl<'a> Trees<'a> {
    fn open<D: Driver + ?Sized>(
        driver: &'a D,
        request: &DiffRequest<'_>,
    ) -> Result<Self, LayerError> {
        let layer = Tree::open(
            driver,
            request,
            request.id,
            &request.id_maps,
            request.owners,
        )?;
        let parent = match request.parent {
            Some(parent) => Some(Self::open_parent(driver, request, parent)?),
            None => None,
        };
        Ok(Self { layer, parent })
    }

    /// Opens a parent. One without maps is shown as the container sees it: there, all owners that
    /// have no place in the container's maps are the same, and must not count as changed.
    fn open_parent<D: Driver + ?Sized>(
        driver: &'a D,
        request: &DiffRequest<'_>,
        parent: &LayerId,
    ) -> Result<Tree<'a>, LayerError> {
        let (maps, owners) = (&request.parent_maps, request.parent_owners);
        if request.owners == TreeOwners::OfContainer && maps.is_identity() {
            let (maps, label) = (&request.id_maps, request.mount_label);
            return Ok(Tree {
                view: driver.view_shifted(parent, label, maps, OwnFiles::Inside)?,
                maps: maps.clone(),
            });
        }
        Tree::open(driver, request, parent, maps, owners)
    }

    fn compare(&self, cancel: &Cancel) -> Result<Vec<Change>, LayerError> {
        let (old, old_maps) = match &self.parent {
            Some(parent) => (Some(parent.view.root()), parent.maps.clone()),
            None => (None, IdMappings::IDENTITY),
        };
        let options = CompareOptions::new()
            .with_id_maps(self.layer.maps.clone(), old_maps)
            .with_cancel(cancel.clone());
        compare(self.layer.view.root(), old, &options).map_err(LayerError::Compare)
    }
}

impl<'a> Tree<'a> {
    fn open<D: Driver + ?Sized>(
        driver: &'a D,
        request: &DiffRequest<'_>,
        id: &LayerId,
        maps: &IdMappings,
        owners: TreeOwners,
    ) -> Result<Self, LayerError> {
        let label = request.mount_label;
        let view = match owners {
            TreeOwners::OnDisk => driver.view(id, label)?,
            TreeOwners::OfContainer => driver.view_shifted(id, label, maps, OwnFiles::Outside)?,
        };
        Ok(Self {
            view,
            maps: maps.clone(),
        })
    }
}

/// Compares both trees.
///
/// # Errors
///
/// When a layer cannot be mounted, or a tree cannot be read.
pub fn changes<D: Driver + ?Sized>(
    driver: &D,
    request: &DiffRequest<'_>,
) -> Result<Vec<Change>, LayerError> {
    Trees::open(driver, request)?.compare(&request.cancel)
}

/// Adds up the files that differ.
///
/// # Errors
///
/// Those of [`changes`].
pub fn diff_size<D: Driver + ?Sized>(
    driver: &D,
    request: &DiffRequest<'_>,
) -> Result<u64, LayerError> {
    let trees = Trees::open(driver, request)?;
    let changes = trees.compare(&request.cancel)?;
    changes_size(trees.layer.view.root(), &changes, &request.cancel).map_err(LayerError::Compare)
}

/// Packs what differs; without a parent, the whole tree.
///
/// # Errors
///
/// Those of [`changes`], and when `out` cannot be written to.
pub fn diff<D: Driver + ?Sized>(
    driver: &D,
    request: &DiffRequest<'_>,
    out: &mut dyn Write,
) -> Result<(), LayerError> {
    let trees = Trees::open(driver, request)?;
    let (root, out) = (
        trees.layer.view.root(),
        BufWriter::with_capacity(PACK_BUFFER, out),
    );
    let options = PackOptions::new()
        .with_id_maps(request.id_maps.clone())
        .with_unmapped(UnmappedOwners::Overflow)
        .with_cancel(request.cancel.clone());
    let packed = match trees.parent {
        Some(_) => pack_changes(root, &trees.compare(&request.cancel)?, &options, out),
        None => pack(root, &options, out),
    };
    packed
        .map_err(LayerError::Pack)?
        .flush()
        .map_err(LayerError::Output)
}

/// Unpacks an uncompressed tar into an existing layer.
///
/// # Errors
///
/// When the layer cannot be opened for it, or the tar cannot be unpacked.
pub fn apply_diff<D: Driver + ?Sized>(
    driver: &D,
    request: &ApplyRequest<'_>,
    tar: &mut dyn Read,
) -> Result<ApplySummary, LayerError> {
    let target = driver.apply_target(request.id, request.mount_label)?;
    unpack_with(&*target, request.id_maps.clone(), request.chown_errors, tar)
}

/// Unpacks an uncompressed tar into a target, on this thread and without recording anything.
///
/// # Errors
///
/// [`LayerError::Tar`] and [`LayerError::Unpack`].
pub fn unpack(
    target: &dyn LayerTarget,
    id_maps: IdMappings,
    tar: &mut dyn Read,
) -> Result<ApplySummary, LayerError> {
    unpack_with(target, id_maps, ChownErrors::Fail, tar)
}

fn unpack_with(
    target: &dyn LayerTarget,
    id_maps: IdMappings,
    chown_errors: ChownErrors,
    tar: &mut dyn Read,
) -> Result<ApplySummary, LayerError> {
    let mut options = target.unpack_options();
    options.id_maps = id_maps;
    if chown_errors == ChownErrors::Ignore {
        options.chown_errors = chown_errors;
    }
    let mut unpacker = Unpacker::new(target.root(), options)?;
    let mut reader = Reader::new(tar);
    while let Some(mut entry) = reader.next_entry().map_err(LayerError::Tar)? {
        let header = entry.header().clone();
        unpacker
            .entry(&header, &mut entry)
            .map_err(LayerError::Unpack)?;
    }
    let summary = unpacker.finish().map_err(LayerError::Unpack)?;
    target.settle(&summary.unsettled)?;
    Ok(ApplySummary::new(summary.bytes, summary.uids, summary.gids))
}
