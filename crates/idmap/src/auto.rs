//! The map of a container whose user namespace is chosen automatically.

use crate::{ContainerId32, HostId, IdMap, IdSet, NotEnoughIds};

/// Chooses the map of users, or of groups, of a new user namespace of `size` IDs.
///
/// The lowest IDs that are `available` and not in use by other containers are joined to the IDs from 0 on inside. The
/// ranges of `additional` are kept apart on both sides and put behind (Go: userns.go, `getAutoUserNSIDMappings`).
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
/// Fails if fewer IDs are free than are needed.
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
    use super::*;
    use crate::IdRange;

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
