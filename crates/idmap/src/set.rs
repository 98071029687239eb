//! Sets of IDs as sorted intervals.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use thiserror::Error;

use crate::{ContainerId32, HostId, Id, IdMap, IdRange};

/// One more than the greatest ID.
const END: u64 = 1 << 32;

/// There are too few free IDs. The message is Go's (Go: types/errors.go, `ErrNoAvailableIDs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not enough unused IDs in user namespace")]
#[non_exhaustive]
pub struct NotEnoughIds {
    /// Number of IDs asked for.
    pub wanted: u64,
    /// Number of free IDs.
    pub available: u64,
}

/// A set of IDs of one kind, kept as intervals (Go: idset.go).
///
/// Intervals of numbers, [`SubIdRange`](crate::SubIdRange)s and the two sides of an
/// [`IdMap`](crate::IdMap) become sets. However they come, in any order, overlapping or adjacent,
/// equal sets have equal intervals.
///
/// ```
/// use layerhold_idmap::{HostId, IdSet};
///
/// let free = IdSet::<HostId>::from_interval(0..100).subtract(&IdSet::from_interval(10..20));
/// assert_eq!(free.len(), 90);
/// assert_eq!(free.find_available(15)?.intervals(), [0..10, 20..25]);
/// # Ok::<(), layerhold_idmap::NotEnoughIds>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdSet<I> {
    /// Sorted, non-empty, neither overlapping nor adjacent.
    intervals: Vec<Range<u64>>,
    kind: PhantomData<I>,
}

impl<I: Id> IdSet<I> {
    /// Makes a set of an interval, without its end. IDs beyond the greatest one are left out.
    #[must_use]
    pub fn from_interval(interval: Range<u64>) -> Self {
        std::iter::once(interval).collect()
    }

    const fn from_sorted(intervals: Vec<Range<u64>>) -> Self {
        Self {
            intervals,
            kind: PhantomData,
        }
    }

    /// Returns the intervals: sorted, non-empty, not adjacent.
    #[must_use]
    pub fn intervals(&self) -> &[Range<u64>] {
        &self.intervals
    }

    /// Returns the number of IDs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.intervals
            .iter()
            .map(|interval| interval.end - interval.start)
            .sum()
    }

    /// Tells whether there are no IDs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// Tells whether an ID is in the set.
    #[must_use]
    pub fn contains(&self, id: I) -> bool {
        let id = u64::from(id.raw());
        self.intersects(&(id..id + 1))
    }

    /// Tells whether all IDs of the other set are in this one.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.subtract(self).is_empty()
    }

    /// Tells whether the sets have no ID in common.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        !other.intervals.iter().any(|other| self.intersects(other))
    }

    /// Returns the IDs in ascending order. There may be 2^32 of them:
    /// [`intervals`](Self::intervals) are few.
    pub fn ids(&self) -> impl Iterator<Item = I> {
        let numbers = self.intervals.iter().cloned().flatten();
        // Intervals end at 2^32 at the latest, so every number is an ID.
        numbers.filter_map(|number| u32::try_from(number).ok().map(I::from_raw))
    }

    /// Tells whether any ID of an interval is in the set.
    #[must_use]
    pub fn intersects(&self, interval: &Range<u64>) -> bool {
        let first = self
            .intervals
            .partition_point(|own| own.end <= interval.start);
        !interval.is_empty()
            && self
                .intervals
                .get(first)
                .is_some_and(|own| own.start < interval.end)
    }

    /// Adds an interval.
    pub fn insert(&mut self, interval: Range<u64>) {
        let (mut start, mut end) = (interval.start.min(END), interval.end.min(END));
        if start >= end {
            return;
        }
        let first = self.intervals.partition_point(|own| own.end < start);
        let last = self.intervals.partition_point(|own| own.start <= end);
        for touched in self.intervals.get(first..last).unwrap_or_default() {
            start = start.min(touched.start);
            end = end.max(touched.end);
        }
        self.intervals
            .splice(first..last, std::iter::once(start..end));
    }

    /// Removes an interval.
    pub fn remove(&mut self, interval: Range<u64>) {
        *self = self.subtract(&Self::from_interval(interval));
    }

    /// Returns the union of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.intervals
            .iter()
            .chain(&other.intervals)
            .cloned()
            .collect()
    }

    /// Returns the IDs of this set that are not in the other.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        let mut holes = other.intervals.iter().peekable();
        for own in &self.intervals {
            let mut start = own.start;
            while let Some(hole) = holes.peek().filter(|hole| hole.start < own.end) {
                if start < hole.start {
                    rest.push(start..hole.start);
                }
                start = start.max(hole.end);
                if hole.end > own.end {
                    // The gap may reach into the next interval.
                    break;
                }
                holes.next();
            }
            if start < own.end {
                rest.push(start..own.end);
            }
        }
        Self::from_sorted(rest)
    }

    /// Returns the intersection of both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.subtract(&self.subtract(other))
    }

    /// Returns the lowest interval of `wanted` consecutive IDs, as for a new line of `/etc/subuid`;
    /// `None` if all are shorter.
    #[must_use]
    pub fn find_consecutive(&self, wanted: u64) -> Option<Range<u64>> {
        let mut intervals = self.intervals.iter();
        let found = intervals.find(|own| own.end - own.start >= wanted)?;
        Some(found.start..found.start.saturating_add(wanted))
    }

    /// Returns the lowest `wanted` IDs.
    ///
    /// # Errors
    ///
    /// Fails if there are too few.
    pub fn find_available(&self, wanted: u64) -> Result<Self, NotEnoughIds> {
        let mut missing = wanted;
        let mut found = Vec::new();
        for own in &self.intervals {
            if missing == 0 {
                break;
            }
            let taken = missing.min(own.end - own.start);
            found.push(own.start..own.start + taken);
            missing -= taken;
        }
        if missing > 0 {
            Err(NotEnoughIds {
                wanted,
                available: wanted - missing,
            })
        } else {
            Ok(Self::from_sorted(found))
        }
    }
}

impl IdSet<HostId> {
    /// Maps the lowest ID of this set to the lowest of the other, and so on until one of them ends.
    #[must_use]
    pub fn zip(&self, container: &IdSet<ContainerId32>) -> IdMap {
        let (mut outside, mut inside) = (
            self.intervals.iter().cloned(),
            container.intervals.iter().cloned(),
        );
        let mut ranges = Vec::new();
        let (mut host, mut own) = (outside.next(), inside.next());
        while let (Some(h), Some(c)) = (&mut host, &mut own) {
            let size = (h.end - h.start).min(c.end - c.start);
            ranges.extend(range(c.start, h.start, size));
            h.start += size;
            c.start += size;
            if h.is_empty() {
                host = outside.next();
            }
            if c.is_empty() {
                own = inside.next();
            }
        }
        IdMap::new(ranges)
    }
}

/// Intervals are not empty and end at 2^32 at the latest, so both starts are IDs.
fn range(container: u64, host: u64, size: u64) -> Option<IdRange> {
    Some(IdRange::new(
        u32::try_from(container).ok()?,
        u32::try_from(host).ok()?,
        size,
    ))
}

impl<I: Id> FromIterator<Range<u64>> for IdSet<I> {
    fn from_iter<T: IntoIterator<Item = Range<u64>>>(intervals: T) -> Self {
        let mut set = Self::default();
        let mut sorted: Vec<_> = intervals.into_iter().collect();
        // In sorted order, each insertion is at the end.
        sorted.sort_by_key(|interval| interval.start);
        sorted.into_iter().for_each(|interval| set.insert(interval));
        set
    }
}

impl<I: Id> Extend<Range<u64>> for IdSet<I> {
    fn extend<T: IntoIterator<Item = Range<u64>>>(&mut self, intervals: T) {
        intervals
            .into_iter()
            .for_each(|interval| self.insert(interval));
    }
}

impl<I> Default for IdSet<I> {
    fn default() -> Self {
        Self {
            intervals: Vec::new(),
            kind: PhantomData,
        }
    }
}

impl<I> fmt::Debug for IdSet<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.intervals).finish()
    }
}

#[cfg(test)]
#[allow(
    clippy::single_range_in_vec_init,
    reason = "lists of intervals are what a set is made of"
)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Intervals<'a> = &'a [Range<u64>];

    fn set<I: Id>(intervals: Intervals<'_>) -> IdSet<I> {
        intervals.iter().cloned().collect()
    }

    #[test]
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "such intervals are empty in Go, and must be here"
    )]
    fn intervals_are_joined() {
        let cases: [(Intervals<'_>, Intervals<'_>); 8] = [
            (&[], &[]),
            (&[4..1, 7..7], &[]),
            (&[1..4, 3..6], &[1..6]),
            (&[1..4, 4..6], &[1..6]),
            (&[6..8, 1..4], &[1..4, 6..8]),
            (&[1..4, 3..8, 11..20], &[1..8, 11..20]),
            (&[1..4, 6..8, 11..20, 3..30], &[1..30]),
            (&[END - 1..u64::MAX, END..u64::MAX], &[END - 1..END]),
        ];
        for (given, expected) in cases {
            assert_eq!(set::<HostId>(given).intervals(), expected, "{given:?}");
        }
    }

    #[test]
    fn zipped() {
        let map = set::<HostId>(&[100..103, 200..210]).zip(&set(&[0..5, 8..9]));
        assert_eq!(map.to_string(), "0:100:3,3:200:2,8:202:1");
        assert_eq!(set::<HostId>(&[]).zip(&set(&[0..5])), IdMap::IDENTITY);
        let all = 0..END;
        assert_eq!(
            set::<HostId>(std::slice::from_ref(&all))
                .zip(&IdSet::from_interval(all))
                .to_string(),
            "0:0:4294967296"
        );
    }

    #[test]
    fn available() {
        let free = set::<HostId>(&[10..20, 30..40]);
        assert_eq!(free.find_available(0).map(|set| set.len()), Ok(0));
        assert_eq!(free.find_available(12), Ok(set(&[10..20, 30..32])));
        let error = free.find_available(21).unwrap_err();
        assert_eq!(
            error,
            NotEnoughIds {
                wanted: 21,
                available: 20
            }
        );
        assert_eq!(error.to_string(), "not enough unused IDs in user namespace");
    }

    fn any_set() -> impl Strategy<Value = (IdSet<HostId>, BTreeSet<u64>)> {
        prop::collection::vec((0..40u64, 0..8u64), 0..8).prop_map(|list| {
            let intervals = list.into_iter().map(|(start, size)| start..start + size);
            (intervals.clone().collect(), intervals.flatten().collect())
        })
    }

    fn elements(set: &IdSet<HostId>) -> BTreeSet<u64> {
        set.intervals().iter().cloned().flatten().collect()
    }

    fn is_normal(set: &IdSet<HostId>) -> bool {
        set.intervals().iter().all(|interval| !interval.is_empty())
            && set
                .intervals()
                .windows(2)
                .all(|pair| pair[0].end < pair[1].start)
    }

    proptest! {
        #[test]
        fn behaves_like_a_set((a, a_model) in any_set(), (b, b_model) in any_set(), id in 0..50u32) {
            for (result, model) in [
                (a.union(&b), &a_model | &b_model),
                (a.subtract(&b), &a_model - &b_model),
                (a.intersect(&b), &a_model & &b_model),
                (a.clone(), a_model.clone()),
            ] {
                prop_assert!(is_normal(&result), "{result:?}");
                prop_assert_eq!(elements(&result), model);
            }
            prop_assert_eq!(a.len(), a_model.len() as u64);
            prop_assert_eq!(a.contains(HostId::new(id)), a_model.contains(&u64::from(id)));
        }

        #[test]
        fn questions_are_those_of_a_set((a, a_model) in any_set(), (b, b_model) in any_set(), wanted in 1..10u64) {
            let ids: Vec<u64> = a.ids().map(|id| id.get().into()).collect();
            prop_assert_eq!(ids, a_model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(a.contains_all(&b), a_model.is_superset(&b_model));
            prop_assert_eq!(a.is_disjoint(&b), a_model.is_disjoint(&b_model));
            let mut rest = a.clone();
            b.intervals().iter().cloned().for_each(|interval| rest.remove(interval));
            prop_assert_eq!(&rest, &a.subtract(&b));
            rest.extend(b.intervals().iter().cloned());
            prop_assert_eq!(&rest, &a.union(&b));
            let is_run = |start: &u64| (*start..*start + wanted).all(|id| a_model.contains(&id));
            let lowest = a_model.iter().copied().find(is_run);
            prop_assert_eq!(a.find_consecutive(wanted), lowest.map(|start| start..start + wanted));
        }

        #[test]
        fn found_ids_are_the_lowest((a, model) in any_set(), wanted in 0..50u64) {
            let found = a.find_available(wanted).map(|found| elements(&found));
            let lowest: BTreeSet<_> = model.iter().copied().take(usize::try_from(wanted).unwrap()).collect();
            match found {
                Ok(found) => prop_assert_eq!(found, lowest),
                Err(error) => prop_assert_eq!(error, NotEnoughIds { wanted, available: model.len() as u64 }),
            }
        }

        #[test]
        fn zip_joins_in_order((a, host) in any_set(), (b, inside) in any_set()) {
            let map = a.zip(&b.intervals().iter().cloned().collect());
            let pairs = inside.iter().zip(&host);
            for (inside, host) in pairs.clone() {
                let inside = ContainerId32::new(u32::try_from(*inside).unwrap());
                prop_assert_eq!(map.to_host(inside).map(HostId::get).map(u64::from), Ok(*host));
            }
            let sizes: u64 = map.ranges().iter().map(|range| range.size).sum();
            prop_assert_eq!(sizes, pairs.count() as u64);
        }
    }
}
