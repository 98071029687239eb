//! Removing what no record names.

use layerhold_driver::Trash;
use layerhold_ids::{LayerId, is_canonical_id};
use layerhold_json_store::{FileState, WriteGuard};
use layerhold_sys::Dir;

use crate::error::CollectError;
use crate::inner::Inner;
use crate::layout::TAR_SPLIT_SUFFIX;
use crate::locks::Locks;
use crate::lookup::Item;
use crate::open::DURABLE;
use crate::store::Store;

/// What was removed because no record names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectReport {
    /// Directories of containers, by ID.
    pub container_dirs: Vec<String>,
    /// Directories of images, by ID.
    pub image_dirs: Vec<String>,
    /// Contents of layers in the driver.
    pub layers: Vec<LayerId>,
    /// Tar-split files, by the ID in their name.
    pub tar_splits: Vec<String>,
    /// Directories with data items of layers, by ID.
    pub layer_dirs: Vec<String>,
}

impl CollectReport {
    /// Tells whether nothing was removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Store {
    /// Removes directories of containers and images, contents of layers, and files beside layers, that no record names.
    ///
    /// Only what has a name that this library and Go's give is looked at, and nothing is touched as long as a record file is damaged,
    /// or empty or missing although there is content: what its records named is not garbage.
    ///
    /// # Errors
    ///
    /// [`CollectError::Damaged`] in that case; [`CollectError::Driver`] when something cannot be removed.
    pub fn garbage_collect(&self) -> Result<CollectReport, CollectError> {
        let locks = self.inner.lock_all()?;
        let mut trash = Trash::new();
        let outcome = collect(&self.inner, &locks, &mut trash);
        drop(locks);
        let erased = trash.erase().map_err(CollectError::Driver);
        outcome.and_then(|report| erased.map(|()| report))
    }
}

fn collect(inner: &Inner, locks: &Locks, trash: &mut Trash) -> Result<CollectReport, CollectError> {
    let layout = &inner.layout;
    let held = inner.driver().list().map_err(CollectError::Driver)?;
    // All three are checked before anything is removed: they are about one another.
    check(&locks.containers, &layout.containers, || {
        has_item_dirs(&layout.containers)
    })?;
    check(&locks.images, &layout.images, || {
        has_item_dirs(&layout.images)
    })?;
    check(&locks.layers, &layout.layers, || {
        Ok(held.as_ref().is_some_and(|held| !held.is_empty()))
    })?;
    let mut report = CollectReport {
        container_dirs: unnamed_dirs(&layout.containers, &locks.containers)?,
        image_dirs: unnamed_dirs(&layout.images, &locks.images)?,
        tar_splits: unnamed_tar_splits(&layout.layers, &locks.layers)?,
        layer_dirs: unnamed_dirs(&layout.layers, &locks.layers)?,
        layers: held.unwrap_or_default(),
    };
    report
        .layers
        .retain(|id| !locks.layers.contains(id.as_str()));
    for id in &report.container_dirs {
        inner.discard(&layout.containers, id.as_ref(), trash)?;
    }
    for id in &report.image_dirs {
        inner.discard(&layout.images, id.as_ref(), trash)?;
    }
    for id in &report.layers {
        inner
            .driver()
            .remove(id, trash)
            .map_err(CollectError::Driver)?;
    }
    for id in &report.tar_splits {
        inner.discard(
            &layout.layers,
            format!("{id}{TAR_SPLIT_SUFFIX}").as_ref(),
            trash,
        )?;
    }
    for id in &report.layer_dirs {
        inner.discard(&layout.layers, id.as_ref(), trash)?;
    }
    Ok(report)
}

/// Refuses to go on when the records of one kind are not all there.
fn check<R: Item>(
    records: &WriteGuard<R>,
    dir: &Dir,
    has_content: impl FnOnce() -> Result<bool, CollectError>,
) -> Result<(), CollectError> {
    let damaged = |reason: String| {
        Err(CollectError::Damaged {
            kind: R::ITEM,
            reason,
        })
    };
    let mut is_missing = false;
    for file in records.files() {
        // The report is that of the loading; a file that this handle has saved since is there and complete.
        let size = dir
            .stat(file.path.file_name().unwrap_or_default())?
            .map(|stat| stat.size);
        match (file.state, size) {
            (FileState::Complete, Some(_)) => {}
            // The file of records that may be lost is usually not there.
            (_, None) => is_missing |= file.location == DURABLE,
            (FileState::Absent | FileState::Empty, Some(size)) if size > file.len => {}
            (FileState::Torn { .. }, _) => {
                return damaged(format!("{} is torn", file.path.display()));
            }
            _ => return damaged(format!("{} is empty", file.path.display())),
        }
    }
    if let Some(damage) = records.verify().first() {
        return damaged(damage.to_string());
    }
    if is_missing && has_content()? {
        return damaged("there is content, but no record file".to_owned());
    }
    Ok(())
}

fn has_item_dirs(dir: &Dir) -> Result<bool, CollectError> {
    for entry in dir.entries()? {
        if entry?.name.to_str().is_some_and(is_canonical_id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lists entries whose name is that of a generated ID without a record. IDs that callers chose are left alone, as in Go:
/// nobody knows whose directory that is.
fn unnamed_dirs<R: Item>(dir: &Dir, records: &WriteGuard<R>) -> Result<Vec<String>, CollectError> {
    unnamed(dir, records, |name| {
        Some(name).filter(|name| is_canonical_id(name))
    })
}

fn unnamed_tar_splits<R: Item>(
    dir: &Dir,
    records: &WriteGuard<R>,
) -> Result<Vec<String>, CollectError> {
    unnamed(dir, records, |name| {
        name.strip_suffix(TAR_SPLIT_SUFFIX)
            .filter(|id| !id.is_empty())
    })
}

fn unnamed<R: Item>(
    dir: &Dir,
    records: &WriteGuard<R>,
    id_of: impl Fn(&str) -> Option<&str>,
) -> Result<Vec<String>, CollectError> {
    let mut unnamed = Vec::new();
    for entry in dir.entries()? {
        let name = entry?.name;
        if let Some(id) = name
            .to_str()
            .and_then(&id_of)
            .filter(|id| !records.contains(id))
        {
            unnamed.push(id.to_owned());
        }
    }
    unnamed.sort();
    Ok(unnamed)
}
