//! Owners between archive and disk.

use layerhold_idmap::{ContainerOwner, HostOwner, IdMappings};

/// The owner on disk of an owner in an archive; `None` if it has no mapping.
pub(crate) fn to_host(maps: &IdMappings, uid: u32, gid: u32) -> Option<(u32, u32)> {
    if maps.is_identity() {
        return Some((uid, gid));
    }
    let host = maps.to_host(ContainerOwner::new(uid, gid)).ok()?;
    Some((host.uid.get(), host.gid.get()))
}

/// The owner in an archive of an owner on disk; `None` if it has no mapping.
pub(crate) fn to_container(maps: &IdMappings, uid: u32, gid: u32) -> Option<(u32, u32)> {
    if maps.is_identity() {
        return Some((uid, gid));
    }
    let container = maps.to_container(HostOwner::new(uid, gid)).ok()?;
    Some((container.uid.get(), container.gid.get()))
}

/// The owner on disk that is root in the archive, where a mapping says so.
pub(crate) fn root_pair(maps: &IdMappings) -> Option<(u32, u32)> {
    if maps.is_identity() {
        return None;
    }
    let root = maps.root_pair().ok()?;
    Some((root.uid.get(), root.gid.get()))
}
