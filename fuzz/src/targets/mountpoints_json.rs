//! `mountpoints.json`: the invariants of every record file.

use layerhold_schema::MountPointRecord;

/// Checks one input.
pub fn run(data: &[u8]) {
    for mount in super::records::check::<MountPointRecord>(data) {
        drop(mount.layer_id());
    }
}
