//! What the upper directory of an overlay tells by itself, without its lower ones.

use std::ffi::OsString;
use std::path::PathBuf;
use std::vec::IntoIter;

use layerhold_sys::{Cancel, Descent, Dir, FileType, PathError, no_brief_lock};

use crate::changes::ChangesError;
use crate::changes::size::SizeSum;
use crate::overlay_form::{OverlayEntry, OverlayForm};
use crate::tree::sorted_entries;

/// Adds up the sizes of everything in an upper directory except directories and whiteouts, in
/// bytes. A file with several names counts once.
///
/// This is the [size](crate::changes_size) of what [`overlay_changes`](crate::overlay_changes)
/// lists, because whatever an upper directory holds was added or modified.
///
/// # Errors
/// If the directory cannot be read. [`ChangesError::Redirected`] if a directory was renamed.
/// [`ChangesError::Cancelled`] if `cancel` asked for it.
pub fn overlay_size(upper: &Dir, form: OverlayForm, cancel: &Cancel) -> Result<u64, ChangesError> {
    no_brief_lock("a tree is measured");
    let mut sum = SizeSum::default();
    let names = |dir: &Dir| {
        let mut directories = Vec::new();
        for noted in form.names(dir)? {
            if let OverlayEntry::Present { stat, .. } = form.lookup(dir, &noted.name)? {
                sum.add(&stat);
                if stat.is_dir() {
                    directories.push(noted.name);
                }
            }
        }
        Ok(directories)
    };
    each_directory(upper, form, cancel, names)?;
    Ok(sum.bytes)
}

/// Fails with [`ChangesError::Redirected`] if a directory in an upper directory continues a lower
/// one of another name, so that the upper directory does not hold the whole difference.
///
/// # Errors
/// As [`overlay_size`].
pub fn check_redirected(
    upper: &Dir,
    form: OverlayForm,
    cancel: &Cancel,
) -> Result<(), ChangesError> {
    no_brief_lock("a tree is searched");
    each_directory(upper, form, cancel, directories)
}

fn directories(dir: &Dir) -> Result<Vec<OsString>, PathError> {
    let mut found = Vec::new();
    for entry in sorted_entries(dir)? {
        let is_dir = match entry.file_type {
            FileType::Unknown => dir.stat(&entry.name)?.is_some_and(|stat| stat.is_dir()),
            known => known == FileType::Dir,
        };
        if is_dir {
            found.push(entry.name);
        }
    }
    Ok(found)
}

/// Enters each directory of an upper directory. `names` looks at one and names those in it.
fn each_directory(
    upper: &Dir,
    form: OverlayForm,
    cancel: &Cancel,
    mut names: impl FnMut(&Dir) -> Result<Vec<OsString>, PathError>,
) -> Result<(), ChangesError> {
    let mut descent = Descent::new(upper);
    let mut path = PathBuf::new();
    let first = names(upper).map_err(ChangesError::New)?;
    let mut levels: Vec<IntoIter<OsString>> = vec![first.into_iter()];
    while let Some(level) = levels.last_mut() {
        cancel.check()?;
        let Some(name) = level.next() else {
            levels.pop();
            if !levels.is_empty() {
                descent.leave();
                path.pop();
            }
            continue;
        };
        path.push(&name);
        let parent = descent.here().map_err(ChangesError::New)?;
        let dir = match parent.open_dir(&name) {
            // It vanished.
            Err(error) if error.is_not_found() => {
                path.pop();
                continue;
            }
            other => other.map_err(ChangesError::New)?,
        };
        if form.marks(&dir, "redirect").map_err(ChangesError::New)? {
            return Err(ChangesError::Redirected { path });
        }
        levels.push(names(&dir).map_err(ChangesError::New)?.into_iter());
        descent.enter(name, dir).map_err(ChangesError::New)?;
    }
    Ok(())
}
