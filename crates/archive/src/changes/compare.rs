use std::cmp::Ordering;
use std::ffi::OsString;
use std::vec::IntoIter;

use layerhold_idmap::IdMappings;
use layerhold_sys::{Cancel, Descent, Dir, FileType, PathError, Stat, no_brief_lock};

use crate::changes::facts::{Entry, Failed, differ};
use crate::changes::listing::{ListedDir, Listing};
use crate::changes::{Change, ChangeKind, ChangesError};
use crate::tree::{Named, sorted_entries};

/// How to compare.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CompareOptions {
    /// Maps owners of the new tree to those in a container. Empty mappings change nothing.
    pub new_maps: IdMappings,
    /// Maps owners of the old tree, likewise.
    pub old_maps: IdMappings,
    /// Cancels the comparison, between two entries.
    pub cancel: Cancel,
}

impl CompareOptions {
    /// The defaults: no mappings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps the owners of both trees to those in a container.
    #[must_use]
    pub fn with_id_maps(mut self, new: IdMappings, old: IdMappings) -> Self {
        self.new_maps = new;
        self.old_maps = old;
        self
    }

    /// Has `cancel` stop the comparison.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }
}

/// Lists what the tree `new` changes in comparison with `old`, sorted by path.
///
/// Without an old tree, everything is added. A deleted directory is listed without its contents. A
/// directory in which something changed is listed as modified. Entries that are the same inode in
/// both trees are skipped. Owners are translated by each tree's mappings before they are compared.
///
/// # Errors
/// If one of the trees cannot be read. An entry that vanishes during the walk counts as absent.
/// [`ChangesError::Cancelled`] if the options' [`Cancel`] asked for it.
pub fn compare(
    new: &Dir,
    old: Option<&Dir>,
    options: &CompareOptions,
) -> Result<Vec<Change>, ChangesError> {
    no_brief_lock("trees are compared");
    let mut walk = Walk {
        new: Descent::new(new),
        old: old.map(Descent::new),
        options,
        levels: Vec::new(),
        listing: Listing::default(),
    };
    let new_names = sorted_entries(new).map_err(ChangesError::New)?;
    let old_names = match old {
        Some(dir) => sorted_entries(dir).map_err(ChangesError::Old)?,
        None => Vec::new(),
    };
    let same_device = match old {
        Some(old) => is_same_device(new, old)?,
        None => false,
    };
    walk.levels.push(Level::new(
        new_names,
        old_names,
        same_device,
        old.is_some(),
        ListedDir::ROOT,
    ));
    walk.run()?;
    Ok(walk.listing.finish())
}

fn is_same_device(new: &Dir, old: &Dir) -> Result<bool, ChangesError> {
    let new = new.stat_self().map_err(ChangesError::New)?;
    let old = old.stat_self().map_err(ChangesError::Old)?;
    Ok(new.dev == old.dev)
}

struct Walk<'a> {
    new: Descent,
    old: Option<Descent>,
    options: &'a CompareOptions,
    levels: Vec<Level>,
    listing: Listing,
}

/// A directory of the new tree that is being walked, and the old directory of the same path.
struct Level {
    names: IntoIter<Pair>,
    /// The old tree has a directory here.
    has_old: bool,
    place: ListedDir,
}

/// A name in one directory or both.
struct Pair {
    name: OsString,
    /// Its type in the new directory, if present.
    new: Option<FileType>,
    /// Its type in the old directory, if present.
    old: Option<FileType>,
}

impl Level {
    fn new(
        new: Vec<Named>,
        old: Vec<Named>,
        same_device: bool,
        has_old: bool,
        place: ListedDir,
    ) -> Self {
        Self {
            names: merge(new, old, same_device).into_iter(),
            has_old,
            place,
        }
    }
}

/// Joins two sorted lists and leaves out entries that are one inode in both.
fn merge(new: Vec<Named>, old: Vec<Named>, same_device: bool) -> Vec<Pair> {
    let (mut new, mut old) = (new.into_iter().peekable(), old.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (new.peek(), old.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(n), Some(o)) => n.name.cmp(&o.name),
        };
        let n = if order.is_le() { new.next() } else { None };
        let o = if order.is_ge() { old.next() } else { None };
        if same_device
            && let (Some(n), Some(o)) = (&n, &o)
            && n.ino == o.ino
        {
            continue;
        }
        let file_type = |named: &Option<Named>| named.as_ref().map(|named| named.file_type);
        let (in_new, in_old) = (file_type(&n), file_type(&o));
        if let Some(named) = n.or(o) {
            pairs.push(Pair {
                name: named.name,
                new: in_new,
                old: in_old,
            });
        }
    }
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), ChangesError> {
        while let Some(level) = self.levels.last_mut() {
            let has_old = level.has_old;
            match level.names.next() {
                Some(pair) => {
                    self.options.cancel.check()?;
                    self.listing.go_to(&level.place, &pair.name);
                    self.visit(&pair, has_old)?;
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
        if self.levels.is_empty() {
            return;
        }
        self.new.leave();
        if level.has_old
            && let Some(old) = &mut self.old
        {
            old.leave();
        }
    }

    fn visit(&mut self, pair: &Pair, has_old: bool) -> Result<(), ChangesError> {
        let new_dir = self.new.here().map_err(ChangesError::New)?;
        let old_dir = match &mut self.old {
            Some(old) if has_old => Some(old.here().map_err(ChangesError::Old)?),
            _ => None,
        };
        match (pair.new, pair.old, &old_dir) {
            (Some(_), Some(_), Some(old_dir)) => {
                self.visit_both(&pair.name, &new_dir, old_dir)?;
            }
            (Some(file_type), _, _) => {
                if !is_there(&new_dir, &pair.name, file_type).map_err(ChangesError::New)? {
                    return Ok(());
                }
                let place = self.listing.list_dir(Some(ChangeKind::Add));
                if file_type == FileType::Dir {
                    self.descend(&pair.name, &new_dir, None, place)?;
                }
            }
            (None, Some(file_type), Some(old_dir)) => {
                if is_there(old_dir, &pair.name, file_type).map_err(ChangesError::Old)? {
                    self.listing.list(ChangeKind::Delete);
                }
            }
            (None, _, _) => {}
        }
        Ok(())
    }

    /// Visits a name that both directories have.
    fn visit_both(
        &mut self,
        name: &OsString,
        new_dir: &Dir,
        old_dir: &Dir,
    ) -> Result<(), ChangesError> {
        let new = new_dir.stat(name).map_err(ChangesError::New)?;
        let old = old_dir.stat(name).map_err(ChangesError::Old)?;
        let kind = match (&new, &old) {
            (None, None) => return Ok(()),
            (None, Some(_)) => Some(ChangeKind::Delete),
            (Some(_), None) => Some(ChangeKind::Add),
            (Some(new), Some(old)) => self
                .differ(name, (new_dir, new), (old_dir, old))?
                .then_some(ChangeKind::Modify),
        };
        let place = self.listing.list_dir(kind);
        let is_dir = |stat: &Option<Stat>| stat.is_some_and(|stat| stat.is_dir());
        if !is_dir(&new) {
            return Ok(());
        }
        let below = is_dir(&old).then(|| {
            let same_device = new.map(|stat| stat.dev) == old.map(|stat| stat.dev);
            (old_dir, same_device)
        });
        self.descend(name, new_dir, below, place)
    }

    fn differ(
        &self,
        name: &OsString,
        (new_dir, new): (&Dir, &Stat),
        (old_dir, old): (&Dir, &Stat),
    ) -> Result<bool, ChangesError> {
        let new = Entry {
            dir: new_dir,
            name,
            stat: *new,
            maps: &self.options.new_maps,
            overlay: None,
        };
        let old = Entry {
            dir: old_dir,
            name,
            stat: *old,
            maps: &self.options.old_maps,
            overlay: None,
        };
        match differ(&new, &old) {
            Ok(differ) => Ok(differ),
            // It vanished between listing and opening, which is a difference.
            Err(Failed::New(error) | Failed::Old(error)) if error.is_not_found() => Ok(true),
            Err(Failed::New(error)) => Err(ChangesError::New(error)),
            Err(Failed::Old(error)) => Err(ChangesError::Old(error)),
        }
    }

    fn descend(
        &mut self,
        name: &OsString,
        new_parent: &Dir,
        old: Option<(&Dir, bool)>,
        place: ListedDir,
    ) -> Result<(), ChangesError> {
        let opened = list_dir(new_parent, name).map_err(ChangesError::New)?;
        let Some((new_dir, new_names)) = opened else {
            return Ok(());
        };
        let below = match old {
            Some((parent, same_device)) => list_dir(parent, name)
                .map_err(ChangesError::Old)?
                .map(|(dir, names)| (dir, names, same_device)),
            None => None,
        };
        let entered = self.new.enter(name, new_dir);
        entered.map_err(ChangesError::New)?;
        let level = match (below, &mut self.old) {
            (Some((dir, names, same_device)), Some(side)) => {
                side.enter(name, dir).map_err(ChangesError::Old)?;
                Level::new(new_names, names, same_device, true, place)
            }
            _ => Level::new(new_names, Vec::new(), false, false, place),
        };
        self.levels.push(level);
        Ok(())
    }
}

/// Whether a listed name can be looked up. In a directory that only one of its layers has, an
/// overlay lists whiteouts as character devices, but a lookup does not find them.
fn is_there(dir: &Dir, name: &OsString, file_type: FileType) -> Result<bool, PathError> {
    Ok(file_type != FileType::CharDevice || dir.stat(name)?.is_some())
}

/// Opens and lists a directory; `None` if it vanished.
fn list_dir(parent: &Dir, name: &OsString) -> Result<Option<(Dir, Vec<Named>)>, PathError> {
    let dir = match parent.open_dir(name) {
        Ok(dir) => dir,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let names = sorted_entries(&dir)?;
    Ok(Some((dir, names)))
}
