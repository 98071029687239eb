//! Unpacking archives with entries over a tiny alphabet of paths, so that links, directories and
//! whiteouts collide:
//!
//! - Nothing outside the directory changes: neither the sentinel beside it nor the list of its
//!   siblings.
//! - Unpacking never panics; it may fail.
//! - Unpacking, packing and unpacking again gives the same tree (without whiteouts, which a tree
//!   cannot hold).

use std::cell::RefCell;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use layerhold_archive::{
    OverlayNamespace, PackOptions, UnpackOptions, Unpacker, UserNamespace, Whiteouts, pack,
};
use layerhold_sys::Dir;
use layerhold_tar_format::Reader;
use layerhold_testkit::{TarBuilder, TarEntry, TempDir, Tree, hostile, scratch};

/// Names and targets. `../outside` and its absolute path are the sentinel's.
const NAMES: [&str; 8] = ["a", "b", "a/b", "b/a", "a/b/a", ".", "c", "a/./b"];
const OUTSIDE: [&str; 8] = [
    "..",
    "../outside",
    "../outside/secret",
    "../outside/sub",
    "a/../../outside/secret",
    "/",
    "../..",
    "b/../../outside/sub/inner",
];

/// One entry.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Operation {
    /// A regular file.
    File(PathChoice, Mode),
    /// A directory.
    Directory(PathChoice, Mode),
    /// A symbolic link.
    Symlink(PathChoice, PathChoice),
    /// A hard link.
    HardLink(PathChoice, PathChoice),
    /// A named pipe.
    Fifo(PathChoice),
    /// A device with number 0:0 or 1:3.
    Device(PathChoice, bool),
    /// A whiteout.
    Whiteout(PathChoice),
    /// An opaque whiteout.
    Opaque(PathChoice),
    /// AUFS's directory for hard links.
    LinkStore(PathChoice),
    /// An extended header with another name than that of the header.
    Renamed(PathChoice, PathChoice),
}

/// A path.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum PathChoice {
    /// A path inside.
    Inside(u8),
    /// A path that leads outside if taken literally.
    Outside(u8),
    /// A path below one inside: through it, if it is a link.
    Below(u8, u8),
    /// The sentinel by its absolute path.
    Absolute,
}

/// Permission bits, and whether there is an attribute.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Mode {
    bits: u16,
    attribute: bool,
    owner: u8,
}

/// The archive, and how it is unpacked.
#[derive(Debug, Arbitrary)]
struct Input {
    whiteouts: u8,
    in_namespace: bool,
    /// Entries in the tree before the archive, like those of a parent layer.
    first: Vec<Operation>,
    second: Vec<Operation>,
}

/// Enough for any interaction; more only takes time.
const MOST: usize = 24;

impl PathChoice {
    fn text(self, base: &Path) -> String {
        let pick = |names: &[&str; 8], at: u8| names[usize::from(at) % names.len()].to_owned();
        match self {
            Self::Inside(at) => pick(&NAMES, at),
            Self::Outside(at) => pick(&OUTSIDE, at),
            Self::Below(link, at) => {
                let tail = [
                    "secret",
                    "sub",
                    "sub/inner",
                    "outside/secret",
                    "new",
                    "..",
                    "../outside/sub",
                    "sub/new",
                ];
                format!("{}/{}", pick(&NAMES, link), pick(&tail, at))
            }
            Self::Absolute => base.join("outside/secret").to_string_lossy().into_owned(),
        }
    }
}

impl Operation {
    fn entry(self, base: &Path) -> TarEntry {
        let marked = |place: PathChoice, marker: &str| {
            let name = place.text(base);
            let (before, last) = name.rsplit_once('/').unwrap_or(("", &name));
            let slash = if before.is_empty() { "" } else { "/" };
            TarEntry::file(format!("{before}{slash}{marker}{last}"), "")
        };
        match self {
            Self::File(place, mode) => mode.apply(TarEntry::file(place.text(base), "content")),
            Self::Directory(place, mode) => mode.apply(TarEntry::dir(place.text(base))),
            Self::Symlink(place, target) => TarEntry::symlink(place.text(base), target.text(base)),
            Self::HardLink(place, target) => {
                TarEntry::hard_link(place.text(base), target.text(base))
            }
            Self::Fifo(place) => TarEntry::fifo(place.text(base)),
            Self::Device(place, null) => {
                let (major, minor) = if null { (1, 3) } else { (0, 0) };
                TarEntry::char_device(place.text(base), major, minor)
            }
            Self::Whiteout(place) => marked(place, ".wh."),
            Self::Opaque(place) => TarEntry::file(format!("{}/.wh..wh..opq", place.text(base)), ""),
            Self::LinkStore(place) => marked(place, ".wh..wh.plnk/"),
            Self::Renamed(place, other) => {
                TarEntry::file(place.text(base), "x").pax("path", other.text(base))
            }
        }
    }
}

impl Mode {
    fn apply(self, entry: TarEntry) -> TarEntry {
        let entry = entry
            .mode(u32::from(self.bits) & 0o7777)
            .owner(self.owner.into(), self.owner.into());
        if self.attribute {
            entry.xattr("user.x", "1")
        } else {
            entry
        }
    }
}

struct Fixture {
    place: TempDir,
    outside: Tree,
}

impl Fixture {
    fn new() -> Self {
        let place = scratch();
        hostile::sentinel(place.path());
        let outside = Tree::of(&place.path().join("outside"));
        Self { place, outside }
    }

    fn fresh(&self, name: &str) -> Dir {
        let path = self.place.path().join(name);
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir(&path).unwrap();
        Dir::open_ambient(&path).unwrap()
    }

    /// Panics if anything beside the directory has changed, after restoring it for the next input.
    fn check(&self, context: &dyn std::fmt::Debug) {
        let outside = Tree::of(&self.place.path().join("outside"));
        let found = outside.differences(&self.outside);
        let siblings = std::fs::read_dir(self.place.path()).unwrap();
        let stray = siblings
            .map(|entry| entry.unwrap().file_name())
            .find(|name| {
                !["outside", "root", "copy"]
                    .iter()
                    .any(|known| name == known)
            });
        assert!(
            found.is_empty() && stray.is_none(),
            "escaped: {found:?} {stray:?} by {context:?}"
        );
    }
}

thread_local! {
    static FIXTURE: RefCell<Fixture> = RefCell::new(Fixture::new());
}

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(mut input) = Input::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    input.first.truncate(MOST);
    input.second.truncate(MOST);
    FIXTURE.with_borrow(|fixture| check(fixture, &input));
}

fn check(fixture: &Fixture, input: &Input) {
    let base = fixture.place.path().to_owned();
    let root = fixture.fresh("root");
    let whiteouts = match input.whiteouts % 4 {
        0 | 1 => Whiteouts::Apply,
        2 => Whiteouts::Overlay(OverlayNamespace::Trusted),
        _ => Whiteouts::Keep,
    };
    let mut options = UnpackOptions::new();
    options.whiteouts = whiteouts;
    options.user_namespace = if input.in_namespace {
        UserNamespace::Child
    } else {
        UserNamespace::Initial
    };
    let mut complete = true;
    for operations in [&input.first, &input.second] {
        let builder = operations
            .iter()
            .fold(TarBuilder::new(), |builder, operation| {
                builder.entry(operation.entry(&base))
            });
        complete &= unpack(&root, &builder.finish(), options.clone()).is_some();
        fixture.check(input);
    }
    if complete && whiteouts == Whiteouts::Apply {
        round_trip(fixture, &root, input);
    }
}

/// Entry by entry instead of by `import`, whose threads and buffers would take most of the time.
fn unpack(root: &Dir, archive: &[u8], options: UnpackOptions) -> Option<()> {
    let mut unpacker = Unpacker::new(root, options).ok()?;
    let mut reader = Reader::new(archive);
    while let Some(mut entry) = reader.next_entry().ok()? {
        let header = entry.header().clone();
        unpacker.entry(&header, &mut entry).ok()?;
    }
    unpacker.finish().ok().map(drop)
}

fn round_trip(fixture: &Fixture, root: &Dir, input: &Input) {
    let left = Tree::of(&fixture.place.path().join("root"));
    // A whiteout unpacked as a file, in a directory of whiteouts, is a whiteout again when it is
    // unpacked again.
    if left
        .paths()
        .iter()
        .any(|path| path.to_string_lossy().contains(".wh."))
    {
        return;
    }
    let mut archive = Vec::new();
    pack(root, &PackOptions::default(), &mut archive).expect("an unpacked tree can be packed");
    let copy = fixture.fresh("copy");
    unpack(&copy, &archive, UnpackOptions::new())
        .unwrap_or_else(|| panic!("a packed tree can be unpacked: {input:?}"));
    fixture.check(input);
    let right = Tree::of(&fixture.place.path().join("copy"));
    // Packing cuts times to whole seconds, as Go does, and has no entry for the directory itself.
    let whole = |_: &Path, node: &mut layerhold_testkit::Node| node.mtime.1 = 0;
    let inside = |path: &Path, _: &layerhold_testkit::Node| !path.as_os_str().is_empty();
    let (left, right) = (left.retain(inside), right.retain(inside));
    let found = left.map(whole).differences(&right.map(whole));
    assert!(found.is_empty(), "{found:?} after {input:?}");
}
