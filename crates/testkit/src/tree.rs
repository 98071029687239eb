//! A directory tree as a value that can be compared.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use layerhold_sys::{Dir, xattr};

/// The type of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeKind {
    /// Directory.
    Directory,
    /// Regular file: its size and a hash of its content.
    File {
        /// Bytes.
        size: u64,
        /// A hash of the content, stable within one run.
        hash: u64,
    },
    /// Symbolic link and its target.
    Symlink(OsString),
    /// Character device and its number.
    CharDevice(u64),
    /// Block device and its number.
    BlockDevice(u64),
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
}

/// The attributes of a path that a layer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its type.
    pub kind: NodeKind,
    /// Permission bits, including setuid, setgid and sticky.
    pub mode: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time: seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// Extended attributes, without those that the machine sets (`security.selinux`).
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
    /// The first path, in order, of the same inode; `None` for the first itself.
    pub same_as: Option<PathBuf>,
}

/// A tree: nodes by relative path; the root is the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
}

impl Tree {
    /// Reads the tree at `root` without following links.
    ///
    /// # Panics
    /// If something cannot be read.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self::walked(root, None)
    }

    /// Reads the tree at `root` without mounts in it.
    ///
    /// # Panics
    /// If something cannot be read.
    #[must_use]
    pub fn of_one_filesystem(root: &Path) -> Self {
        let stat = std::fs::symlink_metadata(root)
            .unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        Self::walked(root, Some(stat.dev()))
    }

    fn walked(root: &Path, device: Option<u64>) -> Self {
        let mut walk = Walk {
            root,
            device,
            seen: BTreeMap::new(),
            nodes: BTreeMap::new(),
        };
        walk.enter(Path::new(""));
        Self { nodes: walk.nodes }
    }

    /// A tree of these nodes.
    pub(crate) fn from_nodes(nodes: BTreeMap<PathBuf, Node>) -> Self {
        Self { nodes }
    }

    /// The node at a relative path.
    #[must_use]
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&Node> {
        self.nodes.get(path.as_ref())
    }

    /// The node at a relative path.
    ///
    /// # Panics
    /// If it does not exist, with a list of all paths.
    #[must_use]
    #[track_caller]
    pub fn at(&self, path: impl AsRef<Path>) -> &Node {
        let path = path.as_ref();
        self.get(path)
            .unwrap_or_else(|| panic!("no {} in {:?}", path.display(), self.paths()))
    }

    /// All relative paths except the root.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        self.nodes
            .keys()
            .map(PathBuf::as_path)
            .filter(|path| !path.as_os_str().is_empty())
            .collect()
    }

    /// The tree without nodes that `rule` rejects.
    #[must_use]
    pub fn retain(mut self, mut rule: impl FnMut(&Path, &Node) -> bool) -> Self {
        self.nodes.retain(|path, node| rule(path, node));
        self
    }

    /// The tree with every node changed by `change`, for comparing without irrelevant attributes
    /// (times, owners).
    #[must_use]
    pub fn map(mut self, mut change: impl FnMut(&Path, &mut Node)) -> Self {
        self.nodes
            .iter_mut()
            .for_each(|(path, node)| change(path, node));
        self
    }

    /// The tree with the modification times of all directories set to 0, because they depend on the
    /// order of unpacking.
    #[must_use]
    pub fn without_directory_times(self) -> Self {
        self.map(|_, node| {
            if node.kind == NodeKind::Directory {
                node.mtime = (0, 0);
            }
        })
    }

    /// The differences between this tree and `other`, one line each.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, node) in &self.nodes {
            match other.nodes.get(path) {
                None => found.push(format!("only left: /{} {node:?}", path.display())),
                Some(theirs) if theirs != node => {
                    found.push(format!(
                        "/{}:\n   left {node:?}\n  right {theirs:?}",
                        path.display()
                    ));
                }
                Some(_) => {}
            }
        }
        let only_right = other
            .nodes
            .iter()
            .filter(|(path, _)| !self.nodes.contains_key(*path));
        found.extend(
            only_right.map(|(path, node)| format!("only right: /{} {node:?}", path.display())),
        );
        found
    }

    /// Checks that both trees are equal.
    ///
    /// # Panics
    /// If they differ, with the first differences.
    #[track_caller]
    pub fn assert_same(&self, other: &Self) {
        let found = self.differences(other);
        let shown: Vec<_> = found.iter().take(20).map(String::as_str).collect();
        assert!(
            found.is_empty(),
            "{} differences:\n{}",
            found.len(),
            shown.join("\n")
        );
    }
}

struct Walk<'a> {
    root: &'a Path,
    /// If given, the only filesystem to enter.
    device: Option<u64>,
    seen: BTreeMap<(u64, u64), PathBuf>,
    nodes: BTreeMap<PathBuf, Node>,
}

impl Walk<'_> {
    fn enter(&mut self, relative: &Path) {
        let path = self.root.join(relative);
        let node = self.node(relative, &path);
        let is_directory = node.kind == NodeKind::Directory;
        self.nodes.insert(relative.to_owned(), node);
        if is_directory && self.goes_into(&path) {
            for name in sorted_names(&path) {
                self.enter(&relative.join(name));
            }
        }
    }

    fn goes_into(&self, path: &Path) -> bool {
        self.device.is_none_or(|device| {
            std::fs::symlink_metadata(path).is_ok_and(|stat| stat.dev() == device)
        })
    }

    fn node(&mut self, relative: &Path, path: &Path) -> Node {
        let stat = std::fs::symlink_metadata(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let kind = kind_of(path, &stat);
        let xattrs = xattrs_of(path, &kind);
        let shared = kind != NodeKind::Directory && stat.nlink() > 1;
        Node {
            kind,
            mode: stat.mode() & 0o7777,
            uid: stat.uid(),
            gid: stat.gid(),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            xattrs,
            same_as: shared.then(|| self.first_name(&stat, relative)).flatten(),
        }
    }

    /// The first path of this inode, if it is another one.
    fn first_name(&mut self, stat: &std::fs::Metadata, relative: &Path) -> Option<PathBuf> {
        let inode = (stat.dev(), stat.ino());
        let first = self
            .seen
            .entry(inode)
            .or_insert_with(|| relative.to_owned());
        (first != relative).then(|| first.clone())
    }
}

fn sorted_names(path: &Path) -> Vec<OsString> {
    let entries =
        std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("the directory can be read").file_name())
        .collect();
    names.sort();
    names
}

fn kind_of(path: &Path, stat: &std::fs::Metadata) -> NodeKind {
    let kind = stat.file_type();
    if kind.is_dir() {
        NodeKind::Directory
    } else if kind.is_symlink() {
        NodeKind::Symlink(
            std::fs::read_link(path)
                .expect("the link can be read")
                .into_os_string(),
        )
    } else if kind.is_char_device() {
        NodeKind::CharDevice(stat.rdev())
    } else if kind.is_block_device() {
        NodeKind::BlockDevice(stat.rdev())
    } else if kind.is_fifo() {
        NodeKind::Fifo
    } else if kind.is_socket() {
        NodeKind::Socket
    } else {
        NodeKind::File {
            size: stat.len(),
            hash: hash_of(path),
        }
    }
}

fn hash_of(path: &Path) -> u64 {
    let mut file =
        std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut hasher = DefaultHasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = file
            .read(&mut buffer)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if length == 0 {
            return hasher.finish();
        }
        // Short reads must not change the hash: `write` of slices is fine, since the hasher only
        // buffers.
        hasher.write(&buffer[..length]);
    }
}

/// Attributes that the kernel or its security module sets on every file.
const AMBIENT: [&str; 1] = ["security.selinux"];

fn xattrs_of(path: &Path, kind: &NodeKind) -> BTreeMap<OsString, Vec<u8>> {
    let failed = |error: layerhold_sys::PathError| -> ! {
        panic!("attributes of {}: {error}", path.display())
    };
    let mut found = BTreeMap::new();
    if *kind == NodeKind::Directory {
        let directory = Dir::open_ambient(path).unwrap_or_else(|error| failed(error));
        for name in xattr::list(&directory).unwrap_or_else(|error| failed(error)) {
            let value = xattr::get(&directory, &name).unwrap_or_else(|error| failed(error));
            found.extend(value.map(|value| (name, value)));
        }
    } else if let (Some(parent), Some(entry)) = (path.parent(), path.file_name()) {
        let parent = Dir::open_ambient(parent).unwrap_or_else(|error| failed(error));
        for name in xattr::list_at(&parent, entry).unwrap_or_else(|error| failed(error)) {
            let value = xattr::get_at(&parent, entry, &name).unwrap_or_else(|error| failed(error));
            found.extend(value.map(|value| (name, value)));
        }
    }
    found.retain(|name, _| !AMBIENT.iter().any(|ambient| name == ambient));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn every_kind_of_change_is_seen() {
        let place = scratch();
        let root = place.path();
        std::fs::write(root.join("file"), b"one").unwrap();
        std::fs::write(root.join("other"), b"two").unwrap();
        symlink("file", root.join("link")).unwrap();
        let before = Tree::of(root);
        before.assert_same(&Tree::of(root));
        let changed = |name: &str| {
            let after = Tree::of(root).without_directory_times();
            let found = after.differences(&before.clone().without_directory_times());
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(found[0].contains(name), "{found:?}");
        };

        let file = root.join("file");
        let times = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, b"ONE").unwrap();
        let opened = std::fs::File::options().write(true).open(&file).unwrap();
        opened.set_modified(times).unwrap();
        changed("file");

        std::fs::write(&file, b"one").unwrap();
        opened.set_modified(times).unwrap();
        before
            .clone()
            .without_directory_times()
            .assert_same(&Tree::of(root).without_directory_times());

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        changed("file");
    }

    #[test]
    fn attributes_of_files_links_and_directories_are_seen() {
        let place = scratch();
        let root = place.path();
        std::fs::write(root.join("file"), b"").unwrap();
        symlink("file", root.join("link")).unwrap();
        let directory = Dir::open_ambient(root).unwrap();
        if xattr::set(&directory, "user.on", b"root").is_err() {
            return; // An old tmpfs has no user attributes; nothing here depends on them.
        }
        xattr::set_at(&directory, "file", "user.on", b"file\0").unwrap();
        let tree = Tree::of(root);
        let value = |path: &str| {
            tree.at(path)
                .xattrs
                .get(std::ffi::OsStr::new("user.on"))
                .cloned()
        };
        assert_eq!(value(""), Some(b"root".to_vec()));
        assert_eq!(value("file"), Some(b"file\0".to_vec()));
        assert_eq!(value("link"), None);
    }

    #[test]
    fn hard_links_are_told_from_copies() {
        let place = scratch();
        let root = place.path();
        std::fs::write(root.join("a"), b"same").unwrap();
        std::fs::hard_link(root.join("a"), root.join("b")).unwrap();
        let tree = Tree::of(root);
        assert_eq!(tree.at("a").same_as, None);
        assert_eq!(tree.at("b").same_as.as_deref(), Some(Path::new("a")));
        assert_eq!(tree.paths(), [Path::new("a"), Path::new("b")]);
    }
}
