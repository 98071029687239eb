//! Maps the owners of files: a map for users and one for groups.

use crate::{ContainerId32, HostId, IdMap, UnmappedError};

/// The owner of a file on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HostOwner {
    /// The user.
    pub uid: HostId,
    /// The group.
    pub gid: HostId,
}

/// The owner of a file inside a user namespace, or in a layer archive.
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

    /// Combines a map of users and one of groups.
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
    /// Fails if the user is not mapped, then if the group is not.
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
    /// Fails if the user is not mapped, then if the group is not.
    pub fn to_container(&self, owner: HostOwner) -> Result<ContainerOwner, UnmappedError> {
        Ok(ContainerOwner {
            uid: self.uids.to_container(owner.uid)?,
            gid: self.gids.to_container(owner.gid)?,
        })
    }

    /// Translates an owner from inside to outside; unmapped IDs become [`IdMap::overflow`].
    ///
    /// Go does not map an ID that equals the number of the mapped root outside, and so makes root
    /// inside the owner of another user's files (Go: pkg/idtools/idtools.go, `ToHostOverflow`).
    /// Here every ID is mapped.
    #[must_use]
    pub fn to_host_or_overflow(&self, owner: ContainerOwner) -> HostOwner {
        HostOwner {
            uid: self.uids.to_host_or_overflow(owner.uid),
            gid: self.gids.to_host_or_overflow(owner.gid),
        }
    }

    /// Translates an owner from outside to inside, as the kernel shows it there: unmapped IDs
    /// become 65534.
    #[must_use]
    pub fn to_container_or_overflow(&self, owner: HostOwner) -> ContainerOwner {
        ContainerOwner {
            uid: self.uids.to_container_or_overflow(owner.uid),
            gid: self.gids.to_container_or_overflow(owner.gid),
        }
    }

    /// Returns the owner outside of root inside; see [`IdMap::root`].
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
        let over = |uid, gid| mappings().to_host_or_overflow(ContainerOwner::new(uid, gid));
        assert_eq!(over(1, 99), HostOwner::new(1001, 65534));
        assert_eq!(over(99, 1), HostOwner::new(65534, 2001));
        // The number of the mapped root outside is an ordinary ID inside.
        assert_eq!(over(1000, 2000), HostOwner::new(65534, 65534));
        let no_root = IdMappings::new(IdMap::new(vec![IdRange::new(5, 50, 2)]), IdMap::IDENTITY);
        let over = |uid, gid| no_root.to_host_or_overflow(ContainerOwner::new(uid, gid));
        assert_eq!(over(5, 5), HostOwner::new(50, 5));
        assert_eq!(over(0, 0), HostOwner::new(65534, 0));
        let inside = |uid, gid| no_root.to_container_or_overflow(HostOwner::new(uid, gid));
        assert_eq!(inside(51, 51), ContainerOwner::new(6, 51));
        assert_eq!(inside(5, 5), ContainerOwner::new(65534, 5));
    }
}
