//! What a path leads to, below a root that no link leads out of.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use layerhold_sys::{Dir, FileType, PathError};

/// The number of links that are followed at the end of a path, as in the kernel.
const MOST_LINKS: usize = 40;

/// What a path leads to, links followed.
#[derive(Debug)]
pub(super) enum Place {
    /// A directory.
    Directory(Dir),
    /// Anything else.
    Other { parent: Dir, name: OsString },
    /// Nothing yet, in a directory that exists.
    Missing { parent: Dir, name: OsString },
}

/// Looks a path up below a root.
pub(super) fn look_up(root: &Dir, path: &Path) -> Result<Place, PathError> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let (parent, name) = match root.resolve_parent_in_root(&path) {
            // The root itself, or a path that ends in `..`.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return root.resolve_dir_in_root(&path).map(Place::Directory);
            }
            other => other?,
        };
        let name = name.to_owned();
        let Some(stat) = parent.stat(&name)? else {
            return Ok(Place::Missing { parent, name });
        };
        if stat.is_dir() {
            return parent.open_dir(&name).map(Place::Directory);
        }
        if stat.file_type() != FileType::Symlink {
            return Ok(Place::Other { parent, name });
        }
        let target = parent.read_link(&name)?;
        let beside: PathBuf = path.parent().unwrap_or(Path::new("")).to_owned();
        path = beside.join(target);
    }
    let cause = io::Error::other("too many symbolic links");
    Err(PathError::new("look up", path, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_and_never_lead_out() {
        let scratch = tempfile::tempdir().unwrap();
        let outer = Dir::open_ambient(scratch.path()).unwrap();
        drop(outer.create_file("secret", 0o600).unwrap());
        let root = outer.ensure_dir("root", 0o755).unwrap();
        let a = root.ensure_dir("a", 0o755).unwrap();
        drop(a.create_file("file", 0o644).unwrap());
        for (target, name) in [
            ("a", "dir"),
            ("/a/file", "abs"),
            ("dir/../a/file", "rel"),
            ("../secret", "out"),
            ("loop", "loop"),
            ("/nosuch/x", "nowhere"),
            ("/a/new", "dangling"),
        ] {
            root.symlink(target, name).unwrap();
        }
        let shown = |path: &str| match look_up(&root, Path::new(path)) {
            Ok(Place::Directory(dir)) => format!("dir {}", dir.stat_self().unwrap().ino),
            Ok(Place::Other { parent, name }) => {
                format!("file {}", parent.stat(name).unwrap().unwrap().ino)
            }
            Ok(Place::Missing { parent, name }) => {
                format!("missing {:?} in {}", name, parent.stat_self().unwrap().ino)
            }
            Err(error) => format!("error {:?}", error.kind()),
        };
        let ino = |dir: &Dir| dir.stat_self().unwrap().ino;
        let file = a.stat("file").unwrap().unwrap().ino;
        let (in_root, in_a) = (ino(&root), ino(&a));
        for (path, expected) in [
            ("/", format!("dir {in_root}")),
            ("", format!("dir {in_root}")),
            ("../..", format!("dir {in_root}")),
            ("a/..", format!("dir {in_root}")),
            ("dir", format!("dir {in_a}")),
            ("/a/", format!("dir {in_a}")),
            ("abs", format!("file {file}")),
            ("rel", format!("file {file}")),
            ("dir/file", format!("file {file}")),
            ("../../a/file", format!("file {file}")),
            ("out", format!("missing \"secret\" in {in_root}")),
            ("a/x", format!("missing \"x\" in {in_a}")),
            ("dangling", format!("missing \"new\" in {in_a}")),
            ("nowhere", "error NotFound".to_owned()),
            ("nosuch/x", "error NotFound".to_owned()),
            ("a/file/x", "error NotADirectory".to_owned()),
            ("loop", "error Other".to_owned()),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }
}
