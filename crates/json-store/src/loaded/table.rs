//! A hash table of positions.

/// A hash table of positions. Keys and hashes are kept by the caller.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<u32>,
    shift: u32,
}

const FREE: u32 = u32::MAX;

/// Spreads the hash over its upper bits, which choose the slot.
const FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

impl Table {
    /// Makes room for so many positions; more must not be inserted.
    pub(crate) fn with_capacity(positions: usize) -> Self {
        let size = positions.saturating_mul(2).next_power_of_two().max(8);
        Self {
            slots: vec![FREE; size],
            shift: u64::BITS - size.trailing_zeros(),
        }
    }

    /// Finds the position whose key is meant, or makes it `position`.
    pub(crate) fn find_or_insert(
        &mut self,
        hash: u64,
        position: u32,
        mut is_meant: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let (mut at, mask) = self.start(hash);
        for _ in 0..self.slots.len() {
            let slot = self.slots.get_mut(at)?;
            if *slot == FREE {
                *slot = position;
                return None;
            }
            if is_meant(*slot) {
                return Some(*slot);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Like [`Self::find_or_insert`], but a position found is replaced.
    pub(crate) fn replace(
        &mut self,
        hash: u64,
        position: u32,
        mut is_meant: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let (mut at, mask) = self.start(hash);
        for _ in 0..self.slots.len() {
            let slot = self.slots.get_mut(at)?;
            let found = std::mem::replace(slot, position);
            if found == FREE {
                return None;
            }
            if is_meant(found) {
                return Some(found);
            }
            *slot = found;
            at = (at + 1) & mask;
        }
        None
    }

    /// Finds the position whose key is meant.
    pub(crate) fn find(&self, hash: u64, mut is_meant: impl FnMut(u32) -> bool) -> Option<u32> {
        let (mut at, mask) = self.start(hash);
        for _ in 0..self.slots.len() {
            match *self.slots.get(at)? {
                FREE => return None,
                position if is_meant(position) => return Some(position),
                _ => at = (at + 1) & mask,
            }
        }
        None
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mask takes the low bits anyway"
    )]
    fn start(&self, hash: u64) -> (usize, usize) {
        let mask = self.slots.len().wrapping_sub(1);
        let spread = hash
            .wrapping_mul(FACTOR)
            .checked_shr(self.shift)
            .unwrap_or(0);
        (spread as usize & mask, mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_table_holds_nothing() {
        assert_eq!(Table::default().find(7, |_| true), None);
        assert_eq!(Table::with_capacity(0).find(7, |_| true), None);
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(keys in prop::collection::vec(0..40_u64, 0..80), modulus in 1..50_u64) {
            let mut table = Table::with_capacity(keys.len());
            let mut latest = Table::with_capacity(keys.len());
            for (position, key) in keys.iter().enumerate() {
                let same = |other: u32| keys[other as usize] == *key;
                let first = keys.iter().position(|other| other == key).filter(|first| *first < position);
                let before = keys[..position].iter().rposition(|other| other == key);
                let found = table.find_or_insert(key % modulus, position as u32, same);
                prop_assert_eq!(found.map(|found| found as usize), first);
                let replaced = latest.replace(key % modulus, position as u32, same);
                prop_assert_eq!(replaced.map(|found| found as usize), before);
            }
            for key in 0..45 {
                let same = |other: u32| keys[other as usize] == key;
                let found = table.find(key % modulus, same).map(|found| found as usize);
                prop_assert_eq!(found, keys.iter().position(|other| *other == key));
                let found = latest.find(key % modulus, same).map(|found| found as usize);
                prop_assert_eq!(found, keys.iter().rposition(|other| *other == key));
            }
        }
    }
}
