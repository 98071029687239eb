//! Generates layers from arbitrary bytes.

use crate::layers::Choices;
use crate::{TarBuilder, TarEntry, TarFormat};

/// A stack of layers, the base first.
#[derive(Debug, Clone)]
pub struct Chain {
    layers: Vec<Layer>,
}

/// A layer: the entries of its archive, in order.
#[derive(Debug, Clone)]
pub struct Layer {
    entries: Vec<Entry>,
}

/// One entry of a layer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Entry {
    /// The name in the archive.
    pub name: Vec<u8>,
    /// Its type and content.
    pub kind: EntryKind,
    /// Permission bits, including setuid, setgid and sticky.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Modification time in seconds.
    pub mtime: i64,
    /// The name, without `user.`, and value of an extended attribute.
    pub xattr: Option<(&'static str, &'static str)>,
}

/// The type and content of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file with this content.
    File(Vec<u8>),
    /// A sparse file: so many zeros, the content, and as many zeros again; only the content is in
    /// the archive.
    Sparse(u16, Vec<u8>),
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A hard link.
    HardLink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
}

/// Few names, so that entries collide. `..` and links climb; the others are unusual in other ways.
const NAMES: [&[u8]; 8] = [b"a", b"b", b"c", b"d", b"a", b"b", b"a", b"b"];
const ODD: [&[u8]; 10] = [
    b"..",
    b".",
    b"",
    b".wh.a",
    b".wh..wh.plnk",
    b"new\nline",
    b"\xff\xfe",
    b"...",
    b"..a",
    b"name that is longer than the hundred bytes of the oldest header, so that it takes an extended one or a prefix",
];
/// Prefixes of paths.
const STARTS: [&[u8]; 8] = [b"", b"", b"", b"", b"", b"./", b"./", b"/"];
/// Special names of AUFS, and malformed whiteouts.
const MARKERS: [&[u8]; 6] = [
    b".wh..wh.plnk",
    b".wh..wh.aufs",
    b".wh..wh.a",
    b".wh.",
    b".wh..",
    b".wh...",
];

impl Chain {
    /// The layers that these bytes generate: one to four of up to twelve entries.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut choices = Choices::new(bytes);
        let count = 1 + choices.below(4);
        let layers = (0..count).map(|_| Layer::choose(&mut choices)).collect();
        Self { layers }
    }

    /// These layers, the base first.
    #[must_use]
    pub fn new(layers: impl IntoIterator<Item = Layer>) -> Self {
        Self {
            layers: layers.into_iter().collect(),
        }
    }

    /// All chains with one entry or one layer less, for minimizing a failing chain.
    #[must_use]
    pub fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let with = |replacement: Option<Layer>| {
                let mut layers = self.layers.clone();
                layers.splice(at..=at, replacement);
                Self { layers }
            };
            smaller.push(with(None));
            for entry in 0..layer.entries.len() {
                let mut layer = layer.clone();
                layer.entries.remove(entry);
                smaller.push(with(Some(layer)));
            }
        }
        smaller
    }

    /// The layers, the base first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

impl Layer {
    /// A layer with these entries.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
        }
    }

    fn choose(choices: &mut Choices<'_>) -> Self {
        let count = 1 + choices.below(12);
        let mut chosen: Vec<Entry> = Vec::new();
        for _ in 0..count {
            let entry = Entry::choose(choices);
            // Most invalid entries are left out; otherwise few layers would be valid.
            if entry.goes_with(&chosen) || choices.one_in(24) {
                chosen.push(entry);
            }
        }
        Self::new(chosen)
    }

    /// The entries, in the order of the archive.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries, one line each, for messages.
    #[must_use]
    pub fn listing(&self) -> String {
        let lines = self.entries.iter().map(|entry| {
            let name = entry.name.escape_ascii();
            let xattr = entry
                .xattr
                .map(|(name, value)| format!(" user.{name}={value:?}"));
            format!(
                "  {name}: {:?} {:04o} {}:{} @{}{}\n",
                entry.kind,
                entry.mode,
                entry.owner.0,
                entry.owner.1,
                entry.mtime,
                xattr.unwrap_or_default()
            )
        });
        lines.collect()
    }

    /// The archive, uncompressed.
    #[must_use]
    pub fn archive(&self) -> Vec<u8> {
        self.entries
            .iter()
            .fold(TarBuilder::new(), |archive, entry| {
                archive.entry(entry.in_archive())
            })
            .finish()
    }
}

impl Entry {
    /// An entry with mode 0644 or 0755, owned by root.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>, kind: EntryKind) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            mode: match kind {
                EntryKind::Directory => 0o755,
                _ => 0o644,
            },
            kind,
            owner: (0, 0),
            mtime: 1_000_000_000,
            xattr: None,
        }
    }

    /// A regular file.
    #[must_use]
    pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::new(name, EntryKind::File(content.as_ref().to_vec()))
    }

    /// A directory.
    #[must_use]
    pub fn dir(name: impl AsRef<[u8]>) -> Self {
        Self::new(name, EntryKind::Directory)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(name, EntryKind::Symlink(target.as_ref().to_vec()))
    }

    /// A hard link.
    #[must_use]
    pub fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(name, EntryKind::HardLink(target.as_ref().to_vec()))
    }

    /// The entry with other permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// The entry with an owner and a group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.owner = (uid, gid);
        self
    }

    /// The entry with an attribute of the `user.` namespace.
    #[must_use]
    pub fn xattr(mut self, name: &'static str, value: &'static str) -> Self {
        self.xattr = Some((name, value));
        self
    }

    fn choose(choices: &mut Choices<'_>) -> Self {
        let kind = choices.below(32);
        let mut name = path(choices);
        let kind = match kind {
            0..=7 => EntryKind::File(content(choices)),
            8..=13 => EntryKind::Directory,
            14..=16 => EntryKind::Symlink(target(choices)),
            17..=18 => EntryKind::HardLink(target(choices)),
            19..=23 => {
                name = beside(&name, |last| [b".wh.", last].concat());
                EntryKind::File(whiteout_content(choices))
            }
            24..=26 => {
                name = beside(&name, |_| b".wh..wh..opq".to_vec());
                EntryKind::File(Vec::new())
            }
            27 => {
                let marker = *choices.pick(&MARKERS);
                name = beside(&name, |_| marker.to_vec());
                match choices.below(2) {
                    0 => EntryKind::Directory,
                    _ => EntryKind::File(Vec::new()),
                }
            }
            28 => EntryKind::Fifo,
            29 => EntryKind::CharDevice(0, 0),
            30 => match choices.below(3) {
                0 => EntryKind::CharDevice(1, 3),
                1 => EntryKind::BlockDevice(0, 0),
                _ => EntryKind::BlockDevice(259, 70_000),
            },
            _ if name.is_empty() => EntryKind::Directory,
            _ => EntryKind::Sparse(
                512 * (1 + u16::try_from(choices.below(4)).unwrap_or_default()),
                content(choices),
            ),
        };
        if kind == EntryKind::Directory && choices.below(2) == 0 {
            name.push(b'/');
        }
        let mut entry = Self::new(name, kind);
        if choices.one_in(3) {
            entry.mode =
                *choices.pick(&[0o600, 0o4755, 0o2775, 0o1777, 0o000, 0o111, 0o755, 0o700]);
        }
        if choices.one_in(3) {
            entry.owner = *choices.pick(&[(1, 2), (1000, 1000), (0, 5), (65_534, 65_534)]);
        }
        entry.mtime = *choices.pick(&[1_000_000_000, 0, 1, 1_234_567_890, -1]);
        let takes_attributes = matches!(
            entry.kind,
            EntryKind::File(_) | EntryKind::Directory | EntryKind::Sparse(..)
        );
        if takes_attributes && choices.one_in(4) {
            entry.xattr = Some((*choices.pick(&["a", "b"]), *choices.pick(&["1", "2", "\0"])));
        }
        entry
    }

    /// Whether the entries before it, links aside, leave room for it.
    fn goes_with(&self, before: &[Self]) -> bool {
        let path = plain(&self.name);
        let is_taken = before.iter().any(|other| {
            let taken = plain(&other.name);
            taken == path || (path.starts_with(&taken) && !other.is_way())
        });
        let is_there = match &self.kind {
            EntryKind::HardLink(target) => {
                let target = plain(target);
                before
                    .iter()
                    .any(|other| plain(&other.name) == target && other.kind != EntryKind::Directory)
            }
            _ => true,
        };
        !is_taken && is_there
    }

    fn is_way(&self) -> bool {
        matches!(self.kind, EntryKind::Directory | EntryKind::Symlink(_))
    }

    fn in_archive(&self) -> TarEntry {
        let entry = match &self.kind {
            EntryKind::File(content) => TarEntry::file(&self.name, content),
            EntryKind::Sparse(zeros, content) => sparse(&self.name, *zeros, content),
            EntryKind::Directory => TarEntry::new(crate::TarKind::Directory, &self.name),
            EntryKind::Symlink(target) => TarEntry::symlink(&self.name, target),
            EntryKind::HardLink(target) => TarEntry::hard_link(&self.name, target),
            EntryKind::Fifo => TarEntry::fifo(&self.name),
            EntryKind::CharDevice(major, minor) => {
                TarEntry::char_device(&self.name, (*major).into(), (*minor).into())
            }
            EntryKind::BlockDevice(major, minor) => {
                TarEntry::block_device(&self.name, (*major).into(), (*minor).into())
            }
        };
        let entry = entry
            .mode(self.mode)
            .owner(self.owner.0.into(), self.owner.1.into())
            .mtime(self.mtime)
            .format(TarFormat::Pax);
        match self.xattr {
            Some((name, value)) => entry.xattr(format!("user.{name}"), value),
            None => entry,
        }
    }
}

/// GNU's sparse format 1.0: a map before the content, and the true name and size in extended
/// headers.
fn sparse(name: &[u8], zeros: u16, content: &[u8]) -> TarEntry {
    let mut stored = format!("1\n{zeros}\n{}\n", content.len()).into_bytes();
    stored.resize(512, 0);
    stored.extend_from_slice(content);
    let size = 2 * usize::from(zeros) + content.len();
    TarEntry::file("GNUSparseFile.0/sparse", stored)
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.name", name)
        .pax("GNU.sparse.realsize", size.to_string())
}

fn component(choices: &mut Choices<'_>) -> &'static [u8] {
    if choices.one_in(12) {
        ODD[choices.below(ODD.len())]
    } else {
        NAMES[choices.below(NAMES.len())]
    }
}

/// One to three components.
fn path(choices: &mut Choices<'_>) -> Vec<u8> {
    let start = STARTS[choices.below(STARTS.len())];
    let count = 1 + choices.below(8).min(5) / 2;
    let parts: Vec<&[u8]> = (0..count).map(|_| component(choices)).collect();
    [start, &parts.join(&b'/')].concat()
}

fn target(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(8) {
        0 => b"..".to_vec(),
        1 => [b"../", component(choices)].concat(),
        2 => [b"/", component(choices)].concat(),
        3 => b"/".to_vec(),
        _ => path(choices),
    }
}

fn content(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(4) {
        0 => Vec::new(),
        1 => b"one".to_vec(),
        2 => b"two\n".to_vec(),
        _ => vec![0; 600],
    }
}

fn whiteout_content(choices: &mut Choices<'_>) -> Vec<u8> {
    if choices.one_in(16) {
        b"content of a whiteout".to_vec()
    } else {
        Vec::new()
    }
}

/// The components of a path except empty ones and `.`.
fn plain(path: &[u8]) -> Vec<&[u8]> {
    let parts = path.split(|byte| *byte == b'/');
    parts.filter(|part| !matches!(*part, b"" | b".")).collect()
}

/// The path with another last component.
fn beside(path: &[u8], name: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => [&path[..=slash], &name(&path[slash + 1..])].concat(),
        None => name(path),
    }
}
