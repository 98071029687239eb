//! Small archives over a small alphabet of paths, so that layers meet.

use std::io::Write;

use layerhold_archive::{Codec, compressor};
use layerhold_testkit::{TarBuilder, TarEntry};

use super::random::Random;

const PLACES: [&str; 6] = ["", "", "d/", "d/", "d/e/", "f/"];
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "ü"];

/// An archive, perhaps compressed, perhaps damaged.
pub(crate) fn archive(random: &mut Random) -> Vec<u8> {
    let entries = entries(random);
    let mut bytes = entries
        .into_iter()
        .fold(TarBuilder::new(), TarBuilder::entry)
        .finish();
    if random.chance(10) {
        bytes.extend_from_slice(&[0; 2048]);
    }
    match random.below(100) {
        0..12 => compress(Codec::Gzip, &bytes),
        12..18 => compress(Codec::Zstd, &bytes),
        18..20 => {
            bytes.truncate(bytes.len() / 2 + 100);
            bytes
        }
        20 => b"this is no archive\n".to_vec(),
        21 => Vec::new(),
        _ => bytes,
    }
}

fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut writer = compressor(codec, Vec::new()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn entries(random: &mut Random) -> Vec<TarEntry> {
    let mut entries: Vec<TarEntry> = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    let mut files: Vec<String> = Vec::new();
    if random.chance(20) {
        entries.push(attributes(random, TarEntry::dir("./")));
    }
    for _ in 0..random.below(9) {
        let path = format!("{}{}", random.pick(&PLACES), random.pick(&NAMES));
        if taken.contains(&path) && !random.chance(2) {
            continue;
        }
        taken.push(path.clone());
        let (place, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let beside = |name: &str| {
            if place.is_empty() {
                name.to_owned()
            } else {
                format!("{place}/{name}")
            }
        };
        let entry = match random.below(100) {
            0..12 => TarEntry::file(beside(&format!(".wh.{name}")), ""),
            12..15 => TarEntry::file(beside(".wh..wh..opq"), ""),
            15..35 => TarEntry::dir(&path),
            35..43 => TarEntry::symlink(&path, *random.pick(&["a", "../b", "/d/a", "nowhere"])),
            43..50 if !files.is_empty() => TarEntry::hard_link(&path, random.pick(&files)),
            50..52 => TarEntry::fifo(&path),
            52..54 => TarEntry::char_device(&path, 1, 3),
            _ => {
                files.push(path.clone());
                let length = *random.pick(&[0, 1, 10, 511, 512, 5000]);
                TarEntry::file(&path, random.text(length))
            }
        };
        entries.push(attributes(random, entry));
    }
    entries
}

fn attributes(random: &mut Random, entry: TarEntry) -> TarEntry {
    let mut entry = entry.mtime(1_000_000_000 + i64::try_from(random.below(1000)).unwrap());
    if random.chance(30) {
        entry = entry.mode(*random.pick(&[0o600, 0o755, 0o4755, 0o1777, 0o2750, 0o444]));
    }
    if random.chance(25) {
        entry = entry.owner(random.below(3) as u64, *random.pick(&[0, 5, 1000]));
    }
    if random.chance(6) {
        entry = entry.xattr("user.note", "value");
    }
    if random.chance(4) {
        entry = entry.mtime_nanos(1_000_000_001, 500_000_000);
    }
    entry
}
