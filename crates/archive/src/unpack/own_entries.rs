//! Tells a layer's own entries from those of its lower layers in one tree.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// The entries that this layer created.
///
/// A whiteout deletes entries of lower layers only, wherever in the archive it stands, so the
/// layer's own entries have to be known. An entry is identified by the inode of its directory and
/// its name: links may give it several paths. Only hashes are kept, eight bytes an entry, so a
/// layer of a million files costs little. The hash has a random key, so an archive cannot provoke a
/// collision, which would keep a file that should be deleted.
#[derive(Debug, Default)]
pub(crate) struct OwnEntries {
    keys: RandomState,
    places: HashSet<u64, BuildHasherDefault<AsIs>>,
    /// Inodes of directories that the layer has an entry for.
    described: HashSet<u64>,
}

impl OwnEntries {
    pub(crate) fn insert(&mut self, directory: u64, name: &[u8]) {
        self.places.insert(self.keys.hash_one((directory, name)));
    }

    pub(crate) fn contains(&self, directory: u64, name: &[u8]) -> bool {
        self.places.contains(&self.keys.hash_one((directory, name)))
    }

    /// Notes that the layer has an entry for a directory; returns whether it is the first.
    pub(crate) fn note_described(&mut self, inode: u64) -> bool {
        self.described.insert(inode)
    }

    pub(crate) fn is_described(&self, inode: u64) -> bool {
        self.described.contains(&inode)
    }
}

/// Passes values through, because they are hashes already.
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
        let mut own = OwnEntries::default();
        own.insert(7, b"a");
        assert!(own.contains(7, b"a"));
        for (directory, name) in [(8, &b"a"[..]), (7, b"b"), (7, b"")] {
            assert!(!own.contains(directory, name));
        }
    }

    #[test]
    fn the_first_entry_of_a_directory_is_known() {
        let mut own = OwnEntries::default();
        assert!(!own.is_described(7));
        assert!(own.note_described(7) && own.is_described(7));
        assert!(!own.note_described(7));
    }
}
