//! Finds ranges that overlap.

use std::fmt;

use thiserror::Error;

use crate::{ContainerId32, HostId, IdRange, IdSet};

/// Ranges of a map overlap on either side. The message is Go's (Go: idset.go,
/// `hasOverlappingRanges`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct OverlapError {
    /// The ranges that overlap an earlier one, in order.
    pub conflicts: Vec<IdRange>,
}

impl fmt::Display for OverlapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self
            .conflicts
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let (noun, verb) = if self.conflicts.len() == 1 {
            ("mapping", "conflicts")
        } else {
            ("mappings", "conflict")
        };
        write!(
            f,
            "the specified UID and/or GID {noun} {list} {verb} with other mappings: invalid mappings specified"
        )
    }
}

pub(crate) fn check(ranges: &[IdRange]) -> Result<(), OverlapError> {
    let mut inside = IdSet::<ContainerId32>::default();
    let mut outside = IdSet::<HostId>::default();
    let mut conflicts = Vec::new();
    for range in ranges {
        if inside.intersects(&range.container_span()) || outside.intersects(&range.host_span()) {
            conflicts.push(*range);
        }
        inside.insert(range.container_span());
        outside.insert(range.host_span());
    }
    if conflicts.is_empty() {
        Ok(())
    } else {
        Err(OverlapError { conflicts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        let range = IdRange::new;
        let cases = [
            (vec![], vec![]),
            (vec![range(0, 0, 10), range(10, 10, 10)], vec![]),
            (
                vec![range(0, 0, 10), range(5, 50, 10)],
                vec![range(5, 50, 10)],
            ),
            (
                vec![range(0, 0, 10), range(50, 9, 1)],
                vec![range(50, 9, 1)],
            ),
            (
                vec![range(0, 0, 10), range(5, 5, 10), range(0, 99, 1)],
                vec![range(5, 5, 10), range(0, 99, 1)],
            ),
            (vec![range(0, 0, 10), range(5, 50, 0)], vec![]),
            (vec![range(0, 0, 1), range(0, 0, 1)], vec![range(0, 0, 1)]),
        ];
        for (ranges, conflicts) in cases {
            let expected = if conflicts.is_empty() {
                Ok(())
            } else {
                Err(OverlapError { conflicts })
            };
            assert_eq!(check(&ranges), expected, "{ranges:?}");
        }
    }

    #[test]
    fn words() {
        let one = OverlapError {
            conflicts: vec![IdRange::new(5, 50, 10)],
        };
        assert_eq!(
            one.to_string(),
            "the specified UID and/or GID mapping 5:50:10 conflicts with other mappings: invalid mappings specified"
        );
        let two = OverlapError {
            conflicts: vec![IdRange::new(5, 50, 10), IdRange::new(1, 2, 3)],
        };
        assert_eq!(
            two.to_string(),
            "the specified UID and/or GID mappings 5:50:10, 1:2:3 conflict with other mappings: invalid mappings specified"
        );
    }
}
