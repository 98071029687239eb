//! Copying the files of the parents into a layer, without a mount.
//!
//! Through a mount of the kernel, files are copied up by changing them. A mount program does the
//! same, but loses track of hard links: after the second change of owners some of them show the old
//! contents. Without the mount the directories are plain ones, in which hard links stay together.

use std::ffi::OsString;

use layerhold_archive::{Cancel, OverlayForm, merged};
use layerhold_driver::{CopyPath, CopyRules, EntryCopier, LayerError};
use layerhold_sys::{Dir, FileType, PathError, Times};

/// Copies everything that `lowers` show below `target` and that `target` does not hide. Afterwards
/// `target` shows the same with and without them.
pub(super) fn copy_up(target: &Dir, lowers: &[Dir], rules: CopyRules) -> Result<(), LayerError> {
    let copier = EntryCopier::new(target, rules);
    let root = Level {
        dirs: std::iter::once(target).chain(lowers).cloned().collect(),
        path: CopyPath::root(),
        attributes: Attributes::Keep,
    };
    let mut waiting = root.fill(&copier)?;
    while let Some(task) = waiting.pop() {
        waiting.extend(task.open()?.fill(&copier)?);
    }
    Ok(())
}

/// A directory as it is shown: `target` first, then its lower directories.
struct Level {
    dirs: Vec<Dir>,
    path: CopyPath,
    attributes: Attributes,
}

/// Where the attributes of a directory come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attributes {
    /// It has its own.
    Keep,
    /// It was made here, and gets those of its uppermost lower directory.
    Lower,
}

/// A directory that waits for its turn, by its name in the directories above. It is opened when its
/// turn comes, so that the waiting ones of one directory share descriptors.
struct Task {
    above: Vec<Dir>,
    path: CopyPath,
    name: OsString,
    attributes: Attributes,
}

impl Task {
    fn open(self) -> Result<Level, PathError> {
        let dirs = self.above.iter().map(|dir| dir.open_dir(&self.name));
        Ok(Level {
            dirs: dirs.collect::<Result<_, _>>()?,
            path: self.path.child(&self.name),
            attributes: self.attributes,
        })
    }
}

impl Level {
    /// Copies the entries that are no directories, makes the directories, and returns them.
    fn fill(self, copier: &EntryCopier<'_>) -> Result<Vec<Task>, LayerError> {
        let Some(target) = self.dirs.first() else {
            return Ok(Vec::new());
        };
        let before = target.stat_self()?;
        let mut below = Vec::new();
        for shown in merged(&self.dirs, OverlayForm::Fuse, &Cancel::new())? {
            let of = |layer: &usize| self.dirs.get(*layer).cloned();
            let mut layers: Vec<Dir> = shown.layers.iter().filter_map(of).collect();
            let is_here = shown.layers.first() == Some(&0);
            if shown.file_type != FileType::Dir {
                if let (Some(source), false) = (layers.first(), is_here) {
                    copier.entry(source, target, &self.path, &shown.name, shown.file_type)?;
                }
                continue;
            }
            if !is_here {
                target.create_dir(&shown.name, 0o700)?;
                layers.insert(0, target.clone());
            }
            below.push(Task {
                above: layers,
                path: self.path.clone(),
                name: shown.name,
                attributes: match is_here {
                    true => Attributes::Keep,
                    false => Attributes::Lower,
                },
            });
        }
        // Nothing more is made in it.
        match (self.attributes, self.dirs.get(1)) {
            (Attributes::Lower, Some(source)) => copier.copy_attributes(source, target)?,
            _ => target.set_own_times(&Times::of(&before))?,
        }
        Ok(below)
    }
}
