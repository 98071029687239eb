//! A map for users and one for groups, applied to owners.

use crate::{ContainerId32, HostId, IdMap, UnmappedError};

/// The ID that stands for what a map lacks. The kernel's own value can be set in `/proc/sys/kernel/overflowuid`, but Go
/// reads that file with its line end and so always falls back to this one (Go: pkg/idtools/idtools.go, `getOverflowUID`).
pub const DEFAULT_OVERFLOW_ID: u32 = 65534;

/// The owner of a file as the filesystem holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HostOwner {
    /// The user.
    pub uid: HostId,
    /// The group.
    pub gid: HostId,
}

/// The owner of a file as seen inside a user namespace, or as a layer archive holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ContainerOwner {
    /// The user.
    pub uid: ContainerId32,
    /// The group.
    pub gid: ContainerId32,
}

impl HostOwner {
    /// Makes an owner of plain numbers.
    #[must_use]
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self {
            uid: HostId::new(uid),
            gid: HostId::new(gid),
        }
    }

    /// The owner that stands for what a map lacks.
    pub const OVERFLOW: Self = Self::new(DEFAULT_OVERFLOW_ID, DEFAULT_OVERFLOW_ID);
}

impl ContainerOwner {
    /// Makes an owner of plain numbers.
    #[must_use]
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self {
            uid: ContainerId32::new(uid),
            gid: ContainerId32::new(gid),
        }
    }
}

/// The maps of a layer, a container or a mount.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct IdMappings {
    /// The map of users.
    pub uids: IdMap,
    /// The map of groups.
    pub gids: IdMap,
}

impl IdMappings {
    /// The maps that change nothing.
    pub const IDENTITY: Self = Self {
        uids: IdMap::IDENTITY,
        gids: IdMap::IDENTITY,
    };

    /// Joins a map of users and one of groups.
    #[must_use]
    pub const fn new(uids: IdMap, gids: IdMap) -> Self {
        Self { uids, gids }
    }

    /// Tells whether neither map changes anything.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.uids.is_identity() && self.gids.is_identity()
    }

    /// Translates an owner from inside to outside.
    ///
    /// # Errors
    ///
    /// Fails for the user, else for the group, that has no counterpart.
    pub fn to_host(&self, owner: ContainerOwner) -> Result<HostOwner, UnmappedError> {
        Ok(HostOwner {
            uid: self.uids.to_host(owner.uid)?,
            gid: self.gids.to_host(owner.gid)?,
        })
    }

    /// Translates an owner from outside to inside.
    ///
    /// # Errors
    ///
    /// Fails for the user, else for the group, that has no counterpart.
    pub fn to_container(&self, owner: HostOwner) -> Result<ContainerOwner, UnmappedError> {
        Ok(ContainerOwner {
            uid: self.uids.to_container(owner.uid)?,
            gid: self.gids.to_container(owner.gid)?,
        })
    }

    /// Translates an owner from inside to outside, with `overflow` for what is not mapped.
    ///
    /// An ID whose number already is that of the mapped superuser stays as it is: Go takes it for translated
    /// (Go: pkg/idtools/idtools.go, `ToHostOverflow`).
    #[must_use]
    pub fn to_host_overflow(&self, owner: ContainerOwner, overflow: HostOwner) -> HostOwner {
        HostOwner {
            uid: to_host_overflow(&self.uids, owner.uid, overflow.uid),
            gid: to_host_overflow(&self.gids, owner.gid, overflow.gid),
        }
    }

    /// Returns the owner outside that stands for the superuser inside; see [`IdMap::root`].
    ///
    /// # Errors
    ///
    /// Fails if ID 0 is not mapped.
    pub fn root_pair(&self) -> Result<HostOwner, UnmappedError> {
        Ok(HostOwner {
            uid: self.uids.root()?,
            gid: self.gids.root()?,
        })
    }
}

fn to_host_overflow(map: &IdMap, id: ContainerId32, overflow: HostId) -> HostId {
    match map.root() {
        Ok(root) if root.get() == id.get() => root,
        _ => map.to_host(id).unwrap_or(overflow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdRange;

    fn mappings() -> IdMappings {
        let map = |host| IdMap::new(vec![IdRange::new(0, host, 10)]);
        IdMappings::new(map(1000), map(2000))
    }

    #[test]
    fn pairs() {
        assert_eq!(
            mappings().to_host(ContainerOwner::new(1, 2)),
            Ok(HostOwner::new(1001, 2002))
        );
        assert_eq!(
            mappings().to_container(HostOwner::new(1001, 2002)),
            Ok(ContainerOwner::new(1, 2))
        );
        assert_eq!(mappings().root_pair(), Ok(HostOwner::new(1000, 2000)));
        let uid = Err(UnmappedError::Container(ContainerId32::new(10)));
        assert_eq!(mappings().to_host(ContainerOwner::new(10, 11)), uid);
        let gid = Err(UnmappedError::Host(HostId::new(1)));
        assert_eq!(mappings().to_container(HostOwner::new(1001, 1)), gid);
        assert!(IdMappings::default().is_identity() && !mappings().is_identity());
    }

    #[test]
    fn overflow() {
        let over = |uid, gid| {
            mappings().to_host_overflow(ContainerOwner::new(uid, gid), HostOwner::OVERFLOW)
        };
        assert_eq!(over(1, 99), HostOwner::new(1001, 65534));
        assert_eq!(over(99, 1), HostOwner::new(65534, 2001));
        assert_eq!(over(1000, 1000), HostOwner::new(1000, 65534));
        let no_root = IdMappings::new(IdMap::new(vec![IdRange::new(5, 50, 2)]), IdMap::IDENTITY);
        assert_eq!(
            no_root.to_host_overflow(ContainerOwner::new(5, 5), HostOwner::new(7, 8)),
            HostOwner::new(50, 5)
        );
        assert_eq!(
            no_root.to_host_overflow(ContainerOwner::new(0, 0), HostOwner::new(7, 8)),
            HostOwner::new(7, 0)
        );
    }
}
