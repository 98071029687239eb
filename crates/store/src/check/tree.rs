//! Builds the tree that a layer should have from the tar headers in tar-split files.

use std::collections::{BTreeMap, BTreeSet};

use layerhold_archive::{
    Meaning, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX, entry_components, meaning,
};
use layerhold_sys::FileType;
use layerhold_tar_format::{EntryKind, Header};
use layerhold_tar_split::Checksum;

use super::attributes::{self, Attributes};

/// The limit of links that are followed on one path, well above the kernel's 40.
const MAX_LINKS: u32 = 255;
/// No file has a longer path; tar headers may claim one.
const MAX_PATH: usize = 4096;
/// The last second that can be set; a time outside becomes 1970, except that of a symbolic link
/// (Go: pkg/system/chtimes.go).
const LAST_SECOND: i64 = i64::MAX / 1_000_000_000;

/// A tree, and the files in it. Hard links are several nodes of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) root: Node,
    files: FileList,
    /// How many layers it consists of.
    layers: usize,
    /// What the latest layer hides of the lower ones.
    pub(super) hidden: Hidden,
}

/// What whiteouts hide, by directories.
#[derive(Debug, Clone, Default)]
pub(super) struct Hidden {
    /// The names that are deleted in a directory.
    pub(super) names: BTreeMap<Vec<Vec<u8>>, BTreeSet<Vec<u8>>>,
    /// Directories that show nothing of the lower layers, unless they are new.
    pub(super) opaque: BTreeSet<Vec<Vec<u8>>>,
}

/// The files of a tree, by number.
#[derive(Debug, Clone, Default)]
struct FileList(Vec<Facts>);

/// A node of the tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) state: State,
    /// Whether it exists depends on the program that unpacked the layer.
    pub(super) optional: bool,
    pub(super) children: BTreeMap<Vec<u8>, Node>,
    /// The latest layer that put it here or put something into it, counted from one.
    put_by: usize,
    /// The latest layer that has an entry for it.
    stated_by: usize,
}

/// What is known about a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum State {
    /// A directory without an entry of its own.
    #[default]
    Implied,
    /// Something exists here; what it is, is unknown.
    Unknown,
    /// An entry states what it is: the file with this number.
    Stated(usize),
}

/// What an entry states about a file.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) kind: FileType,
    pub(super) uid: i64,
    pub(super) gid: i64,
    pub(super) mode: u32,
    pub(super) size: u64,
    pub(super) modified: i64,
    pub(super) target: Vec<u8>,
    /// Major and minor number of a device node.
    pub(super) device: (i64, i64),
    pub(super) attributes: Attributes,
    pub(super) checksum: Option<Checksum>,
    /// The layer it came with, counted from the base.
    pub(super) layer: usize,
}

/// One entry of a layer's tar.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    name: Vec<u8>,
    kind: EntryKind,
    whiteout: Option<Whiteout>,
    facts: Facts,
}

/// What a whiteout deletes of the lower layers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whiteout {
    Name(Vec<u8>),
    Opaque,
}

/// Which symbolic links on the path of an entry are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// Those of the same layer, as this library does.
    OfLayer,
    /// All, as the Go library does where layers are copies.
    OfAll,
}

impl Entry {
    /// Keeps what matters of an entry; `None` for an entry that leaves nothing in the tree.
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
        let name = entry_components(&header.name).last().copied();
        let whiteout = match meaning(name.unwrap_or_default(), header) {
            Meaning::Delete(hidden) => Some(Whiteout::Name(hidden.to_vec())),
            Meaning::Opaque => Some(Whiteout::Opaque),
            _ => None,
        };
        Some(Self {
            name: header.name.clone(),
            kind: header.kind,
            whiteout,
            facts,
        })
    }
}

/// The type of file that an entry becomes; unknown for hard links, which have the type of their
/// target.
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
    /// Returns what an entry states about the file at a node, if there is one.
    pub(super) fn facts(&self, state: State) -> Option<&Facts> {
        self.files.facts(state)
    }

    /// Tells whether a node is a directory.
    pub(super) fn is_dir(&self, node: &Node) -> bool {
        self.files.is_dir(node.state)
    }

    /// Puts a layer on top of the tree of its parent, entry by entry. Whiteouts delete only from
    /// lower layers.
    pub(super) fn apply(&mut self, entries: &[Entry], links: Links) {
        self.layers += 1;
        self.hidden = Hidden::default();
        for entry in entries {
            let path = entry_components(&entry.name);
            let Some((name, dirs)) = path.split_last() else {
                continue;
            };
            let place = match entry.whiteout {
                Some(_) => self.find_dir_of_whiteout(dirs, links),
                None => self.make_dirs(dirs, links),
            };
            match (place, &entry.whiteout) {
                (None, _) => {}
                (Some(place), Some(Whiteout::Name(hidden))) => self.delete(&place, hidden),
                (Some(place), Some(Whiteout::Opaque)) => self.delete_all(&place),
                (Some(place), None) => self.put(&place, name, entry),
            }
        }
    }

    /// Finds the directory of a whiteout. If it does not exist, the Go library creates it.
    fn find_dir_of_whiteout(&mut self, dirs: &[&[u8]], links: Links) -> Option<Vec<Vec<u8>>> {
        let layer = self.layers;
        let mut place: Vec<Vec<u8>> = Vec::new();
        for dir in dirs {
            let known = self.root.find(&place)?.children.get(*dir);
            let is_own = known.is_some_and(|node| node.put_by == layer);
            let is_there = known.is_some();
            let state = known.map(|node| node.state).unwrap_or_default();
            place.push(dir.to_vec());
            if self.files.is_dir(state) {
                let node = self.root.make(&place);
                node.optional |= !is_there;
                continue;
            }
            let is_link = self
                .facts(state)
                .is_some_and(|facts| facts.kind == FileType::Symlink);
            if is_link && (is_own || links == Links::OfAll) {
                place = self.files.resolve(&self.root, &place)?;
                self.root.find(&place)?;
                continue;
            }
            if !is_own {
                self.root.make(&place).optional = true;
            }
            return None;
        }
        Some(place)
    }

    /// Finds the directory of an entry, and adds missing parts of its path. `None` below something
    /// that is not a directory.
    fn make_dirs(&mut self, dirs: &[&[u8]], links: Links) -> Option<Vec<Vec<u8>>> {
        let layer = self.layers;
        let mut place: Vec<Vec<u8>> = Vec::new();
        for dir in dirs {
            let known = self.root.find(&place)?.children.get(*dir);
            let is_own = known.is_some_and(|node| node.put_by == layer);
            let state = known.map(|node| node.state);
            let is_dir = state.is_some_and(|state| self.files.is_dir(state));
            let kind = state
                .and_then(|state| self.facts(state))
                .map(|facts| facts.kind);
            place.push(dir.to_vec());
            if !is_dir && kind == Some(FileType::Symlink) && (is_own || links == Links::OfAll) {
                place = self.files.resolve(&self.root, &place)?;
                // If the link dangles, some tools create its target.
                for length in 1..=place.len() {
                    let way = place.get(..length).unwrap_or_default();
                    self.root.make(way).put_by = layer;
                }
                continue;
            }
            if !is_dir && is_own {
                return None;
            }
            let node = self.root.make(&place);
            if !is_dir {
                *node = Node::default();
            }
            (node.put_by, node.optional) = (layer, false);
            // Where layers are stacked, tools differ in the attributes of this directory.
            node.forget_below(layer);
        }
        Some(place)
    }

    fn delete(&mut self, place: &[Vec<u8>], name: &[u8]) {
        let layer = self.layers;
        let names = self.hidden.names.entry(place.to_vec()).or_default();
        names.insert(name.to_vec());
        let Some(parent) = self.root.find_mut(place) else {
            return;
        };
        match parent.children.get_mut(name) {
            Some(node) if node.put_by == layer => {
                node.forget_below(layer);
                node.clear(layer);
            }
            _ => drop(parent.children.remove(name)),
        }
    }

    fn delete_all(&mut self, place: &[Vec<u8>]) {
        let layer = self.layers;
        self.hidden.opaque.insert(place.to_vec());
        if place.is_empty() {
            // Neither the Go library nor older versions of this one could do that where layers are
            // stacked.
            self.root.make_optional(layer);
        } else if let Some(node) = self.root.find_mut(place) {
            node.clear(layer);
        }
    }

    fn put(&mut self, place: &[Vec<u8>], name: &[u8], entry: &Entry) {
        let state = match (entry.facts.kind, entry.kind) {
            (FileType::Unknown, EntryKind::HardLink) => self.files.link(&self.root, entry),
            (FileType::Unknown, _) => State::Unknown,
            _ => {
                self.files.0.push(entry.facts.clone());
                State::Stated(self.files.0.len() - 1)
            }
        };
        let node = self.root.make(place).children.entry(name.to_vec());
        let node = node.or_default();
        if !(self.files.is_dir(state) && self.files.is_dir(node.state)) {
            node.children.clear();
        }
        (node.state, node.optional) = (state, false);
        (node.put_by, node.stated_by) = (self.layers, self.layers);
        if is_for_aufs(&entry.name)
            && let Some(first) = place.first()
        {
            self.root.make(std::slice::from_ref(first)).optional = true;
        }
    }
}

impl FileList {
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

    /// Returns the target of a hard link. The file gets the attributes that the link states.
    fn link(&mut self, root: &Node, entry: &Entry) -> State {
        let path = entry_components(&entry.facts.target);
        let found = path.split_last().and_then(|(name, dirs)| {
            let dirs: Vec<Vec<u8>> = dirs.iter().map(|dir| dir.to_vec()).collect();
            let place = self.resolve(root, &dirs)?;
            root.find(&place)?.children.get(*name)
        });
        let state = found.map_or(State::Unknown, |node| node.state);
        if let State::Stated(number) = state
            && let Some(facts) = self.0.get_mut(number)
        {
            (facts.uid, facts.gid) = (entry.facts.uid, entry.facts.gid);
            facts.modified = entry.facts.modified;
            if facts.kind != FileType::Symlink {
                facts.mode = entry.facts.mode;
                attributes::add(&mut facts.attributes, &entry.facts.attributes);
            }
        }
        state
    }

    /// Follows all symbolic links on the path to a directory; `None` when there are too many.
    fn resolve(&self, root: &Node, dirs: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        let mut waiting: Vec<Vec<u8>> = dirs.iter().rev().cloned().collect();
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
    pub(super) fn find(&self, place: &[Vec<u8>]) -> Option<&Self> {
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

    /// Removes what lower layers than the given one have put below this node.
    fn clear(&mut self, layer: usize) {
        let mut pending = vec![self];
        while let Some(node) = pending.pop() {
            node.children.retain(|_, child| child.put_by == layer);
            for child in node.children.values_mut() {
                child.forget_below(layer);
                pending.push(child);
            }
        }
    }

    /// Removes what lower layers than the given one state about a directory.
    fn forget_below(&mut self, layer: usize) {
        if self.stated_by != layer && matches!(self.state, State::Stated(_)) {
            self.state = State::Implied;
        }
    }

    /// Marks what lower layers than the given one have put below this node as optional.
    fn make_optional(&mut self, layer: usize) {
        let mut pending = vec![self];
        while let Some(node) = pending.pop() {
            for child in node.children.values_mut() {
                match child.put_by == layer {
                    true => child.forget_below(layer),
                    false => child.optional = true,
                }
                pending.push(child);
            }
        }
    }
}

/// Tells whether a path is in a directory of AUFS metadata. Where layers are copies, the Go library
/// removes it.
pub(super) fn is_for_aufs(name: &[u8]) -> bool {
    let first = entry_components(name).first().copied();
    first.is_some_and(|first| first.starts_with(WHITEOUT_META_PREFIX.as_bytes()))
}

/// Tells whether a path in an archive is a whiteout, which is not unpacked.
pub(super) fn is_whiteout(name: &[u8]) -> bool {
    let last = entry_components(name).last().copied();
    last.is_some_and(|last| last.starts_with(WHITEOUT_PREFIX.as_bytes()))
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

    fn layered(layers: &[&[Entry]], links: Links) -> Vec<String> {
        let mut tree = Tree::default();
        for layer in layers {
            tree.apply(layer, links);
        }
        paths(&tree.root)
    }

    #[test]
    fn whiteouts_are_about_the_layers_below() {
        for links in [Links::OfLayer, Links::OfAll] {
            let base = [
                dir("a"),
                file("a/one"),
                file("a/two"),
                file("b"),
                dir("c"),
                file("c/old"),
            ];
            let top = [
                file("a/new"),
                file("a/.wh..wh..opq"),
                file(".wh.b"),
                file("c/new"),
                file(".wh.c"),
            ];
            let expected = ["/a", "/a/new", "/c", "/c/new"];
            assert_eq!(layered(&[&base, &top], links), expected, "{links:?}");
            let again = [file(".wh.b"), file("b"), file(".wh.a"), file(".wh.c")];
            assert_eq!(layered(&[&base, &again], links), ["/b"]);
        }
    }

    #[test]
    fn entries_imply_directories_and_whiteouts_may() {
        let mut tree = Tree::default();
        let layer = [
            file("a/b/.wh.c"),
            file("d/.wh..wh..opq"),
            file("e/f"),
            file("d/g/h"),
        ];
        tree.apply(&layer, Links::OfLayer);
        let expected = ["/a", "/a/b", "/d", "/d/g", "/d/g/h", "/e", "/e/f"];
        assert_eq!(paths(&tree.root), expected);
        let optional = |name: &str| tree.root.children[name.as_bytes()].optional;
        assert!(optional("a") && !optional("d") && !optional("e"));
    }

    #[test]
    fn what_an_opaque_root_hides_may_be_there() {
        let mut tree = Tree::default();
        tree.apply(&[dir("a"), file("a/old"), file("b")], Links::OfLayer);
        tree.apply(&[file("a/new"), file(".wh..wh..opq")], Links::OfLayer);
        let optional = |place: &[&str]| {
            let place: Vec<_> = place.iter().map(|part| part.as_bytes().to_vec()).collect();
            tree.root.find(&place).unwrap().optional
        };
        assert!(optional(&["b"]) && optional(&["a", "old"]));
        assert!(!optional(&["a"]) && !optional(&["a", "new"]));
    }

    #[test]
    fn links_of_layers_below_are_replaced_or_followed() {
        let base = [
            dir("usr"),
            dir("usr/lib"),
            entry(EntryKind::Symlink, "lib", "/usr/lib"),
        ];
        let top = [file("lib/x"), file("./../y/")];
        let followed = ["/lib", "/usr", "/usr/lib", "/usr/lib/x", "/y"];
        assert_eq!(layered(&[&base, &top], Links::OfAll), followed);
        let replaced = ["/lib", "/lib/x", "/usr", "/usr/lib", "/y"];
        assert_eq!(layered(&[&base, &top], Links::OfLayer), replaced);
        let one: Vec<Entry> = base.iter().chain(&top).cloned().collect();
        assert_eq!(layered(&[&one], Links::OfLayer), followed);
        let circle = [entry(EntryKind::Symlink, "l", "l"), file("l/x")];
        assert_eq!(layered(&[&circle], Links::OfLayer), ["/l"]);
    }

    #[test]
    fn files_and_directories_replace_each_other() {
        for links in [Links::OfLayer, Links::OfAll] {
            let base = [dir("a"), file("a/one"), file("b")];
            let top = [file("a"), dir("b"), file("b/x")];
            assert_eq!(layered(&[&base, &top], links), ["/a", "/b", "/b/x"]);
            assert_eq!(
                layered(&[&base, &[dir("a")]], links),
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
            Links::OfLayer,
        );
        let state = |name: &str| tree.root.children.get(name.as_bytes()).unwrap().state;
        for name in ["a", "b"] {
            let facts = tree.facts(state(name)).unwrap();
            assert_eq!((facts.kind, facts.mode), (FileType::File, 0o600));
        }
        assert!(matches!(state("c"), State::Unknown));
    }
}
