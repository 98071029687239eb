/// A run of stored bytes of a sparse file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its offset in the expanded file, in bytes.
    pub offset: u64,
    /// Its length in bytes, never 0.
    pub length: u64,
}

/// The stored parts of a sparse file; everything else reads as zeros.
///
/// The regions are in order, do not overlap, are within the file and add up to
/// [`Header::stored_size`](crate::Header::stored_size).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SparseMap {
    regions: Vec<Region>,
}

impl SparseMap {
    /// The stored regions in ascending order.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Checks pairs of offset and length as Go does (archive/tar/common.go,
    /// `validateSparseEntries`), and that they cover every stored byte.
    pub(crate) fn checked(pairs: &[(i64, i64)], size: i64, stored: u64) -> Option<Self> {
        let size = u64::try_from(size).ok()?;
        let mut regions = Vec::with_capacity(pairs.len());
        let (mut previous_end, mut total) = (0u64, 0u64);
        for &(offset, length) in pairs {
            let (offset, length) = (u64::try_from(offset).ok()?, u64::try_from(length).ok()?);
            let end = offset + length;
            if end > size || previous_end > offset {
                return None;
            }
            previous_end = end;
            total += length;
            if length > 0 {
                regions.push(Region { offset, length });
            }
        }
        // Go finds that out only while reading (errMissData, errUnrefData), and not at all if the
        // expanded file is empty. There would be nothing useful to unpack.
        (total == stored).then_some(Self { regions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(i64, i64)], size: i64, stored: u64, valid: bool) {
        assert_eq!(
            SparseMap::checked(pairs, size, stored).is_some(),
            valid,
            "{pairs:?} {size}"
        );
    }

    #[test]
    fn maps_must_be_ordered_and_complete() {
        check(&[], 0, 0, true);
        check(&[], 100, 0, true);
        check(&[], 100, 1, false);
        check(&[(0, 5), (10, 5)], 20, 10, true);
        check(&[(0, 5), (10, 5), (20, 0)], 20, 10, true);
        check(&[(0, 5), (4, 5)], 20, 10, false);
        check(&[(10, 5), (0, 5)], 20, 10, false);
        check(&[(-1, 5)], 20, 5, false);
        check(&[(1, -5)], 20, 5, false);
        check(&[(i64::MAX, i64::MAX)], i64::MAX, 5, false);
        check(&[(10, 15)], 20, 15, false);
        check(&[(0, 5)], -1, 5, false);
    }
}
