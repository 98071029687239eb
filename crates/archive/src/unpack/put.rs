use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::entry_path::split;

/// Which paths the layer being unpacked has put into the tree so far.
///
/// An opaque whiteout removes everything else in its directory, wherever in the
/// archive it stands. Only hashes are kept, eight bytes a path, so that a layer
/// of a million files costs little; the hash is keyed at random, so that no
/// archive can aim at a collision (one would keep a file that should go).
#[derive(Debug, Default)]
pub(crate) struct PutPaths {
    keys: RandomState,
    hashes: HashSet<u64, BuildHasherDefault<AsIs>>,
}

impl PutPaths {
    pub(crate) fn insert(&mut self, path: &[u8]) {
        self.hashes.insert(self.keys.hash_one(path));
    }

    /// Adds a directory and everything above it.
    pub(crate) fn insert_with_parents(&mut self, path: &[u8]) {
        let mut path = path;
        while !path.is_empty() {
            self.insert(path);
            path = split(path).0;
        }
    }

    pub(crate) fn contains(&self, path: &[u8]) -> bool {
        self.hashes.contains(&self.keys.hash_one(path))
    }
}

/// The values are hashes already.
#[derive(Debug, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_included() {
        let mut put = PutPaths::default();
        put.insert_with_parents(b"a/b/c");
        put.insert(b"x");
        for path in [&b"a"[..], b"a/b", b"a/b/c", b"x"] {
            assert!(put.contains(path));
        }
        for path in [&b"b"[..], b"a/c", b"", b"x/y"] {
            assert!(!put.contains(path));
        }
    }
}
