//! Rewriting owners.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use layerhold_driver::{HardLinks, LayerError, RemapRequest, remap_tree};
use layerhold_idmap::{IdMap, IdMappings, IdRange};
use layerhold_sys::{Dir, PathError};

fn maps(host: u32, size: u64) -> IdMappings {
    let map = || IdMap::new(vec![IdRange::new(0, host, size)]);
    IdMappings::new(map(), map())
}

/// Root is needed to give files away; the first test that needs it says so.
fn is_root() -> bool {
    layerhold_testkit::require_root().is_some()
}

fn owner(path: impl AsRef<Path>) -> (u32, u32) {
    let stat = fs::symlink_metadata(path).unwrap();
    (stat.uid(), stat.gid())
}

fn furnish(root: &Path) {
    for d in 0..20 {
        let dir = root.join(format!("d{d}/below"));
        fs::create_dir_all(&dir).unwrap();
        for f in 0..10 {
            let file = dir.join(f.to_string());
            drop(File::create(&file).unwrap());
            std::os::unix::fs::chown(&file, Some(f), Some(d)).unwrap();
        }
        symlink("0", dir.join("link")).unwrap();
        fs::hard_link(dir.join("1"), dir.join("one too")).unwrap();
        fs::set_permissions(dir.join("2"), fs::Permissions::from_mode(0o6711)).unwrap();
    }
}

#[test]
fn root_every_owner_below_is_shifted_and_the_root_is_not() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    furnish(place.path());
    let (root, from, to) = (
        Dir::open_ambient(place.path()).unwrap(),
        maps(0, 100),
        maps(5000, 100),
    );
    remap_tree(&root, &RemapRequest::new(&from, &to), HardLinks::OneInode).unwrap();
    assert_eq!(owner(place.path()), (0, 0));
    for d in 0..20 {
        let dir = place.path().join(format!("d{d}/below"));
        assert_eq!(owner(&dir), (5000, 5000));
        for f in 0..10 {
            assert_eq!(owner(dir.join(f.to_string())), (5000 + f, 5000 + d));
        }
        assert_eq!(owner(dir.join("link")), (5000, 5000));
        assert_eq!(fs::metadata(dir.join("2")).unwrap().mode() & 0o7777, 0o6711);
        assert_eq!(fs::metadata(dir.join("1")).unwrap().nlink(), 2);
    }
    // And back.
    remap_tree(
        &root,
        &RemapRequest::new(&to, &IdMappings::IDENTITY),
        HardLinks::OneInode,
    )
    .unwrap();
    assert_eq!(owner(place.path().join("d7/below/9")), (9, 7));
}

#[test]
fn root_links_are_made_again_where_owners_split_them() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    furnish(place.path());
    let (root, to) = (Dir::open_ambient(place.path()).unwrap(), maps(5000, 100));
    let before = fs::metadata(place.path().join("d3/below/1")).unwrap().ino();
    let same = IdMappings::IDENTITY;
    let request = RemapRequest::new(&same, &to);
    remap_tree(&root, &request, HardLinks::SplitByCopyUp).unwrap();
    for name in ["1", "one too"] {
        let stat = fs::metadata(place.path().join("d3/below").join(name)).unwrap();
        assert_eq!((stat.ino(), stat.nlink(), stat.uid()), (before, 2, 5001));
    }
}

#[test]
fn identity_changes_nothing_and_needs_no_right() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("d")).unwrap();
    drop(File::create(place.path().join("d/f")).unwrap());
    let before = fs::metadata(place.path().join("d/f")).unwrap();
    let root = Dir::open_ambient(place.path()).unwrap();
    let same = IdMappings::IDENTITY;
    let request = RemapRequest::new(&same, &same);
    remap_tree(&root, &request, HardLinks::OneInode).unwrap();
    let after = fs::metadata(place.path().join("d/f")).unwrap();
    assert_eq!(
        (after.ctime(), after.ctime_nsec()),
        (before.ctime(), before.ctime_nsec())
    );
}

#[test]
fn an_owner_that_the_namespace_lacks_is_told_with_what_helps() {
    let invalid = std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let source = PathError::new("set owner of", "/g/d/f", invalid);
    let error = LayerError::of_owner(source, 5, 6);
    assert!(matches!(
        error,
        LayerError::OwnerNotAvailable { uid: 5, gid: 6, .. }
    ));
    assert!(error.to_string().contains("/etc/subuid"), "{error}");
    let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let source = PathError::new("set owner of", "/g/d/f", refused);
    let error = LayerError::of_owner(source, 5, 6);
    assert!(matches!(
        error,
        LayerError::OwnerRefused { uid: 5, gid: 6, .. }
    ));
    assert!(error.to_string().contains("podman unshare"), "{error}");
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = LayerError::of_owner(PathError::new("set owner of", "/g/d/f", full), 5, 6);
    assert!(matches!(error, LayerError::Os(_)), "{error}");
}
