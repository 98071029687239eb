//! Owners, devices and attributes that only root may set.

use layerhold_sys::{
    Dir, FileType, NodeKind, make_device, set_file_mode, set_file_owner, split_device, xattr,
};
use layerhold_testkit::{require_root, scratch};

#[test]
fn root_owners_are_set_without_following() {
    let Some(()) = require_root() else { return };
    let place = scratch();
    let dir = Dir::open_ambient(place.path()).unwrap();
    let file = dir.create_file("f", 0o600).unwrap();
    dir.symlink("f", "l").unwrap();
    dir.set_owner("l", Some(11), Some(12)).unwrap();
    set_file_owner(&file, Some(21), None).unwrap();
    let (f, l) = (
        dir.stat("f").unwrap().unwrap(),
        dir.stat("l").unwrap().unwrap(),
    );
    assert_eq!((f.uid, f.gid, l.uid, l.gid), (21, 0, 11, 12));
    // The largest ID, one below the number that means "leave alone".
    dir.set_owner("f", Some(u32::MAX - 1), Some(u32::MAX - 1))
        .unwrap();
    assert_eq!(dir.stat("f").unwrap().unwrap().uid, u32::MAX - 1);
}

#[test]
fn root_set_id_bits_survive_when_set_after_the_owner() {
    let Some(()) = require_root() else { return };
    let place = scratch();
    let dir = Dir::open_ambient(place.path()).unwrap();
    let file = dir.create_file("f", 0o755).unwrap();
    set_file_mode(&file, 0o6755).unwrap();
    set_file_owner(&file, Some(5), Some(5)).unwrap();
    assert_eq!(dir.stat("f").unwrap().unwrap().permissions(), 0o755);
    set_file_mode(&file, 0o6755).unwrap();
    assert_eq!(dir.stat("f").unwrap().unwrap().permissions(), 0o6755);
}

#[test]
fn root_device_nodes_have_their_numbers() {
    let Some(()) = require_root() else { return };
    let place = scratch();
    let dir = Dir::open_ambient(place.path()).unwrap();
    dir.make_node("c", NodeKind::CharDevice, 0o600, make_device(1, 5))
        .unwrap();
    dir.make_node("b", NodeKind::BlockDevice, 0o600, make_device(700, 70_000))
        .unwrap();
    let (c, b) = (
        dir.stat("c").unwrap().unwrap(),
        dir.stat("b").unwrap().unwrap(),
    );
    assert_eq!(
        (c.file_type(), split_device(c.rdev)),
        (FileType::CharDevice, (1, 5))
    );
    assert_eq!(
        (b.file_type(), split_device(b.rdev)),
        (FileType::BlockDevice, (700, 70_000))
    );
}

#[test]
fn root_trusted_attributes_work_on_links_and_nodes_by_name() {
    let Some(()) = require_root() else { return };
    let place = scratch();
    let dir = Dir::open_ambient(place.path()).unwrap();
    dir.symlink("nowhere", "l").unwrap();
    dir.make_node("n", NodeKind::CharDevice, 0o600, 0).unwrap();
    for name in ["l", "n"] {
        xattr::set_at(&dir, name, "trusted.test", b"1").unwrap();
        assert_eq!(
            xattr::get_at(&dir, name, "trusted.test").unwrap().unwrap(),
            b"1"
        );
        assert_eq!(xattr::list_at(&dir, name).unwrap(), ["trusted.test"]);
        assert!(xattr::remove_at(&dir, name, "trusted.test").unwrap());
    }
}
