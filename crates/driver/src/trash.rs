//! Removed layers on their way out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};

use layerhold_staging::{TempArea, TempRoot};
use layerhold_sys::{Cancel, Dir, best_effort, remove_tree, under_lock_on_purpose};

use crate::error::LayerError;

/// Work on removed layers that is done when no lock is held any more.
type Eraser = Box<dyn FnOnce() -> Result<(), LayerError> + Send>;

/// Removed layers that are renamed away but not erased yet.
///
/// Make one per operation, hand it to [`Driver::remove`](crate::Driver::remove) as often as needed
/// while the store is locked, unlock, then [`erase`](Self::erase). A process that dies in between
/// leaves temporary areas that the next writer recovers.
#[derive(Default)]
#[must_use = "erase it after the locks are released, to see errors; dropping erases silently"]
pub struct Trash {
    areas: BTreeMap<PathBuf, TempArea>,
    erasers: Vec<Eraser>,
}

impl Trash {
    /// An empty one. No directory is made until a layer is removed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the temporary area below `root`, which the first call for that root makes.
    ///
    /// # Errors
    ///
    /// That of the staging crate.
    pub fn area(&mut self, root: &Path) -> Result<&TempArea, LayerError> {
        Ok(match self.areas.entry(root.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                vacant.insert(TempRoot::new(root).begin().map_err(LayerError::TempArea)?)
            }
        })
    }

    /// Moves a directory or file, `name` in `dir`, to the temporary area below `root`, as
    /// [`Driver::remove`](crate::Driver::remove) asks. It is erased at once where there is no room
    /// for the area, or no rename leads to it: that is slower under a lock, but a full disk must
    /// stay emptiable.
    ///
    /// # Errors
    ///
    /// When it can be neither moved nor erased.
    pub fn take(&mut self, root: &Path, dir: &Dir, name: &str) -> Result<(), LayerError> {
        let moved = match self.area(root) {
            Ok(area) => area.stage_deletion(dir, name).is_ok(),
            Err(_) => false,
        };
        if !moved {
            under_lock_on_purpose("a full disk must stay emptiable", || remove_tree(dir, name))?;
        }
        Ok(())
    }

    /// Leaves other work than erasing a directory tree to [`erase`](Self::erase) (a subvolume, a
    /// dataset).
    pub fn defer(&mut self, work: impl FnOnce() -> Result<(), LayerError> + Send + 'static) {
        self.erasers.push(Box::new(work));
    }

    /// Erases everything; call it without locks.
    ///
    /// # Errors
    ///
    /// The first one. The rest is erased nevertheless. What could not be erased is left to the next
    /// recovery.
    pub fn erase(self) -> Result<(), LayerError> {
        self.erase_unless(&Cancel::new())
    }

    /// Erases everything as [`erase`](Self::erase) does, unless `cancel` asks it to stop before the
    /// next file. What is left is erased by the next recovery.
    ///
    /// # Errors
    ///
    /// As [`erase`](Self::erase). That of a stop is one of a file whose cause is
    /// [`Cancelled`](layerhold_sys::Cancelled).
    pub fn erase_unless(mut self, cancel: &Cancel) -> Result<(), LayerError> {
        self.erase_all(cancel)
    }

    /// Does the deferred work and leaves the temporary areas to the next recovery. This is quick: a
    /// reader that finds what a dead process left does not make its caller wait for the erasing.
    pub fn abandon(mut self) {
        for work in self.erasers.drain(..) {
            // As in `drop`, no caller gets the error.
            best_effort(work());
        }
        for (_, area) in std::mem::take(&mut self.areas) {
            area.abandon();
        }
    }

    fn erase_all(&mut self, cancel: &Cancel) -> Result<(), LayerError> {
        let mut outcome = Ok(());
        for work in self.erasers.drain(..) {
            outcome = outcome.and(work());
        }
        for (_, area) in std::mem::take(&mut self.areas) {
            outcome = outcome.and(area.close_unless(cancel).map_err(LayerError::Erase));
        }
        outcome
    }
}

impl Drop for Trash {
    fn drop(&mut self) {
        // No caller gets the error. The next writer recovers what stays behind.
        best_effort(self.erase_all(&Cancel::new()));
    }
}

impl fmt::Debug for Trash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trash")
            .field("areas", &self.areas)
            .field("erasers", &self.erasers.len())
            .finish()
    }
}
