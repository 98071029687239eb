//! Chooses the ID map of a container with an automatic user namespace.

use crate::{ContainerId32, HostId, IdMap, IdSet, NotEnoughIds};

/// Chooses the map of users, or of groups, for a new user namespace of `size` IDs.
///
/// The lowest IDs that are `available` and not used by other containers are mapped to the IDs from
/// 0 on inside. The `additional` ranges are excluded on both sides and appended (Go: userns.go,
/// `getAutoUserNSIDMappings`).
///
/// ```
/// use layerhold_idmap::{IdMap, IdRange, IdSet, auto_map};
///
/// let additional = IdMap::new(vec![IdRange::new(2, 1000, 1)]);
/// let map = auto_map(5, &IdSet::from_interval(100..200), &IdSet::from_interval(100..110), &additional)?;
/// assert_eq!(map.to_string(), "0:110:2,3:112:2,2:1000:1");
/// # Ok::<(), layerhold_idmap::NotEnoughIds>(())
/// ```
///
/// # Errors
///
/// Fails if there are too few free IDs.
pub fn auto_map(
    size: u64,
    available: &IdSet<HostId>,
    used: &IdSet<HostId>,
    additional: &IdMap,
) -> Result<IdMap, NotEnoughIds> {
    let wanted =
        IdSet::<ContainerId32>::from_interval(0..size).subtract(&additional.container_ids());
    let free = available.subtract(&used.union(&additional.host_ids()));
    let mut map = free.find_available(wanted.len())?.zip(&wanted);
    map.extend(additional.ranges().iter().copied());
    Ok(map)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::IdRange;

    type Numbers = BTreeSet<u32>;

    fn set<I: crate::Id>(numbers: &Numbers) -> IdSet<I> {
        let single = |number: &u32| u64::from(*number)..u64::from(*number) + 1;
        numbers.iter().map(single).collect()
    }

    /// One ID after the other: the lowest free ID outside for each inside.
    fn naive(
        size: u32,
        available: &Numbers,
        used: &Numbers,
        additional: &[(u32, u32)],
    ) -> Option<BTreeSet<(u32, u32)>> {
        let mut map: BTreeSet<_> = additional.iter().copied().collect();
        for inside in (0..size).filter(|id| additional.iter().all(|pair| pair.0 != *id)) {
            let is_free =
                |host: &&u32| !used.contains(host) && map.iter().all(|pair| pair.1 != **host);
            let host = *available.iter().find(is_free)?;
            map.insert((inside, host));
        }
        Some(map)
    }

    fn numbers() -> impl Strategy<Value = Numbers> {
        prop::collection::btree_set(0..40u32, 0..30)
    }

    /// Pairs of IDs inside and outside, without repetition.
    fn pairs() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let both = (prop::collection::btree_set(0..20u32, 0..4), numbers());
        both.prop_map(|(inside, outside)| inside.into_iter().zip(outside).collect())
    }

    proptest! {
        #[test]
        fn agrees_with_one_id_after_the_other(size in 0..20u32, available in numbers(), used in numbers(), additional in pairs()) {
            let ranges = additional.iter().map(|&(inside, host)| IdRange::new(inside, host, 1));
            let map = auto_map(u64::from(size), &set(&available), &set(&used), &ranges.collect());
            match (map, naive(size, &available, &used, &additional)) {
                (Ok(map), Some(expected)) => {
                    prop_assert_eq!(map.check_overlaps(), Ok(()));
                    let single = |range: &IdRange| {
                        let (inside, host) = (range.container.get(), range.host.get());
                        (0..u32::try_from(range.size).unwrap()).map(move |n| (inside + n, host + n))
                    };
                    let pairs: BTreeSet<_> = map.ranges().iter().flat_map(single).collect();
                    prop_assert_eq!(pairs, expected);
                }
                (Err(error), None) => prop_assert!(error.available < error.wanted),
                (map, expected) => prop_assert!(false, "{map:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn additional_ids_outside_are_not_given_twice() {
        let additional = IdMap::new(vec![IdRange::new(50, 100, 2)]);
        let map = auto_map(
            3,
            &IdSet::from_interval(100..200),
            &IdSet::default(),
            &additional,
        );
        assert_eq!(
            map.map(|map| map.to_string()),
            Ok("0:102:3,50:100:2".to_owned())
        );
    }

    #[test]
    fn too_few() {
        let used = IdSet::from_interval(0..95);
        let error = auto_map(10, &IdSet::from_interval(0..100), &used, &IdMap::IDENTITY);
        assert_eq!(
            error,
            Err(NotEnoughIds {
                wanted: 10,
                available: 5
            })
        );
    }
}
