//! Removes temporary files that killed writers left.
//!
//! A record file `layers.json` and its side files are written as `.tmp-layers.json123` and
//! `.tmp-layers.json.damaged-HASH123` and then renamed, always under the write lock (Go too:
//! pkg/ioutils/fswriters.go). So under that lock such a file has no writer.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use layerhold_sys::{Dir, PathError, best_effort, remove_tree};

use crate::options::{Access, Options};
use crate::save::set_aside::INFIX;

const PREFIX: &[u8] = b".tmp-";

/// Sweeps the directories of all locations that may be written. A failure is of no consequence: the
/// file stays for the next time.
pub(crate) fn sweep(options: &Options) {
    for location in &options.locations {
        if location.access == Access::ReadWrite
            && let Ok(dir) = Dir::open_ambient(&location.dir)
        {
            best_effort(sweep_dir(&dir, &location.file));
        }
    }
}

fn sweep_dir(dir: &Dir, file: &OsStr) -> Result<(), PathError> {
    let mut names = BTreeSet::new();
    for entry in dir.entries()? {
        names.insert(entry?.name);
    }
    for name in names.iter().filter(|name| is_leftover(name, file, &names)) {
        if dir.stat(name)?.is_some_and(|stat| stat.is_file()) {
            remove_tree(dir, name)?;
        }
    }
    Ok(())
}

/// Whether a name is that of a temporary file for `file` or one of its side files.
fn is_leftover(name: &OsStr, file: &OsStr, all: &BTreeSet<OsString>) -> bool {
    let target = name.as_bytes().strip_prefix(PREFIX);
    let rest = target.and_then(|target| target.strip_prefix(file.as_bytes()));
    let (Some(target), Some(rest)) = (target, rest) else {
        return false;
    };
    if rest.starts_with(INFIX.as_bytes()) {
        return rest.last().is_some_and(u8::is_ascii_digit);
    }
    let is_random = !rest.is_empty() && rest.iter().all(u8::is_ascii_digit);
    // `.tmp-list12` may be for the file `list1`, which another lock protects.
    let longer = |length: usize| target.get(..file.len() + length).map(OsStr::from_bytes);
    let mut others = (1..rest.len()).filter_map(longer);
    is_random && !others.any(|other| all.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_temporary_files_of_this_file_are_leftovers() {
        let all = ["x.json", "x.json7"].map(OsString::from).into();
        for (name, expected) in [
            (".tmp-x.json123", true),
            (".tmp-x.json.damaged-0123456789abcdef42", true),
            (".tmp-x.json.damaged-0123456789abcdef-142", true),
            (".tmp-x.json", false),
            (".tmp-x.json12a", false),
            (".tmp-y.json123", false),
            ("x.json123", false),
            // This one may be for `x.json7`.
            (".tmp-x.json712", false),
        ] {
            let is_leftover = is_leftover(name.as_ref(), "x.json".as_ref(), &all);
            assert_eq!(is_leftover, expected, "{name}");
        }
    }
}
