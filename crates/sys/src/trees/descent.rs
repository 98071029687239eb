//! Walks trees of any depth by directory handles.

use std::ffi::OsString;
use std::path::Path;

use rustix::fs::Mode;

use crate::directory::dir::{DIR_FLAGS, Dir};
use crate::error::Result;

/// Directories kept open on the way down, which bounds the descriptors that a walk takes.
const MOST_OPEN: usize = 32;

/// The directories from a root to the current position of a walk.
///
/// Each directory is opened in its parent, so no path is looked up, whose length would grow with
/// the depth. Handles far up are closed; on the way back they are reopened as `..` of the directory
/// below, and must be the same directory as before. If that directory was moved elsewhere during
/// the walk, its parent is looked up from the root, name by name.
///
/// ```
/// use layerhold_sys::{Descent, Dir};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # std::fs::create_dir(scratch.path().join("sub"))?;
/// let mut descent = Descent::new(&Dir::open_ambient(scratch.path())?);
/// let sub = descent.here()?.open_dir("sub")?;
/// descent.enter("sub", sub)?;
/// assert_eq!(descent.here()?.entries()?.count(), 0);
/// descent.leave();
/// assert_eq!(descent.here()?.entries()?.count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Descent {
    root: Dir,
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    name: OsString,
    /// Open, or closed with the numbers that identify it.
    dir: DirHandle,
}

#[derive(Debug)]
enum DirHandle {
    Open(Dir),
    Closed { dev: u64, ino: u64 },
}

impl Descent {
    /// Begins at `root`.
    #[must_use]
    pub fn new(root: &Dir) -> Self {
        Self {
            root: root.clone(),
            levels: Vec::new(),
        }
    }

    /// Enters a directory that was opened by its name in [`here`](Self::here).
    pub fn enter(&mut self, name: impl Into<OsString>, dir: Dir) -> Result<()> {
        let far = self.levels.len().checked_sub(MOST_OPEN - 1);
        if let Some(far) = far.and_then(|index| self.levels.get_mut(index))
            && let DirHandle::Open(dir) = &far.dir
        {
            let stat = dir.stat_self()?;
            far.dir = DirHandle::Closed {
                dev: stat.dev,
                ino: stat.ino,
            };
        }
        self.levels.push(Level {
            name: name.into(),
            dir: DirHandle::Open(dir),
        });
        Ok(())
    }

    /// Returns to the parent directory.
    pub fn leave(&mut self) {
        let Some(below) = self.levels.pop() else {
            return;
        };
        if let Some(level) = self.levels.last_mut()
            && let (DirHandle::Closed { dev, ino }, DirHandle::Open(below)) =
                (&level.dir, &below.dir)
            && let Some(dir) = parent_if(below, *dev, *ino)
        {
            level.dir = DirHandle::Open(dir);
        }
    }

    /// Goes from the current position to a directory below the root, by a path of plain names: up
    /// to the common ancestor, then down. If directories are visited in the order of a walk, that
    /// takes a step or two.
    ///
    /// # Errors
    ///
    /// If a directory on the path does not exist or is no directory; the walk is in its parent
    /// then.
    pub fn go_to(&mut self, path: &Path) -> Result<Dir> {
        let common = self
            .levels
            .iter()
            .zip(path.components())
            .take_while(|(level, wanted)| level.name == wanted.as_os_str())
            .count();
        while self.levels.len() > common {
            self.leave();
        }
        for name in path.components().skip(common) {
            let dir = self.here()?.open_dir(name.as_os_str())?;
            self.enter(name.as_os_str(), dir)?;
        }
        self.here()
    }

    /// Number of directories between the root and the current position.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The directory at the current position.
    ///
    /// # Errors
    ///
    /// Fails if the directory was moved or removed after the walk entered it.
    pub fn here(&mut self) -> Result<Dir> {
        match self.levels.last() {
            None => return Ok(self.root.clone()),
            Some(Level {
                dir: DirHandle::Open(dir),
                ..
            }) => return Ok(dir.clone()),
            Some(_) => {}
        }
        let mut dir = self.root.clone();
        for level in &self.levels {
            dir = dir.open_dir(&level.name)?;
        }
        if let Some(level) = self.levels.last_mut() {
            level.dir = DirHandle::Open(dir.clone());
        }
        Ok(dir)
    }
}

/// Opens the parent of a directory if it has these numbers.
fn parent_if(below: &Dir, dev: u64, ino: u64) -> Option<Dir> {
    let path = below.path().parent()?.to_owned();
    let above = rustix::fs::openat(below, c"..", DIR_FLAGS, Mode::empty()).ok()?;
    let above = Dir::from_descriptor(above, path);
    let stat = above.stat_self().ok()?;
    (stat.dev == dev && stat.ino == ino).then_some(above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::dir::directories_opened;

    const DEPTH: usize = 200;

    fn chain(top: &Dir) {
        let mut dir = top.clone();
        for _ in 0..DEPTH {
            dir = dir.ensure_dir("d", 0o700).unwrap();
            dir.create_dir("e", 0o700).unwrap();
        }
    }

    fn go_down(descent: &mut Descent, levels: usize) {
        for _ in 0..levels {
            let dir = descent.here().unwrap().open_dir("d").unwrap();
            descent.enter("d", dir).unwrap();
        }
    }

    #[test]
    fn each_level_is_opened_once_on_the_way_down_and_once_on_the_way_up() {
        let scratch = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient(scratch.path()).unwrap();
        chain(&top);
        let before = directories_opened();
        let mut descent = Descent::new(&top);
        go_down(&mut descent, DEPTH);
        assert_eq!(descent.depth(), DEPTH);
        for depth in (0..DEPTH).rev() {
            descent.leave();
            let names: Vec<_> = descent.here().unwrap().entries().unwrap().collect();
            assert_eq!(names.len(), if depth == 0 { 1 } else { 2 });
        }
        assert_eq!(descent.depth(), 0);
        assert!(directories_opened() - before <= 2 * DEPTH as u64);
    }

    #[test]
    fn a_directory_that_was_moved_is_no_way_up() {
        let scratch = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient(scratch.path()).unwrap();
        chain(&top);
        let mut descent = Descent::new(&top);
        go_down(&mut descent, DEPTH);
        // A directory 100 levels deep, which was closed, is moved.
        let mut above = top.clone();
        for _ in 0..99 {
            above = above.open_dir("d").unwrap();
        }
        let elsewhere = top.ensure_dir("elsewhere", 0o700).unwrap();
        let how = crate::RenameHow::NoReplace;
        above.rename("d", &elsewhere, "d", how).unwrap();
        for _ in 100..DEPTH {
            descent.leave();
        }
        assert_eq!(descent.depth(), 100);
        assert!(descent.here().is_ok());
        // Its parent was not moved and is found by its names.
        descent.leave();
        assert!(
            descent
                .here()
                .unwrap()
                .stat_self()
                .unwrap()
                .is_same_inode(&above.stat_self().unwrap())
        );
    }
}
