//! Maps owners between archive and disk, including those in file capabilities.

use layerhold_idmap::{
    ContainerId32, ContainerOwner, HostId, HostOwner, IdMappings, capability_for,
};

/// The attribute with a program's capabilities. It may name the user namespace root that they are
/// for.
pub(crate) const CAPABILITY: &[u8] = b"security.capability";

/// The owner on disk for one in an archive; `None` if it has no mapping.
pub(crate) fn to_host(maps: &IdMappings, uid: u32, gid: u32) -> Option<(u32, u32)> {
    if maps.is_identity() {
        return Some((uid, gid));
    }
    let host = maps.to_host(ContainerOwner::new(uid, gid)).ok()?;
    Some((host.uid.get(), host.gid.get()))
}

/// The owner in an archive for one on disk; `None` if it has no mapping.
pub(crate) fn to_container(maps: &IdMappings, uid: u32, gid: u32) -> Option<(u32, u32)> {
    if maps.is_identity() {
        return Some((uid, gid));
    }
    let container = maps.to_container(HostOwner::new(uid, gid)).ok()?;
    Some((container.uid.get(), container.gid.get()))
}

/// The owner in an archive for one on disk, as the kernel shows it in the container.
pub(crate) fn seen_inside(maps: &IdMappings, uid: u32, gid: u32) -> (u32, u32) {
    let seen = maps.to_container_or_overflow(HostOwner::new(uid, gid));
    (seen.uid.get(), seen.gid.get())
}

/// A file capability for the disk.
pub(crate) fn capability_to_host(maps: &IdMappings, value: &[u8]) -> Option<Vec<u8>> {
    if maps.uids.is_identity() {
        return None;
    }
    let to_host = |id| maps.uids.to_host(ContainerId32::new(id)).ok();
    capability_for(value, |id| Some(to_host(id)?.get()))
}

/// A file capability for the archive.
pub(crate) fn capability_to_container(maps: &IdMappings, value: &[u8]) -> Option<Vec<u8>> {
    if maps.uids.is_identity() {
        return None;
    }
    let to_container = |id| maps.uids.to_container(HostId::new(id)).ok();
    capability_for(value, |id| Some(to_container(id)?.get()))
}

/// The owner on disk that is root in the archive, if it has a mapping.
pub(crate) fn root_pair(maps: &IdMappings) -> Option<(u32, u32)> {
    if maps.is_identity() {
        return None;
    }
    let root = maps.root_pair().ok()?;
    Some((root.uid.get(), root.gid.get()))
}
