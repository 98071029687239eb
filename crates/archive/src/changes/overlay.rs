//! Lists the changes in the upper directory of an overlay (Go: `pkg/archive/changes_linux.go`,
//! `OverlayChanges`).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::vec::IntoIter;

use layerhold_idmap::IdMappings;
use layerhold_sys::{Cancel, Descent, Dir, Stat, no_brief_lock};

use crate::changes::facts::{Entry, Failed, differ};
use crate::changes::listing::{ListedDir, Listing};
use crate::changes::lower::{Lower, LowerEntry};
use crate::changes::{Change, ChangeKind, ChangesError};
use crate::entry_path::shown;
use crate::overlay_form::{OverlayEntry, OverlayForm};

/// Lists what an upper directory changes in its lower directories, sorted by path, without mounting
/// the overlay.
///
/// The result is what [`compare`](crate::compare) lists for the mounted trees with and without the
/// upper directory, with one exception: a file that was copied up always counts as modified,
/// because its content may differ at equal size and time.
///
/// `lower` begins with the uppermost. The upper directory is read as a whole; of the lower ones
/// only the names that it has are looked up, so the time does not grow with their size.
///
/// # Errors
/// If a directory cannot be read. [`ChangesError::Redirected`] if a directory was renamed: the
/// trees have to be mounted and compared then. [`ChangesError::Cancelled`] if `cancel` asked for
/// it.
pub fn overlay_changes(
    upper: &Dir,
    lower: &[Dir],
    form: OverlayForm,
    cancel: &Cancel,
) -> Result<Vec<Change>, ChangesError> {
    no_brief_lock("trees are compared");
    let mut walk = Walk {
        form,
        upper: Descent::new(upper),
        levels: Vec::new(),
        listing: Listing::default(),
        cancel,
    };
    let names = walk.names(upper, None)?;
    walk.levels.push(Level {
        names,
        lower: Some(Lower::new(lower, form)),
        hides_all: false,
        place: ListedDir::ROOT,
    });
    walk.run()?;
    Ok(walk.listing.finish())
}

struct Walk<'c> {
    form: OverlayForm,
    upper: Descent,
    levels: Vec<Level>,
    listing: Listing,
    cancel: &'c Cancel,
}

/// A directory of the upper tree that is being walked.
struct Level {
    names: IntoIter<Name>,
    /// The merged lower directory of the same path, if there is one.
    lower: Option<Lower>,
    /// The upper directory is opaque.
    hides_all: bool,
    place: ListedDir,
}

struct Name {
    name: OsString,
    replaces: bool,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), ChangesError> {
        while let Some(level) = self.levels.last_mut() {
            match level.names.next() {
                Some(name) => {
                    self.cancel.check()?;
                    self.listing.go_to(&level.place, &name.name);
                    self.visit(&name)?;
                }
                None => self.leave(),
            }
        }
        Ok(())
    }

    fn leave(&mut self) {
        let Some(level) = self.levels.pop() else {
            return;
        };
        self.listing.leave(&level.place);
        if !self.levels.is_empty() {
            self.upper.leave();
        }
    }

    /// The names to visit: those of the upper directory, and those that an opaque one hides.
    fn names(
        &self,
        upper: &Dir,
        hidden: Option<&mut Lower>,
    ) -> Result<IntoIter<Name>, ChangesError> {
        let own = self.form.names(upper).map_err(ChangesError::New)?;
        let hidden = hidden.map_or(Ok(Vec::new()), Lower::names);
        let hidden = hidden.map_err(ChangesError::Old)?;
        // The upper directory's statement about a name overrides that of the lower ones.
        let mut all: BTreeMap<OsString, bool> = BTreeMap::new();
        all.extend(hidden.into_iter().map(|name| (name, false)));
        all.extend(own.into_iter().map(|noted| (noted.name, noted.replaces)));
        let named = |(name, replaces)| Name { name, replaces };
        Ok(all.into_iter().map(named).collect::<Vec<_>>().into_iter())
    }

    fn visit(&mut self, name: &Name) -> Result<(), ChangesError> {
        let upper = self.upper.here().map_err(ChangesError::New)?;
        let seen = self
            .form
            .lookup(&upper, &name.name)
            .map_err(ChangesError::New)?;
        let level = self.levels.last_mut();
        let (lower, hides_all) = match level {
            Some(level) => (level.lower.as_mut(), level.hides_all),
            None => (None, false),
        };
        let found = lower.map_or(Ok(None), |lower| lower.find(&name.name))?;
        match (seen, found) {
            (OverlayEntry::Present { stat, .. }, found) => {
                let hides_all = hides_all || name.replaces;
                self.visit_present(&upper, &name.name, &stat, found, hides_all)
            }
            (OverlayEntry::Whiteout, Some(_)) => {
                self.listing.list(ChangeKind::Delete);
                Ok(())
            }
            (OverlayEntry::Nothing, Some(_)) if hides_all => {
                self.listing.list(ChangeKind::Delete);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn visit_present(
        &mut self,
        upper: &Dir,
        name: &OsStr,
        stat: &Stat,
        found: Option<LowerEntry>,
        hides_all: bool,
    ) -> Result<(), ChangesError> {
        let kind = match &found {
            None => Some(ChangeKind::Add),
            Some(found) if found.below.is_none() || !stat.is_dir() => Some(ChangeKind::Modify),
            Some(found) => self
                .directory_differs(upper, name, stat, found)?
                .then_some(ChangeKind::Modify),
        };
        let place = self.listing.list_dir(kind);
        if stat.is_dir() {
            let lower = found.and_then(|found| found.below);
            self.descend(upper, name, lower, hides_all, place)?;
        }
        Ok(())
    }

    fn directory_differs(
        &self,
        upper: &Dir,
        name: &OsStr,
        stat: &Stat,
        found: &LowerEntry,
    ) -> Result<bool, ChangesError> {
        let maps = IdMappings::IDENTITY;
        let entry = |dir, stat| Entry {
            dir,
            name,
            stat,
            maps: &maps,
            overlay: Some(self.form),
        };
        match differ(&entry(upper, *stat), &entry(&found.parent, found.stat)) {
            Ok(differ) => Ok(differ),
            Err(Failed::New(error)) => Err(ChangesError::New(error)),
            Err(Failed::Old(error)) => Err(ChangesError::Old(error)),
        }
    }

    fn descend(
        &mut self,
        parent: &Dir,
        name: &OsStr,
        mut lower: Option<Lower>,
        hides_all: bool,
        place: ListedDir,
    ) -> Result<(), ChangesError> {
        let is_redirected = self.form.is_redirected(parent, name);
        if !hides_all && is_redirected.map_err(ChangesError::New)? {
            let path = shown(self.listing.path());
            return Err(ChangesError::Redirected { path });
        }
        let is_opaque = self.form.is_opaque(parent, name);
        let hides_all = hides_all || is_opaque.map_err(ChangesError::New)?;
        let dir = parent.open_dir(name).map_err(ChangesError::New)?;
        let names = self.names(&dir, lower.as_mut().filter(|_| hides_all))?;
        if let Some(Level {
            lower: Some(above), ..
        }) = self.levels.last_mut()
        {
            above.close();
        }
        self.upper.enter(name, dir).map_err(ChangesError::New)?;
        self.levels.push(Level {
            names,
            lower,
            hides_all,
            place,
        });
        Ok(())
    }
}
