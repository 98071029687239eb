//! The tree that a layer should have, put together from the tar headers in tar-split files.

use std::collections::BTreeMap;

use super::attributes::{self, Attributes};
use layerhold_archive::{OPAQUE_NAME, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX};
use layerhold_sys::FileType;
use layerhold_tar_format::{EntryKind, Header};
use layerhold_tar_split::Checksum;

/// Links followed on one path before it counts as leading nowhere, well above the kernel's 40.
const MAX_LINKS: u32 = 255;
/// No file has a longer path; tar headers may claim one.
const MAX_PATH: usize = 4096;
/// The last second that is set as it is; a time outside becomes 1970, except that of a symbolic link (Go:
/// pkg/system/chtimes.go).
const LAST_SECOND: i64 = i64::MAX / 1_000_000_000;

/// A tree, and the files in it. Hard links are several places of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) root: Node,
    files: Files,
}

/// The files of a tree, by number.
#[derive(Debug, Clone, Default)]
struct Files(Vec<Facts>);

/// A place in the tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) state: State,
    pub(super) children: BTreeMap<Vec<u8>, Node>,
}

/// What is known about a place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum State {
    /// A directory of which no entry says anything.
    #[default]
    Implied,
    /// Something is there; what, cannot be told.
    Unknown,
    /// An entry says what is there: the file of this number.
    Stated(usize),
}

/// What an entry says about a file.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) kind: FileType,
    pub(super) uid: i64,
    pub(super) gid: i64,
    pub(super) mode: u32,
    pub(super) size: u64,
    pub(super) modified: i64,
    pub(super) target: Vec<u8>,
    /// What device nodes stand for: major and minor number.
    pub(super) device: (i64, i64),
    pub(super) attributes: Attributes,
    pub(super) checksum: Option<Checksum>,
    /// Which layer it came with, counted from the base.
    pub(super) layer: usize,
}

/// One entry of a layer's tar.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    name: Vec<u8>,
    kind: EntryKind,
    facts: Facts,
}

/// How the entries of a layer find their directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// In the whole tree, with the links of the layers below.
    Whole,
    /// Among the layer's own entries; layers are stacked when they are mounted.
    Own,
}

impl Entry {
    /// Keeps of an entry what its place in the tree depends on; `None` for what leaves none.
    pub(super) fn new(header: &Header, checksum: Option<Checksum>, layer: usize) -> Option<Self> {
        if header.kind == EntryKind::GlobalHeader || header.name.len() > MAX_PATH {
            return None;
        }
        let kind = file_type(header.kind);
        let has_content = kind == FileType::File && header.content_size() > 0;
        let facts = Facts {
            kind,
            uid: header.uid,
            gid: header.gid,
            mode: u32::try_from(header.mode & 0o7777).unwrap_or(0),
            size: if has_content {
                header.content_size()
            } else {
                0
            },
            modified: modified(header, kind),
            target: header.link_name.clone(),
            device: (header.device_major, header.device_minor),
            attributes: attributes::stated(header),
            checksum: checksum.filter(|_| has_content),
            layer,
        };
        Some(Self {
            name: header.name.clone(),
            kind: header.kind,
            facts,
        })
    }
}

/// What an entry becomes; unknown for hard links, which are what they lead to.
fn file_type(kind: EntryKind) -> FileType {
    match kind {
        EntryKind::Regular | EntryKind::Contiguous | EntryKind::GnuSparse => FileType::File,
        EntryKind::Directory => FileType::Dir,
        EntryKind::Symlink => FileType::Symlink,
        EntryKind::Fifo => FileType::Fifo,
        EntryKind::CharDevice => FileType::CharDevice,
        EntryKind::BlockDevice => FileType::BlockDevice,
        _ => FileType::Unknown,
    }
}

fn modified(header: &Header, kind: FileType) -> i64 {
    let seconds = header.mtime.seconds;
    if kind == FileType::Symlink || (0..=LAST_SECOND).contains(&seconds) {
        seconds
    } else {
        0
    }
}

impl Tree {
    /// What is known about the file at a place, if an entry says so.
    pub(super) fn facts(&self, state: State) -> Option<&Facts> {
        self.files.facts(state)
    }

    /// Puts a layer on top of the tree of the layers below it.
    pub(super) fn apply(&mut self, entries: &[Entry], lookup: Lookup) {
        let Self { root, files } = self;
        let mut own = Node::default();
        // Whiteouts are about the layers below, wherever they stand in the archive.
        for entry in entries {
            if let Some(hidden) = whiteout(&entry.name) {
                let path = components(&entry.name);
                let dirs = path.split_last().map_or(&[][..], |(_, dirs)| dirs);
                let place = match lookup {
                    Lookup::Whole => files.resolve(root, dirs),
                    Lookup::Own => files.resolve(&own, dirs),
                };
                if let Some(parent) = place.and_then(|place| root.find_mut(&place)) {
                    match hidden {
                        Whiteout::Opaque => parent.children.clear(),
                        Whiteout::Name(name) => drop(parent.children.remove(name)),
                        Whiteout::Other => {}
                    }
                }
            }
        }
        let target = match lookup {
            Lookup::Whole => &mut *root,
            Lookup::Own => &mut own,
        };
        for entry in entries {
            if whiteout(&entry.name).is_none() && !is_for_aufs(&entry.name) {
                files.put(target, entry);
            }
        }
        if lookup == Lookup::Own {
            files.cover(root, own);
        }
    }
}

impl Files {
    fn facts(&self, state: State) -> Option<&Facts> {
        match state {
            State::Stated(number) => self.0.get(number),
            State::Implied | State::Unknown => None,
        }
    }

    fn is_dir(&self, state: State) -> bool {
        match state {
            State::Implied => true,
            state => self
                .facts(state)
                .is_some_and(|facts| facts.kind == FileType::Dir),
        }
    }

    fn put(&mut self, root: &mut Node, entry: &Entry) {
        let path = components(&entry.name);
        let Some((name, dirs)) = path.split_last() else {
            return;
        };
        let Some(place) = self.resolve(root, dirs) else {
            return;
        };
        let state = match (entry.facts.kind, entry.kind) {
            (FileType::Unknown, EntryKind::HardLink) => self.link(root, entry),
            (FileType::Unknown, _) => State::Unknown,
            _ => {
                self.0.push(entry.facts.clone());
                State::Stated(self.0.len() - 1)
            }
        };
        let node = root.make(&place).children.entry(name.to_vec()).or_default();
        if !(self.is_dir(state) && self.is_dir(node.state)) {
            node.children.clear();
        }
        node.state = state;
    }

    /// What a hard link leads to. The file gets the attributes that the link states.
    fn link(&mut self, root: &Node, entry: &Entry) -> State {
        let path = components(&entry.facts.target);
        let found = path.split_last().and_then(|(name, dirs)| {
            let place = self.resolve(root, dirs)?;
            root.find(&place)?.children.get(*name)
        });
        let state = found.map_or(State::Unknown, |node| node.state);
        if let State::Stated(number) = state
            && let Some(facts) = self.0.get_mut(number)
        {
            (facts.uid, facts.gid) = (entry.facts.uid, entry.facts.gid);
            if facts.kind != FileType::Symlink {
                (facts.mode, facts.modified) = (entry.facts.mode, entry.facts.modified);
                attributes::add(&mut facts.attributes, &entry.facts.attributes);
            }
        }
        state
    }

    /// Shows another layer's own tree on top of one, as overlayfs does.
    fn cover(&self, root: &mut Node, own: Node) {
        let mut pending: Vec<(Vec<Vec<u8>>, Node)> = vec![(Vec::new(), own)];
        while let Some((path, upper)) = pending.pop() {
            let lower = root.make(&path);
            if !(self.is_dir(upper.state) && self.is_dir(lower.state)) {
                *lower = upper;
                continue;
            }
            // A directory that the layer has only for what is in it hides the attributes of the one below.
            if !path.is_empty() {
                lower.state = upper.state;
            }
            for (name, child) in upper.children {
                let mut path = path.clone();
                path.push(name);
                pending.push((path, child));
            }
        }
    }

    /// Follows the links on the way to a directory; `None` when they lead nowhere.
    fn resolve(&self, root: &Node, dirs: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
        let mut waiting: Vec<Vec<u8>> = dirs.iter().rev().map(|part| part.to_vec()).collect();
        let mut place: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        while let Some(part) = waiting.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    drop(place.pop());
                    continue;
                }
                _ => {}
            }
            place.push(part);
            let facts = root.find(&place).and_then(|node| self.facts(node.state));
            if let Some(facts) = facts.filter(|facts| facts.kind == FileType::Symlink) {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                drop(place.pop());
                if facts.target.first() == Some(&b'/') {
                    place.clear();
                }
                let target = facts.target.split(|byte| *byte == b'/').rev();
                waiting.extend(target.map(<[u8]>::to_vec));
            }
        }
        Some(place)
    }
}

impl Node {
    fn find(&self, place: &[Vec<u8>]) -> Option<&Self> {
        place
            .iter()
            .try_fold(self, |node, part| node.children.get(part))
    }

    fn find_mut(&mut self, place: &[Vec<u8>]) -> Option<&mut Self> {
        place
            .iter()
            .try_fold(self, |node, part| node.children.get_mut(part))
    }

    fn make(&mut self, place: &[Vec<u8>]) -> &mut Self {
        place.iter().fold(self, |node, part| {
            node.children.entry(part.clone()).or_default()
        })
    }
}

/// Tells whether a path is in a directory that AUFS kept for itself, and so is not unpacked.
fn is_for_aufs(name: &[u8]) -> bool {
    let first = components(name).first().copied();
    first.is_some_and(|first| first.starts_with(WHITEOUT_META_PREFIX.as_bytes()))
}

enum Whiteout<'n> {
    Name(&'n [u8]),
    Opaque,
    /// One of the names that AUFS kept for itself.
    Other,
}

/// Tells whether a path in an archive stands for a deletion, of which nothing is unpacked.
pub(super) fn is_whiteout(name: &[u8]) -> bool {
    whiteout(name).is_some()
}

/// Reads the last component of a path as a whiteout (Go: pkg/archive/whiteouts.go).
fn whiteout(name: &[u8]) -> Option<Whiteout<'_>> {
    let last = *components(name).last()?;
    let hidden = last.strip_prefix(WHITEOUT_PREFIX.as_bytes())?;
    if last == OPAQUE_NAME.as_bytes() {
        return Some(Whiteout::Opaque);
    }
    if last.starts_with(WHITEOUT_META_PREFIX.as_bytes()) {
        return Some(Whiteout::Other);
    }
    Some(Whiteout::Name(hidden))
}

/// The components of a path in an archive, cleaned: without empty ones, `.` and `..`, which stop at the root.
fn components(path: &[u8]) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: EntryKind, name: &str, link: &str) -> Entry {
        let mut header = Header::new(kind, name);
        header.link_name = link.as_bytes().to_vec();
        header.mode = 0o644;
        Entry::new(&header, None, 0).unwrap()
    }

    fn file(name: &str) -> Entry {
        entry(EntryKind::Regular, name, "")
    }

    fn dir(name: &str) -> Entry {
        entry(EntryKind::Directory, name, "")
    }

    fn paths(node: &Node) -> Vec<String> {
        fn walk(node: &Node, path: &str, found: &mut Vec<String>) {
            for (name, child) in &node.children {
                let path = format!("{path}/{}", String::from_utf8_lossy(name));
                found.push(path.clone());
                walk(child, &path, found);
            }
        }
        let mut found = Vec::new();
        walk(node, "", &mut found);
        found
    }

    fn layered(layers: &[&[Entry]], lookup: Lookup) -> Vec<String> {
        let mut tree = Tree::default();
        for layer in layers {
            tree.apply(layer, lookup);
        }
        paths(&tree.root)
    }

    #[test]
    fn whiteouts_are_about_the_layers_below() {
        for lookup in [Lookup::Whole, Lookup::Own] {
            let base = [dir("a"), file("a/one"), file("a/two"), file("b")];
            let top = [
                file("a/new"),
                file("a/.wh..wh..opq"),
                file(".wh.b"),
                file(".wh..wh.plnk"),
            ];
            assert_eq!(
                layered(&[&base, &top], lookup),
                ["/a", "/a/new"],
                "{lookup:?}"
            );
            let again = [file(".wh.b"), file("b")];
            let expected = ["/a", "/a/one", "/a/two", "/b"];
            assert_eq!(layered(&[&base, &again], lookup), expected);
        }
    }

    #[test]
    fn entries_follow_links_where_the_driver_does() {
        let base = [
            dir("usr"),
            dir("usr/lib"),
            entry(EntryKind::Symlink, "lib", "/usr/lib"),
        ];
        let top = [file("lib/x"), file("./../y/")];
        let whole = ["/lib", "/usr", "/usr/lib", "/usr/lib/x", "/y"];
        assert_eq!(layered(&[&base, &top], Lookup::Whole), whole);
        let stacked = ["/lib", "/lib/x", "/usr", "/usr/lib", "/y"];
        assert_eq!(layered(&[&base, &top], Lookup::Own), stacked);
        let circle = [entry(EntryKind::Symlink, "l", "l"), file("l/x")];
        assert_eq!(layered(&[&circle], Lookup::Whole), ["/l"]);
    }

    #[test]
    fn files_and_directories_replace_each_other() {
        for lookup in [Lookup::Whole, Lookup::Own] {
            let base = [dir("a"), file("a/one"), file("b")];
            let top = [file("a"), dir("b"), file("b/x")];
            assert_eq!(layered(&[&base, &top], lookup), ["/a", "/b", "/b/x"]);
            assert_eq!(
                layered(&[&base, &[dir("a")]], lookup),
                ["/a", "/a/one", "/b"]
            );
        }
    }

    #[test]
    fn hard_links_are_what_they_lead_to_and_say_how_it_is() {
        let mut tree = Tree::default();
        let mut again = entry(EntryKind::HardLink, "b", "a");
        again.facts.mode = 0o600;
        tree.apply(
            &[file("a"), again, entry(EntryKind::HardLink, "c", "gone")],
            Lookup::Whole,
        );
        let state = |name: &str| tree.root.children.get(name.as_bytes()).unwrap().state;
        for name in ["a", "b"] {
            let facts = tree.facts(state(name)).unwrap();
            assert_eq!((facts.kind, facts.mode), (FileType::File, 0o600));
        }
        assert!(matches!(state("c"), State::Unknown));
    }
}
