//! What the layer being unpacked has put into a tree that held something before.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// What tells layers apart in one tree.
///
/// Whiteouts delete what layers below have, wherever in the archive they stand, so it must be known
/// what is of this layer. A place is named by the inode of its directory and its name in there: two
/// paths may lead to one place by way of links. Only hashes are kept, eight bytes a place, so that
/// a layer of a million files costs little; the hash is keyed at random, so that no archive can aim
/// at a collision (one would keep a file that should go).
#[derive(Debug, Default)]
pub(crate) struct Own {
    keys: RandomState,
    places: HashSet<u64, BuildHasherDefault<AsIs>>,
    /// Inodes of directories for which the layer has an entry.
    stated: HashSet<u64>,
}

impl Own {
    pub(crate) fn insert(&mut self, directory: u64, name: &[u8]) {
        self.places.insert(self.keys.hash_one((directory, name)));
    }

    pub(crate) fn contains(&self, directory: u64, name: &[u8]) -> bool {
        self.places.contains(&self.keys.hash_one((directory, name)))
    }

    /// Notes that the layer has an entry for a directory; tells whether it is the first.
    pub(crate) fn state(&mut self, inode: u64) -> bool {
        self.stated.insert(inode)
    }

    pub(crate) fn is_stated(&self, inode: u64) -> bool {
        self.stated.contains(&inode)
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
    fn places_are_told_apart_by_directory_and_name() {
        let mut own = Own::default();
        own.insert(7, b"a");
        assert!(own.contains(7, b"a"));
        for (directory, name) in [(8, &b"a"[..]), (7, b"b"), (7, b"")] {
            assert!(!own.contains(directory, name));
        }
    }

    #[test]
    fn the_first_entry_of_a_directory_is_known() {
        let mut own = Own::default();
        assert!(!own.is_stated(7));
        assert!(own.state(7) && own.is_stated(7));
        assert!(!own.state(7));
    }
}
