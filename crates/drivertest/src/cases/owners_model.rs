//! Random maps and owners, and the owners that are expected on disk and in the container.

use std::collections::BTreeMap;

use layerhold_archive::layerhold_tar_format::Reader;
use layerhold_idmap::{ContainerId32, ContainerOwner, HostOwner, IdMap, IdMappings, IdRange};
use layerhold_testkit::{TarBuilder, TarEntry};

/// How many maps are tried, unless `LAYERHOLD_OWNERS_CASES` sets another number.
const CASES: u64 = 6;
/// Owners in an image.
const OWNERS: usize = 12;
/// The overflow ID, which the kernel shows for an ID that has no place in the maps.
pub(super) const OVERFLOW: u32 = 65534;

/// Runs a test for each of the maps that this process may use: in a user namespace, not for IDs
/// that it lacks.
pub(super) fn for_all(mut run: impl FnMut(&Model)) {
    let wanted = std::env::var("LAYERHOLD_OWNERS_CASES").ok();
    let wanted = wanted.map_or(CASES, |number| number.parse().expect("a number"));
    let own = IdMappings::new(own_map("uid_map"), own_map("gid_map"));
    let models = (0..wanted).map(Model::new);
    for model in models.filter(|model| model.is_within(&own)) {
        run(&model);
    }
}

fn own_map(file: &str) -> IdMap {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).expect("a map");
    IdMap::from_kernel(&text).expect("a map")
}

/// A sequence of numbers that a seed determines.
struct Numbers(u64);

impl Numbers {
    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*, by Vigna.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % limit
    }

    fn id(&mut self, limit: u64) -> u32 {
        u32::try_from(self.below(limit)).expect("limits are IDs")
    }
}

/// Maps, and the owners of an image's files.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) seed: u64,
    pub(super) maps: IdMappings,
    pub(super) root: ContainerOwner,
    pub(super) files: BTreeMap<String, ContainerOwner>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            numbers.below(2);
        }
        let uids = map(seed, &mut numbers);
        let gids = match numbers.below(2) {
            0 => uids.clone(),
            _ => map(numbers.below(6), &mut numbers),
        };
        let maps = IdMappings::new(uids, gids);
        let mut owner = || {
            let uid = near_an_edge(&maps.uids, &mut numbers);
            ContainerOwner::new(uid, near_an_edge(&maps.gids, &mut numbers))
        };
        let mut files: BTreeMap<_, _> = (0..OWNERS).map(|n| (format!("f{n}"), owner())).collect();
        files.insert("roots".to_owned(), ContainerOwner::new(0, 0));
        let root_outside = maps.root_pair().expect("root is mapped");
        let as_outside = ContainerOwner::new(root_outside.uid.get(), root_outside.gid.get());
        files.insert("as-outside".to_owned(), as_outside);
        let root = match seed % 3 {
            0 => owner(),
            _ => ContainerOwner::new(0, 0),
        };
        Self {
            seed,
            root,
            files,
            maps,
        }
    }

    /// Whether a process whose own IDs are `own` can give files to all owners, in the image and
    /// outside.
    fn is_within(&self, own: &IdMappings) -> bool {
        let has = |own: &IdMap, map: &IdMap| {
            let ids = own.container_ids();
            let has = |id| ids.contains(ContainerId32::new(id));
            let mut ranges = map.ranges().iter();
            has(OVERFLOW)
                && ranges.all(|range| {
                    let last = range.host.get() + u32::try_from(range.size).unwrap() - 1;
                    has(range.host.get()) && has(last)
                })
        };
        let mut owners = self.files.values().chain([&self.root]);
        has(&own.uids, &self.maps.uids)
            && has(&own.gids, &self.maps.gids)
            && owners.all(|owner| {
                own.uids.to_host(owner.uid).is_ok() && own.gids.to_host(owner.gid).is_ok()
            })
    }

    /// Whether an owner has a place in the maps.
    pub(super) fn has(&self, owner: ContainerOwner) -> bool {
        self.maps.to_host(owner).is_ok()
    }

    /// The owner of a file on disk, by the maps alone; 65534 without a place in them.
    pub(super) fn outside(&self, owner: ContainerOwner) -> (u32, u32) {
        let uid = self.maps.uids.to_host(owner.uid);
        let gid = self.maps.gids.to_host(owner.gid);
        (
            uid.map_or(OVERFLOW, |id| id.get()),
            gid.map_or(OVERFLOW, |id| id.get()),
        )
    }

    /// An owner as the container sees it.
    pub(super) fn seen(&self, owner: ContainerOwner) -> ContainerOwner {
        let seen = |is_mapped: bool, id: u32| if is_mapped { id } else { OVERFLOW };
        ContainerOwner::new(
            seen(self.maps.uids.to_host(owner.uid).is_ok(), owner.uid.get()),
            seen(self.maps.gids.to_host(owner.gid).is_ok(), owner.gid.get()),
        )
    }

    /// An owner on disk as the container sees it.
    pub(super) fn seen_of(&self, (uid, gid): (u32, u32)) -> ContainerOwner {
        let owner = HostOwner::new(uid, gid);
        let (uids, gids) = (&self.maps.uids, &self.maps.gids);
        ContainerOwner::new(
            uids.to_container(owner.uid).map_or(OVERFLOW, |id| id.get()),
            gids.to_container(owner.gid).map_or(OVERFLOW, |id| id.get()),
        )
    }

    /// The image of those files that are asked for. Some give rights to whom they belong.
    pub(super) fn tar(&self, is_wanted: impl Fn(ContainerOwner) -> bool) -> Vec<u8> {
        let (uid, gid) = (self.root.uid.get(), self.root.gid.get());
        let root = TarEntry::dir("./").owner(uid.into(), gid.into());
        let mut tar = TarBuilder::new().entry(root.mode(0o755));
        for (name, owner) in self.files.iter().filter(|(_, owner)| is_wanted(**owner)) {
            let entry = TarEntry::file(name, name)
                .owner(owner.uid.get().into(), owner.gid.get().into())
                .mode(mode(name));
            tar = tar.entry(match name.ends_with('2') {
                true => entry.xattr("security.capability", CAPABILITY),
                false => entry,
            });
        }
        tar.finish()
    }
}

/// `cap_net_bind_service+ep`, revision 2 (linux/capability.h).
pub(super) const CAPABILITY: [u8; 20] =
    [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The mode of a file.
pub(super) fn mode(name: &str) -> u32 {
    match name.ends_with(['1', 'e']) {
        true => 0o6755,
        false => 0o644,
    }
}

/// A map with ID 0, of a kind that the seed determines.
fn map(seed: u64, numbers: &mut Numbers) -> IdMap {
    let ranges = |ranges: &[(u32, u32, u64)]| {
        let ranges = ranges.iter();
        ranges.map(|(c, h, s)| IdRange::new(*c, *h, *s)).collect()
    };
    match seed % 6 {
        // What `--userns=keep-id` makes of a user 1000 with 65536 IDs.
        0 => ranges(&[(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64536)]),
        1 => ranges(&[(0, 100_000, 65536)]),
        2 => ranges(&[(0, 0, 65536)]),
        // The overflow ID belongs to another owner.
        3 => ranges(&[(0, 65_000 + numbers.id(500), 1000)]),
        _ => several(numbers),
    }
}

/// Some ranges, with gaps on both sides; those outside are in another order.
fn several(numbers: &mut Numbers) -> IdMap {
    let count = 2 + numbers.below(4);
    let mut starts: Vec<u32> = (0..count)
        .map(|n| u32::try_from(n).unwrap() * 20_000)
        .collect();
    let mut container = 0;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let size = 1 + numbers.below(3000);
        let start = usize::try_from(numbers.below(starts.len() as u64)).unwrap();
        let host = starts.swap_remove(start) + numbers.id(10_000);
        ranges.push(IdRange::new(container, host, size));
        container += u32::try_from(size).unwrap() + numbers.id(3) * 100;
    }
    IdMap::new(ranges)
}

/// An ID inside that is likely to be at the end of a range, on either side.
fn near_an_edge(map: &IdMap, numbers: &mut Numbers) -> u32 {
    let ranges = map.ranges();
    let range = usize::try_from(numbers.below(ranges.len() as u64)).unwrap();
    let range = ranges[range];
    let size = u32::try_from(range.size).unwrap();
    let (container, host) = (range.container.get(), range.host.get());
    let edge = match numbers.below(6) {
        0 => container,
        1 => container + size,
        2 => host,
        3 => host + size,
        4 => OVERFLOW,
        _ => return container + numbers.id(range.size),
    };
    (edge + numbers.id(3)).saturating_sub(1)
}

/// What an archive records of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) owner: ContainerOwner,
    pub(super) mode: u32,
    pub(super) capability: Option<Vec<u8>>,
}

/// Reads what an archive records, by the names of files.
pub(super) fn said(tar: &[u8]) -> BTreeMap<String, Said> {
    let mut reader = Reader::new(tar);
    let mut said = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let header = entry.header();
        let name = String::from_utf8(header.name.clone()).unwrap();
        let id = |id: i64| u32::try_from(id).unwrap();
        let mut xattrs = header.xattrs();
        let capability = xattrs.find(|(name, _)| *name == b"security.capability");
        let one = Said {
            owner: ContainerOwner::new(id(header.uid), id(header.gid)),
            mode: id(header.mode) & 0o7777,
            capability: capability.map(|(_, value)| value.to_vec()),
        };
        said.insert(name.trim_start_matches("./").to_owned(), one);
    }
    said
}
