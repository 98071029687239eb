//! What is particular to vfs: options, the shape on disk, further stores, and Go's tool beside it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use layerhold_driver::layerhold_archive::layerhold_tar_format::{Header, Reader};
use layerhold_driver::{
    DiffRequest, Driver, DriverConfig, LayerAccess, LayerError, LayerRef, MountOptions, OpenError,
    OptionError, Privilege, StageRequest, SyncMode, Trash, fallback,
};
use layerhold_driver_vfs::VfsDriver;
use layerhold_ids::LayerId;
use layerhold_staging::TempRoot;
use layerhold_sys::{Dir, NodeKind, SetTime, Times, Timestamp, make_device, xattr};
use layerhold_testkit::{
    ChildSpec, FilesystemKind, GoStore, TarBuilder, Tree, child_role, require_filesystem,
    require_peer, require_root, scratch,
};

fn id(name: &str) -> LayerId {
    name.parse().unwrap()
}

fn config(place: &Path) -> DriverConfig {
    let options = vec!["vfs.ignore_chown_errors=true".to_owned()];
    DriverConfig::new(place.join("root"), place.join("runroot")).with_options(options)
}

fn open(place: &Path) -> VfsDriver {
    VfsDriver::open(&config(place)).unwrap()
}

fn commit(driver: &VfsDriver, request: &StageRequest<'_>, name: &str) {
    driver.stage(request).unwrap().commit(&id(name)).unwrap();
}

fn writable() -> StageRequest<'static> {
    StageRequest::new().with_access(LayerAccess::ReadWrite)
}

fn write(path: impl AsRef<Path>, content: &str) {
    File::create(path)
        .unwrap()
        .write_all(content.as_bytes())
        .unwrap();
}

#[test]
fn a_layer_is_a_directory_below_dir() {
    let place = scratch();
    let driver = open(place.path());
    commit(&driver, &StageRequest::new(), "one");
    let home = place.path().join("root/vfs");
    for (path, mode) in [
        ("", 0o700),
        ("dir", 0o700),
        ("dir/one", 0o555),
        ("tempdirs", 0o700),
    ] {
        assert_eq!(
            fs::metadata(home.join(path)).unwrap().mode() & 0o7777,
            mode,
            "{path}"
        );
    }
    let mounted = driver.mount(&id("one"), &MountOptions::new()).unwrap();
    assert_eq!(mounted, home.join("dir/one"));
    driver.unmount(&id("one")).unwrap();
    assert_eq!(driver.temp_roots(), [home.join("tempdirs")]);
    assert_eq!(fs::read_dir(home.join("tempdirs")).unwrap().count(), 0);
    assert!(driver.status().is_empty());
    assert!(driver.metadata(&id("one")).unwrap().is_empty());
}

#[test]
fn refusals_are_worded_as_in_go() {
    let place = scratch();
    let driver = open(place.path());
    commit(&driver, &StageRequest::new(), "one");

    let mut request = StageRequest::new();
    request.storage_options.insert("size".into(), "1G".into());
    let error = driver.stage(&request).unwrap_err();
    assert_eq!(error.to_string(), "--storage-opt is not supported for vfs");

    let options = MountOptions::read_only().with_option("nodev");
    let error = driver.mount(&id("one"), &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "vfs driver does not support mount options"
    );
    assert!(matches!(error, LayerError::MountOptions { option, .. } if option == "nodev"));

    let wrong =
        config(place.path()).with_options(vec!["overlay.mountopt=x".into(), "vfs.size=1".into()]);
    match VfsDriver::open(&wrong) {
        Err(OpenError::Option(error @ OptionError::Unknown { .. })) => {
            assert_eq!(error.to_string(), r#"unknown option "size" ("vfs.size=1")"#);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sync_is_accepted() {
    let place = scratch();
    assert_eq!(open(place.path()).sync_mode(), None);
    let asked = config(place.path()).with_options(vec![
        "vfs.sync=filesystem".into(),
        "ignore_chown_errors=1".into(),
    ]);
    assert_eq!(
        VfsDriver::open(&asked).unwrap().sync_mode(),
        Some(SyncMode::Filesystem)
    );
}

#[test]
fn a_layer_that_is_no_directory_is_refused() {
    let place = scratch();
    let driver = open(place.path());
    write(place.path().join("root/vfs/dir/file"), "x");
    write(place.path().join("root/vfs/dir/not an id"), "x");
    assert!(driver.exists(&id("file")).unwrap());
    let error = driver.mount(&id("file"), &MountOptions::new()).unwrap_err();
    assert!(matches!(error, LayerError::Os(_)), "{error:?}");
    assert_eq!(driver.list().unwrap(), Some(Vec::new()));
    let mut trash = Trash::new();
    driver.remove(&id("file"), &mut trash).unwrap();
    trash.erase().unwrap();
    assert!(!driver.exists(&id("file")).unwrap());
}

#[test]
fn exists_says_why_it_cannot_find_out() {
    let place = scratch();
    let store = place.path().join("additional");
    fs::create_dir_all(store.join("vfs")).unwrap();
    // Where its layers should be is a file.
    write(store.join("vfs/dir"), "x");
    let options = vec![format!("vfs.imagestore={}", store.display())];
    let driver = VfsDriver::open(&config(place.path()).with_options(options)).unwrap();
    commit(&driver, &StageRequest::new(), "one");
    assert!(driver.exists(&id("one")).unwrap());
    let error = driver.exists(&id("two")).unwrap_err();
    assert!(matches!(error, LayerError::Os(_)), "{error:?}");
}

#[test]
fn the_image_store_takes_image_layers() {
    let place = scratch();
    let images = place.path().join("images");
    let driver =
        VfsDriver::open(&config(place.path()).with_image_store(Some(images.clone()))).unwrap();
    commit(&driver, &StageRequest::new(), "image");
    let image = id("image");
    let above = StageRequest::new().with_parent(LayerRef::Committed(&image));
    commit(
        &driver,
        &above.clone().with_access(LayerAccess::ReadWrite),
        "container",
    );
    commit(&driver, &above, "second");
    for name in ["image", "second"] {
        let path = driver.mount(&id(name), &MountOptions::new()).unwrap();
        assert_eq!(path, images.join("vfs/dir").join(name));
    }
    let path = driver
        .mount(&id("container"), &MountOptions::new())
        .unwrap();
    assert_eq!(path, place.path().join("root/vfs/dir/container"));
    // Go lists only the home, and never collects garbage in the image store.
    let all = vec![id("container"), id("image"), id("second")];
    assert_eq!(driver.list().unwrap(), Some(all));
    assert_eq!(
        driver.temp_roots(),
        [
            place.path().join("root/vfs/tempdirs"),
            images.join("vfs/tempdirs")
        ]
    );
    let mut trash = Trash::new();
    for name in ["image", "second", "container"] {
        driver.remove(&id(name), &mut trash).unwrap();
        assert!(!driver.exists(&id(name)).unwrap());
    }
    assert_eq!(
        fs::read_dir(images.join("vfs/tempdirs")).unwrap().count(),
        2
    );
    trash.erase().unwrap();
    assert_eq!(
        fs::read_dir(images.join("vfs/tempdirs")).unwrap().count(),
        0
    );
    driver.sync().unwrap();
}

#[test]
fn additional_stores_are_read_and_never_written() {
    let place = scratch();
    let other = place.path().join("other");
    let shared = open(&other);
    commit(&shared, &StageRequest::new(), "shared");
    commit(&shared, &StageRequest::new(), "both");
    let roots = format!(
        "vfs.imagestore={},/does/not/exist",
        other.join("root").display()
    );
    let options = vec![roots, "vfs.ignore_chown_errors=true".to_owned()];
    let driver = VfsDriver::open(&config(place.path()).with_options(options)).unwrap();
    commit(&driver, &StageRequest::new(), "both");
    assert_eq!(
        driver.additional_stores(),
        [other.join("root"), PathBuf::from("/does/not/exist")]
    );

    let before = Tree::of(&other);
    assert!(driver.exists(&id("shared")).unwrap());
    assert!(!driver.exists(&id("nowhere")).unwrap());
    let path = driver.mount(&id("shared"), &MountOptions::new()).unwrap();
    assert_eq!(path, other.join("root/vfs/dir/shared"));
    // The own one hides the other.
    let path = driver.mount(&id("both"), &MountOptions::new()).unwrap();
    assert_eq!(path, place.path().join("root/vfs/dir/both"));

    let parent = id("shared");
    commit(
        &driver,
        &StageRequest::new().with_parent(LayerRef::Committed(&parent)),
        "child",
    );
    assert!(place.path().join("root/vfs/dir/child").is_dir());
    let mut trash = Trash::new();
    let error = driver.remove(&parent, &mut trash).unwrap_err();
    assert!(
        matches!(&error, LayerError::ReadOnlyStore { id, store } if *id == parent && *store == other.join("root")),
        "{error:?}"
    );
    assert!(matches!(
        driver.apply_target(&parent, ""),
        Err(LayerError::ReadOnlyStore { .. })
    ));
    before.assert_same(&Tree::of(&other));
    // Removing the own one uncovers the other.
    driver.remove(&id("both"), &mut trash).unwrap();
    assert!(driver.exists(&id("both")).unwrap());
    trash.erase().unwrap();
}

#[test]
fn root_devices_are_left_out_in_user_namespaces() {
    let Some(()) = require_root() else { return };
    let place = scratch();
    let driver = open(place.path());
    commit(&driver, &StageRequest::new(), "base");
    let base = place.path().join("root/vfs/dir/base");
    let dir = Dir::open_ambient(&base).unwrap();
    dir.make_node("null", NodeKind::CharDevice, 0o666, make_device(1, 3))
        .unwrap();
    fs::hard_link(base.join("null"), base.join("null too")).unwrap();
    dir.make_node("pipe", NodeKind::Fifo, 0o600, 0).unwrap();
    xattr::set(&dir, "trusted.overlay.opaque", b"y").unwrap();

    let parent = id("base");
    let above = StageRequest::new().with_parent(LayerRef::Committed(&parent));
    commit(&driver, &above, "full");
    Tree::of(&place.path().join("root/vfs/dir/full")).assert_same(&Tree::of(&base));

    let confined = config(place.path()).with_privilege(Privilege::UserNamespace);
    commit(&VfsDriver::open(&confined).unwrap(), &above, "confined");
    let tree = Tree::of(&place.path().join("root/vfs/dir/confined"));
    assert_eq!(tree.paths(), [Path::new("pipe")]);
    assert!(tree.at("").xattrs.is_empty());
}

#[test]
fn only_the_attributes_go_copies_are_copied() {
    let place = scratch();
    let driver = open(place.path());
    commit(&driver, &writable(), "base");
    let base = place.path().join("root/vfs/dir/base");
    write(base.join("f"), "x");
    let file = File::open(base.join("f")).unwrap();
    xattr::set(&file, "user.one", b"1").unwrap();
    xattr::set(&file, "user.two", b"").unwrap();
    let parent = id("base");
    commit(
        &driver,
        &StageRequest::new().with_parent(LayerRef::Committed(&parent)),
        "child",
    );
    let copy = File::open(place.path().join("root/vfs/dir/child/f")).unwrap();
    let mut names = xattr::list(&copy).unwrap();
    names.retain(|name| name != "security.selinux");
    names.sort();
    assert_eq!(names, ["user.one", "user.two"]);
    assert_eq!(
        xattr::get(&copy, "user.one").unwrap().as_deref(),
        Some(&b"1"[..])
    );
}

#[test]
fn access_times_are_copied() {
    let place = scratch();
    let driver = open(place.path());
    commit(&driver, &writable(), "base");
    let base = Dir::open_ambient(place.path().join("root/vfs/dir/base")).unwrap();
    drop(base.create_file("f", 0o644).unwrap());
    let at = |seconds, nanoseconds| Timestamp {
        seconds,
        nanoseconds,
    };
    // A file without content is not read, so its access time stays what it is.
    let times = Times {
        accessed: SetTime::At(at(2_000_000_000, 1)),
        modified: SetTime::At(at(-5, 999_999_999)),
    };
    base.set_times("f", &times).unwrap();
    let parent = id("base");
    commit(
        &driver,
        &StageRequest::new().with_parent(LayerRef::Committed(&parent)),
        "child",
    );
    let child = Dir::open_ambient(place.path().join("root/vfs/dir/child")).unwrap();
    let stat = child.stat("f").unwrap().unwrap();
    assert_eq!(
        (stat.atime, stat.mtime),
        (at(2_000_000_000, 1), at(-5, 999_999_999))
    );
}

/// Everything is copied by sharing blocks where the filesystem can; here only that the copies are
/// right and independent.
#[test]
fn root_reflinks_on_btrfs() {
    let Some(btrfs) = require_filesystem(FilesystemKind::Btrfs, 256) else {
        return;
    };
    let driver = open(btrfs.path());
    commit(&driver, &StageRequest::new(), "base");
    let base = btrfs.path().join("root/vfs/dir/base");
    // Three copies of it would not fit without sharing.
    let big = vec![b'x'; 100 << 20];
    File::create(base.join("big"))
        .unwrap()
        .write_all(&big)
        .unwrap();
    let parent = id("base");
    for name in ["a", "b", "c"] {
        commit(
            &driver,
            &StageRequest::new().with_parent(LayerRef::Committed(&parent)),
            name,
        );
    }
    let path = btrfs.path().join("root/vfs/dir/b/big");
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"y")
        .unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), big.len() as u64 + 1);
    assert_eq!(
        fs::metadata(base.join("big")).unwrap().len(),
        big.len() as u64
    );
}

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let driver = open(Path::new(role.argument(0)));
    let parent = id("base");
    let staged = driver
        .stage(&StageRequest::new().with_parent(LayerRef::Committed(&parent)))
        .unwrap();
    let mut trash = Trash::new();
    driver.remove(&id("doomed"), &mut trash).unwrap();
    role.say("staged and removed");
    role.listen();
    drop((staged, trash));
}

#[test]
fn what_a_killed_process_leaves_is_recovered() {
    let place = scratch();
    let driver = open(place.path());
    commit(&driver, &writable(), "base");
    write(place.path().join("root/vfs/dir/base/f"), "x");
    commit(&driver, &StageRequest::new(), "doomed");
    let root = TempRoot::new(&driver.temp_roots()[0]);

    let mut child = ChildSpec::new("vfs::child_entry", "stage")
        .argument(place.path().display())
        .spawn();
    child.expect("staged and removed");
    let alive = root.recover_stale().unwrap();
    assert_eq!((alive.removed.len(), alive.in_use.len()), (0, 2));
    child.kill();
    let dead = root.recover_stale().unwrap();
    assert_eq!(
        (dead.removed.len(), dead.in_use.len(), dead.failed.len()),
        (2, 0, 0)
    );
    assert_eq!(driver.list().unwrap(), Some(vec![id("base")]));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

/// A store of Go's tool with a layer and a child of it, both filled, and our driver on it.
fn go_store(place: &Path) -> (GoStore, VfsDriver) {
    let go = GoStore::below(place, "vfs");
    let _base = go.id(["create-layer", "--id", "base"]);
    let tar = TarBuilder::new()
        .dir("d", 0o1777)
        .file("d/f", 0o4755, "content")
        .hard_link("d/g", "d/f")
        .file("gone", 0o644, "x")
        .symlink("link", "d/f")
        .finish();
    let driver = open(place);
    fallback::unpack(
        &*driver.apply_target(&id("base"), "").unwrap(),
        Default::default(),
        &mut tar.as_slice(),
    )
    .unwrap();
    (go, driver)
}

#[test]
fn root_peer_copies_as_we_do() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = scratch();
    let (go, driver) = go_store(place.path());
    let dirs = place.path().join("root/vfs/dir");
    assert_eq!(
        fs::metadata(dirs.join("base")).unwrap().mode() & 0o7777,
        0o555
    );
    let file = File::open(dirs.join("base/d/f")).unwrap();
    xattr::set(&file, "user.note", b"value").unwrap();
    let _theirs = go.id(["create-layer", "--id", "theirs", "base"]);
    let parent = id("base");
    commit(
        &driver,
        &StageRequest::new().with_parent(LayerRef::Committed(&parent)),
        "ours",
    );
    Tree::of(&dirs.join("ours")).assert_same(&Tree::of(&dirs.join("theirs")));
}

/// The headers and contents of an archive.
///
/// Releases of Go's tool differ in two things that are left out here: whether headers name the
/// owners as well, and whether the mode repeats the kind of file.
fn entries(tar: &[u8]) -> Vec<(Header, Vec<u8>)> {
    let mut reader = Reader::new(tar);
    let mut found = Vec::new();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let mut header = entry.header().clone();
        header.user_name.clear();
        header.group_name.clear();
        header.mode &= 0o7777;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.push((header, content));
    }
    found
}

#[test]
fn root_peer_sees_the_same_differences() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = scratch();
    let (go, driver) = go_store(place.path());
    let _child = go.id(["create-layer", "--id", "child", "base"]);
    let child = place.path().join("root/vfs/dir/child");
    write(child.join("d/new"), "hello");
    fs::hard_link(child.join("d/new"), child.join("d/newer")).unwrap();
    write(child.join("d/f"), "changed");
    fs::create_dir_all(child.join("dir/with spaces")).unwrap();
    let (layer, parent) = (id("child"), id("base"));
    let request = DiffRequest::new(&layer).with_parent(&parent);

    let mut tar = Vec::new();
    driver.diff(&request, &mut tar).unwrap();
    let theirs = go.run(["diff", "-u", "child"]);
    theirs.assert_success();
    assert_eq!(entries(&tar), entries(&theirs.stdout));

    fs::remove_file(child.join("gone")).unwrap();
    let size = go.run(["diffsize", "child"]).text();
    assert_eq!(driver.diff_size(&request).unwrap().to_string(), size.trim());

    let mut theirs = go.run(["changes", "child"]).lines();
    theirs.sort();
    let ours = driver.changes(&request).unwrap();
    let mut ours: Vec<_> = ours
        .iter()
        .map(|change| format!("{:?} {:?}", change.kind, change.path.display().to_string()))
        .collect();
    ours.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn root_peer_uses_and_deletes_our_layers() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = scratch();
    let (go, driver) = go_store(place.path());
    // Our tree in the place of one Go knows.
    let _child = go.id(["create-layer", "--id", "child", "base"]);
    let mut trash = Trash::new();
    driver.remove(&id("child"), &mut trash).unwrap();
    trash.erase().unwrap();
    let parent = id("base");
    commit(
        &driver,
        &StageRequest::new().with_parent(LayerRef::Committed(&parent)),
        "child",
    );
    assert_eq!(go.run(["changes", "child"]).lines(), [""; 0]);
    go.run(["delete-layer", "child"]).assert_success();
    assert!(!driver.exists(&id("child")).unwrap());
}
