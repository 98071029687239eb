//! Computes the tree that stacked layers must show.
//!
//! The rules, from the OCI image specification (`layer.md`) as far as it has them:
//!
//! 1. Entries apply in order. Paths are cleaned lexically, and `..` stops at the root.
//! 2. A whiteout `.wh.NAME`, or a character device 0:0, deletes the entry of that name in lower
//!    layers; `.wh..wh..opq` deletes everything that they have in its directory. Neither deletes
//!    anything of its own layer, wherever in the archive it stands.
//! 3. A directory merges with an existing directory and replaces its attributes. Anything else
//!    replaces what exists.
//! 4. An entry implies the directories on its path: one of a lower layer stays as it is, a new one
//!    has mode 0755 and belongs to root. A whiteout implies nothing.
//! 5. Symbolic links on the path are followed if the layer itself created them. One of a lower
//!    layer is replaced by a directory.
//! 6. A hard link is another name of an inode, and replaces the inode's attributes.
//! 7. At the end, every regular file of the layer must be reachable by its name; otherwise the
//!    archive could not be rebuilt.
//! 8. A directory that its layer describes keeps the time of its entry, whatever the layer creates
//!    or deletes in it. A later layer that changes its contents, or the root directory of a later
//!    layer, may have any time ([`ANY_TIME`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::layers::{Entry, EntryKind, Layer};
use crate::tree::{Node, NodeKind, Tree};

type Name = Vec<u8>;
/// An inode number.
type Inode = usize;

/// A step on a path: a directory, a name in it, and the inode of that entry.
type Step = (Inode, Name, Inode);

/// The most links followed on one path, as in the kernel.
const MOST_LINKS: u32 = 40;
const ROOT: Inode = 0;

/// Stands for an arbitrary time of a directory; it is no valid time.
pub const ANY_TIME: (i64, i64) = (0, -1);

/// Why a layer cannot be unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub &'static str);

/// Stacked layers.
#[derive(Debug, Clone)]
pub struct Layers {
    inodes: Vec<File>,
    /// Regular files of the uppermost layer: the names of their entries, and their inodes.
    files: Vec<(Vec<Name>, Inode)>,
    /// Whether unpacking the uppermost layer requires the lower ones, because its own links lead
    /// there.
    looks_below: bool,
}

/// An inode of any type.
#[derive(Debug, Clone)]
struct File {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
    xattrs: BTreeMap<OsString, Vec<u8>>,
}

#[derive(Debug, Clone)]
enum Kind {
    Directory(Directory),
    Symlink(Name),
    Other(NodeKind),
}

#[derive(Debug, Clone, Default)]
struct Directory {
    /// The current layer has an entry for it.
    stated: bool,
    /// Seconds, if the rules define them.
    time: Option<i64>,
    names: BTreeMap<Name, ModelEntry>,
}

/// An entry of a directory.
#[derive(Debug, Clone, Copy)]
struct ModelEntry {
    inode: Inode,
    /// The current layer created it, or something in it.
    own: bool,
}

impl Default for Layers {
    fn default() -> Self {
        Self::new()
    }
}

impl Layers {
    /// No layers: an empty root directory, as every driver creates it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inodes: vec![File::directory(0o555)],
            files: Vec::new(),
            looks_below: false,
        }
    }

    /// Adds a layer on top.
    ///
    /// # Errors
    /// If the layer must be refused. The stack is unchanged then.
    pub fn add(&mut self, layer: &Layer) -> Result<(), Refused> {
        let mut layers = self.clone();
        layers.begin();
        let mut names = BTreeSet::new();
        for entry in layer.entries() {
            if !names.insert(text_of(&entry.name)) {
                return Err(Refused("two entries of one name"));
            }
            layers.put(entry)?;
        }
        if !layers
            .files
            .iter()
            .all(|(path, inode)| layers.finds(path, *inode))
        {
            return Err(Refused("a file that is not where its name leads"));
        }
        *self = layers;
        Ok(())
    }

    /// Whether unpacking the uppermost layer requires the lower ones.
    #[must_use]
    pub fn looks_below(&self) -> bool {
        self.looks_below
    }

    /// The tree that the layers show.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let mut nodes = BTreeMap::new();
        let mut seen = BTreeMap::new();
        self.show(ROOT, PathBuf::new(), &mut nodes, &mut seen);
        Tree::from_nodes(nodes)
    }

    /// Begins a layer: all existing entries belong to lower layers.
    fn begin(&mut self) {
        self.looks_below = false;
        self.files.clear();
        for file in &mut self.inodes {
            if let Kind::Directory(directory) = &mut file.kind {
                directory.stated = false;
                directory
                    .names
                    .values_mut()
                    .for_each(|place| place.own = false);
            }
        }
        self.disturb(ROOT);
    }

    fn put(&mut self, entry: &Entry) -> Result<(), Refused> {
        let path = clean(&entry.name);
        let Some((name, directories)) = path.split_last() else {
            return self.put_root(entry);
        };
        if name == b".wh..wh..opq" {
            if let Some(directory) = self.directory_of_whiteout(directories) {
                self.clear(directory);
            }
            return Ok(());
        }
        let hidden = match name.strip_prefix(b".wh.") {
            Some(b"" | b"." | b"..") => return Err(Refused("a whiteout of nothing")),
            Some(hidden) => Some(hidden),
            None if entry.kind == EntryKind::CharDevice(0, 0) => Some(name.as_slice()),
            None => None,
        };
        if let Some(hidden) = hidden {
            if let Some(directory) = self.directory_of_whiteout(directories) {
                self.white_out(directory, hidden);
            }
            return Ok(());
        }
        let directory = self.enter(directories)?;
        match &entry.kind {
            EntryKind::Directory => {
                self.put_directory(directory, name, entry);
                Ok(())
            }
            EntryKind::HardLink(target) => {
                let inode = self.put_link(directory, name, entry, target)?;
                self.note(&path, inode);
                Ok(())
            }
            EntryKind::Symlink(target) if target.is_empty() => {
                Err(Refused("a link without a target"))
            }
            _ => {
                let inode = self.place(directory, name, File::of(entry));
                self.note(&path, inode);
                Ok(())
            }
        }
    }

    fn put_root(&mut self, entry: &Entry) -> Result<(), Refused> {
        if entry.kind != EntryKind::Directory {
            return Err(Refused("the root is no directory"));
        }
        self.state(ROOT, entry);
        Ok(())
    }

    fn put_directory(&mut self, parent: Inode, name: &[u8], entry: &Entry) {
        let inode = match self.get(parent, name) {
            Some(found) if self.is_directory(found.inode) => {
                self.own(parent, name);
                found.inode
            }
            _ => self.place(parent, name, File::directory(0)),
        };
        self.state(inode, entry);
    }

    fn put_link(
        &mut self,
        parent: Inode,
        name: &[u8],
        entry: &Entry,
        target: &[u8],
    ) -> Result<Inode, Refused> {
        let missing = Refused("a hard link to nothing");
        let target = clean(target);
        let (last, directories) = target.split_last().ok_or(missing.clone())?;
        let (above, is_own) = self.look(directories).ok_or(missing.clone())?;
        let found = self.get(above, last).ok_or(missing.clone())?;
        if self.is_directory(found.inode) {
            return Err(Refused("a hard link to a directory"));
        }
        if (above, last.as_slice()) == (parent, name) {
            return Err(Refused("a hard link to itself"));
        }
        self.looks_below |= !is_own || !found.own;
        self.disturb(parent);
        self.names(parent).remove(name);
        let own = ModelEntry {
            inode: found.inode,
            own: true,
        };
        // The replaced entry may have been on the path to the target.
        if self
            .look(directories)
            .and_then(|(above, _)| self.get(above, last))
            .is_none()
        {
            return Err(missing);
        }
        self.names(parent).insert(name.to_vec(), own);
        let file = &mut self.inodes[found.inode];
        let stated = File::of(entry);
        (file.owner, file.mtime) = (stated.owner, stated.mtime);
        if !matches!(file.kind, Kind::Symlink(_)) {
            file.mode = stated.mode;
        }
        Ok(found.inode)
    }

    /// Sets a directory's attributes from its entry.
    fn state(&mut self, inode: Inode, entry: &Entry) {
        let stated = File::of(entry);
        let file = &mut self.inodes[inode];
        if let Kind::Directory(directory) = &mut file.kind {
            // Attributes of a lower layer are removed. Those of two entries of one layer add up.
            if !std::mem::replace(&mut directory.stated, true) {
                file.xattrs.clear();
            }
            directory.time = Some(stated.mtime);
        }
        (file.mode, file.owner) = (stated.mode, stated.owner);
        file.xattrs.extend(stated.xattrs);
    }

    /// Deletes an entry of lower layers.
    fn white_out(&mut self, parent: Inode, name: &[u8]) {
        let Some(found) = self.get(parent, name) else {
            return;
        };
        if !found.own {
            self.disturb(parent);
            self.names(parent).remove(name);
        } else if self.is_directory(found.inode) {
            self.renew(found.inode);
        }
    }

    /// Makes a directory a new one: that of the lower layers is gone with its contents.
    fn renew(&mut self, inode: Inode) {
        self.clear(inode);
        let file = &mut self.inodes[inode];
        if !matches!(&file.kind, Kind::Directory(directory) if directory.stated) {
            let new = File::directory(0o755);
            (file.mode, file.owner, file.xattrs) = (new.mode, new.owner, new.xattrs);
            self.disturb(inode);
        }
    }

    /// Deletes the entries of lower layers in a directory.
    fn clear(&mut self, inode: Inode) {
        let count = self.names(inode).len();
        self.names(inode).retain(|_, place| place.own);
        if self.names(inode).len() != count {
            self.disturb(inode);
        }
        let below: Vec<Inode> = self
            .names(inode)
            .values()
            .map(|place| place.inode)
            .collect();
        for inode in below {
            if self.is_directory(inode) {
                self.renew(inode);
            }
        }
    }

    /// The directory of a path; missing components are created.
    fn enter(&mut self, directories: &[Name]) -> Result<Inode, Refused> {
        let mut here = ROOT;
        for (depth, name) in directories.iter().enumerate() {
            here = match self.get(here, name) {
                Some(found) if self.is_directory(found.inode) => {
                    self.own(here, name);
                    found.inode
                }
                Some(found) if found.own => {
                    if !matches!(self.inodes[found.inode].kind, Kind::Symlink(_)) {
                        return Err(Refused("a file on the path"));
                    }
                    let (way, is_own) = self
                        .way(&directories[..=depth])
                        .ok_or(Refused("a link to nothing on the path"))?;
                    self.looks_below |= !is_own;
                    for (parent, name, _) in &way {
                        self.own(*parent, name);
                    }
                    way.last().map_or(ROOT, |(_, _, inode)| *inode)
                }
                Some(_) | None => self.place(here, name, File::directory(0o755)),
            };
        }
        Ok(here)
    }

    /// The directory of a whiteout, if it exists.
    fn directory_of_whiteout(&mut self, directories: &[Name]) -> Option<Inode> {
        let mut here = ROOT;
        for (depth, name) in directories.iter().enumerate() {
            let found = self.get(here, name)?;
            here = match self.inodes[found.inode].kind {
                Kind::Directory(_) => found.inode,
                Kind::Symlink(_) if found.own => {
                    let led = self.look(&directories[..=depth]);
                    self.looks_below |= led.is_none_or(|(_, is_own)| !is_own);
                    led?.0
                }
                _ => return None,
            };
        }
        Some(here)
    }

    /// Resolves a path to a directory, following links of all layers; also returns whether all
    /// components belong to the current layer.
    fn look(&self, path: &[Name]) -> Option<(Inode, bool)> {
        let (way, is_own) = self.way(path)?;
        Some((way.last().map_or(ROOT, |(_, _, inode)| *inode), is_own))
    }

    /// Like [`look`](Self::look), with all steps from the root.
    fn way(&self, path: &[Name]) -> Option<(Vec<Step>, bool)> {
        let mut waiting: Vec<Name> = path.iter().rev().cloned().collect();
        let mut way: Vec<Step> = Vec::new();
        let (mut links, mut is_own) = (0, true);
        while let Some(name) = waiting.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    way.pop();
                    continue;
                }
                _ => {}
            }
            let here = way.last().map_or(ROOT, |(_, _, inode)| *inode);
            let found = self.get(here, &name)?;
            is_own &= found.own;
            match &self.inodes[found.inode].kind {
                Kind::Directory(_) => way.push((here, name, found.inode)),
                Kind::Symlink(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        way.clear();
                    }
                    let parts = target.split(|byte| *byte == b'/').rev();
                    waiting.extend(parts.map(<[u8]>::to_vec));
                }
                Kind::Other(_) => return None,
            }
        }
        Some((way, is_own))
    }

    fn note(&mut self, path: &[Name], inode: Inode) {
        if matches!(self.inodes[inode].kind, Kind::Other(NodeKind::File { .. })) {
            self.files.push((path.to_vec(), inode));
        }
    }

    fn finds(&self, path: &[Name], inode: Inode) -> bool {
        let found = path.split_last().and_then(|(name, directories)| {
            let (above, _) = self.look(directories)?;
            self.get(above, name)
        });
        found.is_some_and(|found| found.inode == inode)
    }

    fn get(&self, parent: Inode, name: &[u8]) -> Option<ModelEntry> {
        match &self.inodes[parent].kind {
            Kind::Directory(directory) => directory.names.get(name).copied(),
            _ => None,
        }
    }

    fn names(&mut self, parent: Inode) -> &mut BTreeMap<Name, ModelEntry> {
        match &mut self.inodes[parent].kind {
            Kind::Directory(directory) => &mut directory.names,
            _ => panic!("inode {parent} is no directory"),
        }
    }

    fn own(&mut self, parent: Inode, name: &[u8]) {
        if let Some(place) = self.names(parent).get_mut(name) {
            place.own = true;
        }
    }

    /// Notes that a directory's contents change, and its time, unless the layer has an entry for
    /// it.
    fn disturb(&mut self, inode: Inode) {
        if let Kind::Directory(directory) = &mut self.inodes[inode].kind
            && !directory.stated
        {
            directory.time = None;
        }
    }

    fn place(&mut self, parent: Inode, name: &[u8], file: File) -> Inode {
        self.disturb(parent);
        self.inodes.push(file);
        let inode = self.inodes.len() - 1;
        let place = ModelEntry { inode, own: true };
        self.names(parent).insert(name.to_vec(), place);
        inode
    }

    fn is_directory(&self, inode: Inode) -> bool {
        matches!(self.inodes[inode].kind, Kind::Directory(_))
    }

    fn show(
        &self,
        inode: Inode,
        path: PathBuf,
        nodes: &mut BTreeMap<PathBuf, Node>,
        seen: &mut BTreeMap<Inode, PathBuf>,
    ) {
        let file = &self.inodes[inode];
        let same_as = match seen.get(&inode) {
            Some(first) => Some(first.clone()),
            None => {
                seen.insert(inode, path.clone());
                None
            }
        };
        nodes.insert(path.clone(), file.node(same_as));
        if let Kind::Directory(directory) = &file.kind {
            for (name, place) in &directory.names {
                let path = path.join(Path::new(&OsString::from_vec(name.clone())));
                self.show(place.inode, path, nodes, seen);
            }
        }
    }
}

impl File {
    fn directory(mode: u32) -> Self {
        Self {
            kind: Kind::Directory(Directory::default()),
            mode,
            owner: (0, 0),
            mtime: 0,
            xattrs: BTreeMap::new(),
        }
    }

    fn of(entry: &Entry) -> Self {
        let regular = |content: &[u8]| {
            Kind::Other(NodeKind::File {
                size: content.len() as u64,
                hash: hash(content),
            })
        };
        let kind = match &entry.kind {
            EntryKind::File(content) => regular(content),
            EntryKind::Sparse(zeros, content) => {
                let hole = vec![0; usize::from(*zeros)];
                regular(&[&hole, &**content, &hole].concat())
            }
            EntryKind::Symlink(target) => Kind::Symlink(target.clone()),
            EntryKind::Directory | EntryKind::HardLink(_) => Kind::Directory(Directory::default()),
            EntryKind::Fifo => Kind::Other(NodeKind::Fifo),
            EntryKind::CharDevice(major, minor) => Kind::Other(NodeKind::CharDevice(
                layerhold_sys::make_device(*major, *minor),
            )),
            EntryKind::BlockDevice(major, minor) => Kind::Other(NodeKind::BlockDevice(
                layerhold_sys::make_device(*major, *minor),
            )),
        };
        let is_link = matches!(kind, Kind::Symlink(_));
        let xattr = entry.xattr.iter();
        Self {
            // The kernel gives all links the same mode.
            mode: if is_link { 0o777 } else { entry.mode },
            owner: entry.owner,
            // Only links keep a time before 1970.
            mtime: if is_link {
                entry.mtime
            } else {
                entry.mtime.max(0)
            },
            xattrs: xattr
                .map(|(name, value)| (format!("user.{name}").into(), value.as_bytes().to_vec()))
                .collect(),
            kind,
        }
    }

    fn node(&self, same_as: Option<PathBuf>) -> Node {
        let (kind, mtime) = match &self.kind {
            Kind::Directory(directory) => {
                let time = directory.time.map_or(ANY_TIME, |seconds| (seconds, 0));
                (NodeKind::Directory, time)
            }
            Kind::Symlink(target) => {
                let target = OsString::from_vec(target.clone());
                (NodeKind::Symlink(target), (self.mtime, 0))
            }
            Kind::Other(kind) => (kind.clone(), (self.mtime, 0)),
        };
        Node {
            kind,
            mode: self.mode,
            uid: self.owner.0,
            gid: self.owner.1,
            mtime,
            xattrs: self.xattrs.clone(),
            same_as,
        }
    }
}

/// The components of a path, cleaned.
fn clean(path: &[u8]) -> Vec<Name> {
    let mut parts: Vec<Name> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            name => parts.push(name.to_vec()),
        }
    }
    parts
}

/// The part of a name that two entries must not share: the cleaned path, and where it starts.
fn text_of(name: &[u8]) -> (bool, usize, Vec<Name>) {
    let is_absolute = name.starts_with(b"/");
    let (mut above, mut parts) = (0, Vec::new());
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.pop().is_none() && !is_absolute => above += 1,
            b".." => {}
            part => parts.push(part.to_vec()),
        }
    }
    (is_absolute, above, parts)
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    hasher.finish()
}
