//! Lists the merged contents of stacked directories, one level at a time.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use layerhold_sys::{Cancel, Cancelled, Dir, FileType, PathError};

use crate::overlay_form::{OverlayEntry, OverlayForm};

/// An entry of stacked directories.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergedEntry {
    /// Its name.
    pub name: OsString,
    /// Positions of the directories that have it, uppermost first: all merged ones for a directory,
    /// the uppermost for anything else.
    pub layers: Vec<usize>,
    /// Its type in the uppermost of them.
    pub file_type: FileType,
}

/// Why stacked directories could not be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergedError {
    /// A directory cannot be read.
    #[error(transparent)]
    Read(#[from] PathError),
    /// It was cancelled.
    #[error("cannot list the merged directories")]
    Cancelled(#[from] Cancelled),
}

impl MergedError {
    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }
}

/// Lists the merged contents of stacked directories, the uppermost given first, without whiteouts
/// and without hidden entries. To list a subdirectory, call this again with the subdirectories of
/// this name in its [`layers`](MergedEntry::layers).
///
/// Renamed directories (`redirect_dir`) are not followed.
///
/// # Errors
///
/// If a directory cannot be read, and if `cancel` asked for it.
pub fn merged(
    dirs: &[Dir],
    form: OverlayForm,
    cancel: &Cancel,
) -> Result<Vec<MergedEntry>, MergedError> {
    let mut decided = BTreeSet::new();
    let mut shown = Vec::new();
    for (layer, dir) in dirs.iter().enumerate() {
        for noted in form.names(dir)? {
            cancel.check()?;
            if !decided.insert(noted.name.clone()) {
                continue;
            }
            let OverlayEntry::Present { stat, replaces } = form.lookup(dir, &noted.name)? else {
                continue;
            };
            let mut layers = vec![layer];
            if stat.is_dir() && !replaces && !form.is_opaque(dir, &noted.name)? {
                let below = dirs.get(layer.saturating_add(1)..).unwrap_or_default();
                let merged = below_of(below, form, &noted.name)?;
                layers.extend(merged.into_iter().map(|below| layer + 1 + below));
            }
            shown.push(MergedEntry {
                name: noted.name,
                layers,
                file_type: stat.file_type(),
            });
        }
    }
    Ok(shown)
}

/// The lower directories of this name that the upper one continues.
fn below_of(dirs: &[Dir], form: OverlayForm, name: &OsStr) -> Result<Vec<usize>, PathError> {
    let mut found = Vec::new();
    for (layer, dir) in dirs.iter().enumerate() {
        match form.lookup(dir, name)? {
            OverlayEntry::Nothing => {}
            OverlayEntry::Present { stat, replaces } if stat.is_dir() => {
                found.push(layer);
                if replaces || form.is_opaque(dir, name)? {
                    break;
                }
            }
            _ => break,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Creates entries: `name/` is a directory, anything else an empty file.
    fn layer(root: &Path, entries: &[&str]) -> Dir {
        let dir = |path: &Path| Dir::create_ambient_all(path, 0o755).unwrap();
        for entry in entries {
            let path = root.join(entry);
            match entry.ends_with('/') {
                true => drop(dir(&path)),
                false => {
                    let above = dir(path.parent().unwrap());
                    drop(above.create_file(path.file_name().unwrap(), 0o600).unwrap());
                }
            }
        }
        dir(root)
    }

    #[track_caller]
    fn check(layers: &[&[&str]], expected: &[(&str, &[usize])]) {
        let place = tempfile::tempdir().unwrap();
        let dirs: Vec<Dir> = layers
            .iter()
            .enumerate()
            .map(|(n, entries)| layer(&place.path().join(n.to_string()), entries))
            .collect();
        let mut actual = merged(&dirs, OverlayForm::Fuse, &Cancel::new()).unwrap();
        actual.sort_by(|a, b| a.name.cmp(&b.name));
        let actual: Vec<_> = actual
            .iter()
            .map(|shown| (shown.name.to_str().unwrap(), &*shown.layers))
            .collect();
        assert_eq!(actual, expected, "{layers:?}");
    }

    #[test]
    fn the_uppermost_counts_and_directories_are_merged() {
        check(&[&[], &[]], &[]);
        check(
            &[&["a", "b"], &["b", "c"]],
            &[("a", &[0]), ("b", &[0]), ("c", &[1])],
        );
        check(&[&["d/"], &[], &["d/"]], &[("d", &[0, 2])]);
        check(&[&["d"], &["d/"]], &[("d", &[0])]);
        // A file in between hides the directory below it.
        check(&[&["d/"], &["d"], &["d/"]], &[("d", &[0])]);
    }

    #[test]
    fn what_is_deleted_is_not_shown() {
        check(&[&[".wh.a"], &["a", "b"]], &[("b", &[1])]);
        check(&[&["d/"], &[".wh.d"], &["d/"]], &[("d", &[0])]);
        // Deleted and recreated by the same layer.
        check(&[&["d/", ".wh.d"], &["d/"]], &[("d", &[0])]);
        check(
            &[&["d/"], &["d/", "d/.wh..wh..opq"], &["d/"]],
            &[("d", &[0, 1])],
        );
        check(&[&["a"], &[".wh.a"]], &[("a", &[0])]);
    }

    #[test]
    fn whiteouts_of_the_kernel_count_too() {
        if layerhold_sys::effective_user() != 0 {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let (upper, lower) = (place.path().join("u"), place.path().join("l"));
        let dirs = [layer(&upper, &["o/"]), layer(&lower, &["a", "o/", "b"])];
        let kind = layerhold_sys::NodeKind::CharDevice;
        dirs[0].make_node("a", kind, 0o600, 0).unwrap();
        layerhold_sys::xattr::set(
            &dirs[0].open_dir("o").unwrap(),
            "trusted.overlay.opaque",
            b"y",
        )
        .unwrap();
        let mut shown = merged(&dirs, OverlayForm::Fuse, &Cancel::new()).unwrap();
        shown.sort_by(|a, b| a.name.cmp(&b.name));
        let layers: Vec<_> = shown
            .iter()
            .map(|shown| (shown.name.to_str().unwrap(), &*shown.layers))
            .collect();
        assert_eq!(layers, [("b", &[1][..]), ("o", &[0])]);
    }
}
