//! An ID map: a list of ranges for users or for groups.

use std::fmt;

use thiserror::Error;

use crate::{ContainerId32, HostId, IdRange, IdSet, OverlapError, overlap};

/// An ID that is not mapped. The messages are Go's (Go: pkg/idtools/idtools.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnmappedError {
    /// An ID outside is not mapped.
    #[error("host ID {0} cannot be mapped to a container ID")]
    Host(HostId),
    /// An ID inside is not mapped.
    #[error("container ID {0} cannot be mapped to a host ID")]
    Container(ContainerId32),
}

/// The ID shown in place of unmapped ones. The kernel's value is set in
/// `/proc/sys/kernel/overflowuid`, but Go reads that file with its line end, and so always falls
/// back to this one (Go: pkg/idtools/idtools.go, `getOverflowUID`).
pub const DEFAULT_OVERFLOW_ID: u32 = 65534;

/// A map between the IDs inside and outside of a user namespace; without ranges, the identity.
///
/// The first of overlapping ranges counts. Overlaps are accepted because stored records may have
/// them; [`Self::check_overlaps`] refuses them for new containers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct IdMap {
    ranges: Vec<IdRange>,
}

impl IdMap {
    /// The map that changes nothing.
    pub const IDENTITY: Self = Self { ranges: Vec::new() };

    /// Makes a map of these ranges, in this order.
    #[must_use]
    pub const fn new(ranges: Vec<IdRange>) -> Self {
        Self { ranges }
    }

    /// Returns the ranges, in order.
    #[must_use]
    pub fn ranges(&self) -> &[IdRange] {
        &self.ranges
    }

    /// Returns the ranges, consuming the map.
    #[must_use]
    pub fn into_ranges(self) -> Vec<IdRange> {
        self.ranges
    }

    /// Tells whether the map has no ranges and so changes no ID.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Translates an ID from inside to outside.
    ///
    /// # Errors
    ///
    /// Fails if there are ranges and none contains the ID.
    pub fn to_host(&self, id: ContainerId32) -> Result<HostId, UnmappedError> {
        if self.is_identity() {
            return Ok(HostId::new(id.get()));
        }
        self.ranges
            .iter()
            .find_map(|range| range.to_host(id))
            .ok_or(UnmappedError::Container(id))
    }

    /// Translates an ID from outside to inside.
    ///
    /// # Errors
    ///
    /// Fails if there are ranges and none contains the ID.
    pub fn to_container(&self, id: HostId) -> Result<ContainerId32, UnmappedError> {
        if self.is_identity() {
            return Ok(ContainerId32::new(id.get()));
        }
        self.ranges
            .iter()
            .find_map(|range| range.to_container(id))
            .ok_or(UnmappedError::Host(id))
    }

    /// Translates an ID from inside to outside; unmapped ones become [`overflow`](Self::overflow).
    #[must_use]
    pub fn to_host_or_overflow(&self, id: ContainerId32) -> HostId {
        self.to_host(id).unwrap_or_else(|_| self.overflow())
    }

    /// Translates an ID from outside to inside, as the kernel shows it there: 65534 if it is not
    /// mapped.
    #[must_use]
    pub fn to_container_or_overflow(&self, id: HostId) -> ContainerId32 {
        self.to_container(id)
            .unwrap_or(ContainerId32::new(DEFAULT_OVERFLOW_ID))
    }

    /// Returns the ID outside for unmapped IDs inside. It shows as 65534 inside.
    ///
    /// As in Go, that is 65534 outside too, unless the map gives this ID to another ID inside,
    /// which would then own foreign files. In that case it is an ID outside the map, which the
    /// kernel shows as 65534.
    #[must_use]
    pub fn overflow(&self) -> HostId {
        let is_free = |id: HostId| {
            self.to_container_or_overflow(id) == ContainerId32::new(DEFAULT_OVERFLOW_ID)
        };
        let usual = HostId::new(DEFAULT_OVERFLOW_ID);
        if is_free(usual) {
            return usual;
        }
        // If ranges do not cover all IDs, some range ends beside an ID of no range.
        let beside = self.ranges.iter().flat_map(|range| {
            let span = range.host_span();
            [Some(span.end), span.start.checked_sub(1)]
        });
        beside
            .flatten()
            .filter_map(|id| u32::try_from(id).ok())
            // For the kernel, the largest number means "leave alone".
            .filter(|id| *id != u32::MAX)
            .map(HostId::new)
            .find(|id| is_free(*id))
            .unwrap_or(usual)
    }

    /// Returns the ID outside of the root user inside.
    ///
    /// A map of a single ID gives that ID, whatever it is inside (Go: pkg/idtools/idtools.go,
    /// `GetRootUIDGID`).
    ///
    /// # Errors
    ///
    /// Fails if ID 0 is not mapped.
    pub fn root(&self) -> Result<HostId, UnmappedError> {
        match self.ranges.as_slice() {
            [IdRange { host, size: 1, .. }] => Ok(*host),
            _ => self.to_host(ContainerId32::ROOT),
        }
    }

    /// Tells whether the ranges are contiguous on both sides, each side sorted by itself.
    ///
    /// Fewer than two ranges always are (Go: pkg/idtools/idtools.go, `IsContiguous`).
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        let gapless = |span: fn(IdRange) -> std::ops::Range<u64>| {
            let mut spans: Vec<_> = self.ranges.iter().map(|range| span(*range)).collect();
            spans.sort_by_key(|span| span.start);
            spans
                .windows(2)
                .all(|pair| matches!(pair, [left, right] if left.end == right.start))
        };
        gapless(IdRange::host_span) && gapless(IdRange::container_span)
    }

    /// Refuses ranges that share an ID on either side.
    ///
    /// # Errors
    ///
    /// Returns every range that overlaps an earlier one.
    pub fn check_overlaps(&self) -> Result<(), OverlapError> {
        overlap::check(&self.ranges)
    }

    /// Returns all IDs outside.
    #[must_use]
    pub fn host_ids(&self) -> IdSet<HostId> {
        self.ranges.iter().map(|range| range.host_span()).collect()
    }

    /// Returns all IDs inside.
    #[must_use]
    pub fn container_ids(&self) -> IdSet<ContainerId32> {
        self.ranges
            .iter()
            .map(|range| range.container_span())
            .collect()
    }

    /// Appends ranges.
    pub fn extend(&mut self, ranges: impl IntoIterator<Item = IdRange>) {
        self.ranges.extend(ranges);
    }
}

impl FromIterator<IdRange> for IdMap {
    fn from_iter<I: IntoIterator<Item = IdRange>>(ranges: I) -> Self {
        Self::new(ranges.into_iter().collect())
    }
}

impl IntoIterator for IdMap {
    type Item = IdRange;
    type IntoIter = std::vec::IntoIter<IdRange>;

    fn into_iter(self) -> Self::IntoIter {
        self.ranges.into_iter()
    }
}

impl<'a> IntoIterator for &'a IdMap {
    type Item = &'a IdRange;
    type IntoIter = std::slice::Iter<'a, IdRange>;

    fn into_iter(self) -> Self::IntoIter {
        self.ranges.iter()
    }
}

/// Writes the ranges as map strings, separated by commas.
impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, range) in self.ranges.iter().enumerate() {
            let separator = if position == 0 { "" } else { "," };
            write!(f, "{separator}{range}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Ranges<'a> = &'a [(u32, u32, u64)];

    fn map(ranges: Ranges<'_>) -> IdMap {
        ranges
            .iter()
            .map(|&(container, host, size)| IdRange::new(container, host, size))
            .collect()
    }

    #[test]
    fn identity() {
        let identity = IdMap::default();
        assert_eq!(identity.to_host(ContainerId32::new(7)), Ok(HostId::new(7)));
        assert_eq!(
            identity.to_container(HostId::new(7)),
            Ok(ContainerId32::new(7))
        );
        assert_eq!(identity.root(), Ok(HostId::ROOT));
        assert_eq!(identity, IdMap::IDENTITY);
    }

    #[test]
    fn outside_is_an_error() {
        let map = map(&[(0, 1000, 10)]);
        let error = map.to_host(ContainerId32::new(10)).unwrap_err();
        assert_eq!(error, UnmappedError::Container(ContainerId32::new(10)));
        assert_eq!(
            error.to_string(),
            "container ID 10 cannot be mapped to a host ID"
        );
        let error = map.to_container(HostId::new(999)).unwrap_err();
        assert_eq!(error, UnmappedError::Host(HostId::new(999)));
        assert_eq!(
            error.to_string(),
            "host ID 999 cannot be mapped to a container ID"
        );
    }

    #[test]
    fn the_first_range_counts() {
        let map = map(&[(0, 100, 10), (5, 200, 10)]);
        assert_eq!(map.to_host(ContainerId32::new(5)), Ok(HostId::new(105)));
        assert_eq!(map.to_host(ContainerId32::new(12)), Ok(HostId::new(207)));
    }

    #[test]
    fn root() {
        assert_eq!(map(&[(7, 1000, 1)]).root(), Ok(HostId::new(1000)));
        assert_eq!(map(&[(0, 1000, 2)]).root(), Ok(HostId::new(1000)));
        assert_eq!(map(&[(1, 1, 5), (0, 9, 1)]).root(), Ok(HostId::new(9)));
        assert_eq!(
            map(&[(7, 1000, 2)]).root(),
            Err(UnmappedError::Container(ContainerId32::ROOT))
        );
    }

    #[test]
    fn what_is_not_mapped_belongs_to_nobody_inside() {
        let cases: [(Ranges<'_>, u32); 7] = [
            (&[], 65534),
            (&[(0, 100_000, 1000)], 65534),
            // Inside it is 65534 too.
            (&[(0, 0, 65536)], 65534),
            (&[(0, 65_000, 1000)], 66_000),
            (&[(0, 65_000, 1000), (1000, 64_990, 10)], 66_000),
            (&[(0, 65_000, 1000), (1000, 66_000, 5)], 64_999),
            (&[(0, 5, u64::from(u32::MAX) - 5)], 4),
        ];
        for (ranges, expected) in cases {
            let map = map(ranges);
            assert_eq!(map.overflow(), HostId::new(expected), "{ranges:?}");
            let seen = map.to_container_or_overflow(map.overflow());
            assert_eq!(seen, ContainerId32::new(65534), "{ranges:?}");
        }
    }

    #[test]
    fn contiguous() {
        let cases: [(Ranges<'_>, bool); 8] = [
            (&[], true),
            (&[(5, 9, 3)], true),
            (&[(0, 0, 10), (10, 10, 5)], true),
            (&[(10, 10, 5), (0, 0, 10)], true),
            (&[(0, 10, 10), (10, 0, 10)], true),
            (&[(0, 0, 10), (11, 10, 5)], false),
            (&[(0, 0, 10), (10, 11, 5)], false),
            (&[(0, 0, u64::MAX), (u32::MAX, 1, 1)], false),
        ];
        for (ranges, expected) in cases {
            assert_eq!(map(ranges).is_contiguous(), expected, "{ranges:?}");
        }
    }

    #[test]
    fn shown_as_map_strings() {
        assert_eq!(map(&[(0, 1, 2), (3, 4, 5)]).to_string(), "0:1:2,3:4:5");
        assert_eq!(IdMap::IDENTITY.to_string(), "");
    }

    proptest! {
        #[test]
        fn there_and_back(sizes in prop::collection::vec(0..1000u64, 1..6), base in any::<u32>(), id in 0..6000u32) {
            let mut next = 0;
            let map: IdMap = sizes.iter().map(|&size| {
                let start = next;
                next += u32::try_from(size).unwrap();
                IdRange::new(start, base.wrapping_add(start * 2), size)
            }).collect();
            // If the host side wraps around, ranges may overlap, and there is no unique way back.
            prop_assume!(map.check_overlaps().is_ok());
            if let Ok(host) = map.to_host(ContainerId32::new(id)) {
                prop_assert_eq!(map.to_container(host), Ok(ContainerId32::new(id)));
                prop_assert!(map.host_ids().contains(host));
            } else {
                prop_assert!(map.host_ids().len() != map.container_ids().len() || !map.container_ids().contains(ContainerId32::new(id)));
            }
        }

        #[test]
        fn no_numbers_panic(ranges in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u64>()), 0..5), id: u32) {
            let map = map(&ranges);
            let _results = (map.to_host(ContainerId32::new(id)), map.to_container(HostId::new(id)), map.root());
            let _overflows = (map.overflow(), map.to_host_or_overflow(ContainerId32::new(id)));
            let _checks = (map.is_contiguous(), map.check_overlaps(), map.host_ids(), map.container_ids());
        }
    }
}
