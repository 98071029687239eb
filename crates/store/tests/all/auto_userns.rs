//! Tests user namespaces that the store chooses.

use std::collections::BTreeSet;

use layerhold::layerhold_idmap::{IdMap, IdMappings, IdRange};
use layerhold::layerhold_ids::ImageId;
use layerhold::layerhold_lockfile::LockFile;
use layerhold::{
    AutoUserNs, AutoUserNsPolicy, ContainerSpec, ErrorKind, ImageSpec, LayerSpec, Persistence,
    Privilege, StageError, Store, StoreOptions, UserNsError,
};
use layerhold_testkit::{
    Feature, FilesystemKind, Podman, TarBuilder, TarEntry, TempDir, require_feature,
    require_filesystem, require_peer, require_root, scratch,
};

use crate::support::{image, options, ranges, reader};

/// A store on a host with its own files.
struct System {
    dir: TempDir,
}

impl System {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = scratch();
        for (name, text) in files {
            let path = dir.path().join("host").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { dir }
    }

    /// A host that gives the user `containers` IDs from 100000 and 200000 on.
    fn usual() -> Self {
        Self::new(&[
            ("etc/subuid", "unlisted:1:5\ncontainers:100000:65536\n"),
            ("etc/subgid", "containers:200000:65536\n"),
        ])
    }

    fn options(&self) -> StoreOptions {
        options(self.dir.path()).with_host_root(self.dir.path().join("host"))
    }

    fn open(&self) -> Store {
        Store::open(self.options()).unwrap()
    }

    fn userns_lock(&self) -> LockFile {
        LockFile::new(self.dir.path().join("root/userns.lock")).unwrap()
    }
}

fn spec(wish: AutoUserNs) -> ContainerSpec {
    ContainerSpec::new().auto_userns(wish)
}

/// Creates a container and returns its maps.
fn made(store: &Store, spec: ContainerSpec) -> IdMappings {
    let mut tx = store.begin().unwrap();
    let made = tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let view = store.snapshot().unwrap();
    view.container(made.id().as_str()).unwrap().id_maps()
}

fn shown(maps: &IdMappings) -> [String; 2] {
    [maps.uids.to_string(), maps.gids.to_string()]
}

fn refused(store: &Store, spec: ContainerSpec) -> StageError {
    let mut tx = store.begin().unwrap();
    tx.create_container(spec).unwrap_err()
}

/// An image with users up to ID 3000 in its files, and up to 2999 in its list of users.
fn image_with_users(store: &Store) -> ImageId {
    let passwd = "root:x:0:0::/:\nwww:x:1500:2999::/:\nnobody:x:65534:65534::/:\n";
    let tar = TarBuilder::new()
        .entry(TarEntry::dir("etc"))
        .entry(TarEntry::file("etc/passwd", passwd))
        .entry(TarEntry::file("srv", "x").owner(3000, 7))
        .finish();
    image(store, "users", &tar).0
}

#[test]
fn root_containers_get_ids_that_no_other_has() {
    let Some(()) = require_root() else { return };
    let system = System::usual();
    let store = system.open();
    let first = made(&store, spec(AutoUserNs::new()).name("first"));
    assert_eq!(shown(&first), ["0:100000:1024", "0:200000:1024"]);
    let second = made(&store, spec(AutoUserNs::new().size(10)));
    assert_eq!(shown(&second), ["0:101024:10", "0:201024:10"]);
    // Explicit maps count too.
    let _given = made(
        &store,
        ContainerSpec::new().id_maps(ranges(&[(0, 101_035, 5)])),
    );
    let third = made(&store, spec(AutoUserNs::new().size(3)));
    assert_eq!(shown(&third), ["0:101034:1,1:101040:2", "0:201034:3"]);
    // The IDs of a deleted container are free.
    store.delete_container("first").unwrap();
    let fourth = made(&store, spec(AutoUserNs::new().initial_size(1020)));
    assert_eq!(shown(&fourth), ["0:100000:1024", "0:200000:1024"]);
    let file = system
        .dir
        .path()
        .join("root/vfs-containers/containers.json");
    let text = std::fs::read_to_string(file).unwrap();
    let recorded = r#""uidmap":[{"container_id":0,"host_id":101034,"size":1},{"container_id":1,"host_id":101040,"size":2}],"gidmap":[{"container_id":0,"host_id":201034,"size":3}]"#;
    assert!(text.contains(recorded), "{text}");
}

#[test]
fn root_the_layer_of_a_container_has_its_owners() {
    let Some(()) = require_root() else { return };
    use std::os::unix::fs::MetadataExt;
    let system = System::usual();
    let store = system.open();
    let image = image_with_users(&store);
    let mut tx = store.begin().unwrap();
    let made = tx
        .create_container(spec(AutoUserNs::new()).image(image))
        .unwrap();
    tx.commit().unwrap();
    let tree = system
        .dir
        .path()
        .join("root/vfs/dir")
        .join(made.layer().as_str());
    let stat = std::fs::metadata(tree.join("srv")).unwrap();
    assert_eq!((stat.uid(), stat.gid()), (103_000, 200_007));
    let view = store.snapshot().unwrap();
    let layer = view.layer(made.layer().as_str()).unwrap();
    assert_eq!(shown(&layer.id_maps()), ["0:100000:3001", "0:200000:3001"]);
    // The mapped copy of the image's layer has the same maps.
    assert_eq!(
        view.image("users").unwrap().mapped_layers(),
        [layer.parent().unwrap().clone()]
    );
}

#[test]
fn root_the_size_is_what_the_image_needs() {
    let Some(()) = require_root() else { return };
    let system = System::usual();
    let files = system.dir.path();
    std::fs::write(files.join("passwd"), "u:x:4000:0::/:\n").unwrap();
    std::fs::write(files.join("group"), "g:x:5000:\n").unwrap();
    let store = system.open();
    let image = image_with_users(&store);
    let size = |wish: AutoUserNs| {
        let mut tx = store.begin().unwrap();
        let made = tx
            .create_container(spec(wish).image(image.clone()))
            .unwrap();
        tx.commit().unwrap();
        let view = store.snapshot().unwrap();
        let container = view.container(made.id().as_str()).unwrap();
        let maps = container.id_maps();
        assert_eq!(maps.uids.host_ids().len(), maps.gids.host_ids().len());
        store.delete_container(made.id().as_str()).unwrap();
        maps.uids.host_ids().len()
    };
    assert_eq!(size(AutoUserNs::new()), 3001);
    assert_eq!(size(AutoUserNs::new().initial_size(3002)), 3002);
    assert_eq!(size(AutoUserNs::new().size(100)), 100);
    assert_eq!(
        size(AutoUserNs::new().passwd_file(files.join("passwd"))),
        4001
    );
    assert_eq!(
        size(AutoUserNs::new().group_file(files.join("group"))),
        5001
    );
    // A missing file means no users, as in Go.
    assert_eq!(size(AutoUserNs::new().group_file(files.join("none"))), 3001);
}

#[test]
fn root_users_are_found_in_an_image_of_the_same_transaction() {
    let Some(()) = require_root() else { return };
    let system = System::usual();
    let store = system.open();
    let base = TarBuilder::new()
        .entry(TarEntry::dir("etc"))
        .entry(TarEntry::file("etc/passwd", "u:x:7000:0::/:\n"))
        .finish();
    let upper = TarBuilder::new()
        .entry(TarEntry::dir("etc"))
        .entry(TarEntry::file("etc/group", "g:x:8000:\n"))
        .finish();
    let mut tx = store.begin().unwrap();
    let base = tx
        .import_layer(LayerSpec::new().read_only(), reader(&base))
        .unwrap();
    let spec_of_upper = LayerSpec::new().parent(&base).read_only();
    let upper = tx.import_layer(spec_of_upper, reader(&upper)).unwrap();
    let image = tx
        .create_image(ImageSpec::new().without_manifest().top_layer(&upper))
        .unwrap();
    let made = tx
        .create_container(spec(AutoUserNs::new()).image(image))
        .unwrap();
    tx.commit().unwrap();
    let view = store.snapshot().unwrap();
    let maps = view.container(made.id().as_str()).unwrap().id_maps();
    assert_eq!(shown(&maps), ["0:100000:8001", "0:200000:8001"]);
}

#[test]
fn root_ranges_asked_for_are_there_besides() {
    let Some(()) = require_root() else { return };
    let system = System::usual();
    let store = system.open();
    let map = |ranges: &[(u32, u32, u64)]| -> IdMap {
        ranges
            .iter()
            .map(|&(inside, host, size)| IdRange::new(inside, host, size))
            .collect()
    };
    let additional = IdMappings::new(map(&[(2, 1000, 1), (3, 100_001, 1)]), IdMap::IDENTITY);
    let maps = made(
        &store,
        spec(AutoUserNs::new().size(5).additional(additional)),
    );
    assert_eq!(
        shown(&maps),
        [
            "0:100000:1,1:100002:1,4:100003:1,2:1000:1,3:100001:1",
            "0:200000:5"
        ]
    );
    let twice = IdMappings::new(map(&[(2, 1000, 1), (2, 1001, 1)]), IdMap::IDENTITY);
    let error = refused(&store, spec(AutoUserNs::new().size(5).additional(twice)));
    assert_eq!(error.kind(), Some(ErrorKind::InvalidMappings));
}

#[test]
fn what_cannot_be_is_refused_and_lets_go_of_the_lock() {
    let system = System::usual();
    let store = system.open();
    let lock = system.userns_lock();
    let check = |store: &Store, spec: ContainerSpec, kind: Option<ErrorKind>, text: &str| {
        let mut tx = store.begin().unwrap();
        let error = tx.create_container(spec).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        assert!(lock.try_write().unwrap().is_some(), "{text}");
        tx.commit().unwrap();
    };
    let none = Some(ErrorKind::NoAvailableIds);
    let text = "cannot choose 65537 UIDs for the container, only 65536 are free";
    check(&store, spec(AutoUserNs::new().size(65537)), none, text);
    let text = "the container needs a user namespace with size 65537 that is bigger than the maximum value allowed with userns=auto 65536";
    check(
        &store,
        spec(AutoUserNs::new().initial_size(65537)),
        None,
        text,
    );
    let user = |user: &str| {
        let policy = AutoUserNsPolicy {
            user: user.to_owned(),
            ..AutoUserNsPolicy::default()
        };
        Store::open(system.options().with_auto_userns(policy)).unwrap()
    };
    let host = system.dir.path().join("host/etc");
    let text = format!(
        "{} gives user \"x\" no ranges to choose IDs from",
        host.join("subuid").display()
    );
    check(&user("x"), spec(AutoUserNs::new()), none, &text);
    // Users have a range, groups have none.
    let text = format!(
        "{} gives user \"unlisted\" no ranges to choose IDs from",
        host.join("subgid").display()
    );
    check(&user("unlisted"), spec(AutoUserNs::new()), none, &text);
    std::fs::write(host.join("subuid"), "containers:100000\n").unwrap();
    let text = format!(
        "cannot read the ranges in {}",
        host.join("subuid").display()
    );
    check(&store, spec(AutoUserNs::new()), none, &text);
    std::fs::remove_file(host.join("subuid")).unwrap();
    let error = refused(&store, spec(AutoUserNs::new()));
    assert!(
        matches!(&error, StageError::UserNs(cause) if matches!(**cause, UserNsError::Os(_))),
        "{error:?}"
    );
    let unknown = spec(AutoUserNs::new()).image(crate::support::id::<ImageId>("gone"));
    assert_eq!(
        refused(&store, unknown).kind(),
        Some(ErrorKind::ImageUnknown)
    );
}

#[test]
fn root_a_range_may_be_named_by_the_number_of_its_user() {
    let Some(()) = require_root() else { return };
    let system = System::new(&[
        ("etc/passwd", "containers:x:77:77::/:\n"),
        ("etc/subuid", "77:100000:10\ncontainers:5000:5\n"),
        ("etc/subgid", "containers:200000:100\n"),
    ]);
    let maps = made(&system.open(), spec(AutoUserNs::new().size(12)));
    assert_eq!(shown(&maps), ["0:5000:5,5:100000:7", "0:200000:12"]);
}

#[test]
fn root_in_a_user_namespace_its_own_ids_are_shared_out() {
    let Some(()) = require_root() else { return };
    let system = System::new(&[
        (
            "proc/self/uid_map",
            "         0       1000          1\n         1     100000      65536\n",
        ),
        (
            "proc/self/gid_map",
            "0 1000 1\n1 100000 20\n30 200000 5000\n",
        ),
    ]);
    let options = system.options().with_privilege(Privilege::UserNamespace);
    let store = Store::open(options).unwrap();
    let maps = made(&store, spec(AutoUserNs::new()));
    assert_eq!(shown(&maps), ["0:1:1024", "0:1:20,20:30:1004"]);
}

#[test]
fn root_no_other_choice_comes_between_a_choice_and_its_record() {
    let Some(()) = require_root() else { return };
    let system = System::usual();
    let (store, lock) = (system.open(), system.userns_lock());
    let mut tx = store.begin().unwrap();
    let first = tx
        .create_container(spec(AutoUserNs::new().size(10)))
        .unwrap();
    assert!(lock.try_write().unwrap().is_none());
    // A failure of a later step releases nothing, and two containers of one transaction share no
    // IDs.
    drop(
        tx.create_container(spec(AutoUserNs::new().size(70000)))
            .unwrap_err(),
    );
    assert!(lock.try_write().unwrap().is_none());
    let second = tx
        .create_container(spec(AutoUserNs::new().size(10)))
        .unwrap();
    let other = std::thread::scope(|scope| {
        let other = scope.spawn(|| made(&system.open(), spec(AutoUserNs::new().size(10))));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!other.is_finished());
        tx.commit().unwrap();
        other.join().unwrap()
    });
    assert!(lock.try_write().unwrap().is_some());
    let view = store.snapshot().unwrap();
    let maps = |id: &str| view.container(id).unwrap().id_maps().uids.to_string();
    assert_eq!(maps(first.id().as_str()), "0:100000:10");
    assert_eq!(maps(second.id().as_str()), "0:100010:10");
    assert_eq!(other.uids.to_string(), "0:100020:10");
    // After a rollback the IDs are free again.
    let mut tx = store.begin().unwrap();
    let _given_up = tx.create_container(spec(AutoUserNs::new())).unwrap();
    drop(tx);
    assert!(lock.try_write().unwrap().is_some());
    let maps = made(&store, spec(AutoUserNs::new().size(1)));
    assert_eq!(maps.uids.to_string(), "0:100030:1");
}

#[test]
fn root_many_at_once_get_ranges_of_their_own() {
    let Some(()) = require_root() else { return };
    let system = System::usual();
    let _store = system.open();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = system.open();
                for size in [100, 7, 1000] {
                    let _maps = made(&store, spec(AutoUserNs::new().size(size)));
                }
            });
        }
    });
    let mut seen = BTreeSet::new();
    for container in system.open().snapshot().unwrap().containers() {
        let maps = container.id_maps();
        for interval in maps.uids.host_ids().intervals() {
            for id in interval.clone() {
                assert!(seen.insert(id), "{id} was given twice");
            }
        }
    }
    // Without gaps, since the lowest free IDs are chosen.
    assert_eq!(seen.len(), 4 * 1107);
    assert_eq!(seen.last(), Some(&(100_000 + 4 * 1107 - 1)));
}

#[test]
fn root_what_transient_containers_have_is_not_given_to_others() {
    let Some(()) = require_root() else { return };
    let system = System::usual();
    let transient = system.options().with_persistence(Persistence::Transient);
    let transient = Store::open(transient).unwrap();
    let first = made(&transient, spec(AutoUserNs::new().size(10)));
    assert_eq!(first.uids.to_string(), "0:100000:10");
    let second = made(&system.open(), spec(AutoUserNs::new().size(10)).volatile());
    assert_eq!(second.uids.to_string(), "0:100010:10");
    let third = made(&transient, spec(AutoUserNs::new().size(10)));
    assert_eq!(third.uids.to_string(), "0:100020:10");
}

#[test]
fn root_a_hostile_image_makes_no_more_than_an_error() {
    let Some(()) = require_root() else { return };
    let system = System::usual();
    let store = system.open();
    for tar in [
        TarBuilder::new()
            .entry(TarEntry::symlink("etc", "/proc/self"))
            .finish(),
        TarBuilder::new()
            .entry(TarEntry::dir("etc"))
            .entry(TarEntry::symlink("etc/passwd", "passwd"))
            .entry(TarEntry::dir("etc/group"))
            .finish(),
        TarBuilder::new()
            .entry(TarEntry::dir("etc"))
            .entry(TarEntry::file(
                "etc/passwd",
                b"u:x:4294967295:4294967294::\n\xff:\xff:\xff".as_slice(),
            ))
            .finish(),
    ] {
        let (image, _) = image(&store, "hostile", &tar);
        let mut tx = store.begin().unwrap();
        match tx.create_container(spec(AutoUserNs::new()).image(image)) {
            Err(StageError::UserNs(cause)) => assert!(
                matches!(
                    *cause,
                    UserNsError::TooLarge {
                        wanted: 0x1_0000_0000,
                        limit: 65536
                    }
                ),
                "{cause:?}"
            ),
            other => drop(other.unwrap()),
        }
        drop(tx);
        store
            .delete_image("hostile", layerhold::DeleteMode::Delete)
            .unwrap();
    }
}

/// Runs podman with the ID ranges of the test in place of those of the host.
fn podman_on(system: &System, podman: &Podman, args: &[&str]) -> String {
    let script = r#"mount --bind "$1/subuid" /etc/subuid && mount --bind "$1/subgid" /etc/subgid && shift && exec "$@""#;
    let command = podman.command();
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", script, "sh"]);
    unshare.arg(system.dir.path().join("host/etc"));
    unshare.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => unshare.env(name, value),
            None => unshare.env_remove(name),
        };
    }
    let output = unshare.args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn root_peer_podman_and_we_choose_apart() {
    let (Some(()), Some(())) = (require_root(), require_peer("podman")) else {
        return;
    };
    let system = System::usual();
    let podman = Podman::below(system.dir.path(), "vfs");
    let file = system.dir.path().join("layer.tar");
    std::fs::write(&file, crate::support::small_tar()).unwrap();
    let name = "localhost/theirs:1";
    podman
        .run(["import", "-q", file.to_str().unwrap(), name])
        .assert_success();
    let store = system.open();
    let theirs = || podman_on(&system, &podman, &["create", "--userns=auto", name, "true"]);
    let image = store.snapshot().unwrap().image(name).unwrap().id().clone();
    let first = theirs();
    let ours = made(&store, spec(AutoUserNs::new()).image(image));
    let second = theirs();
    let view = store.snapshot().unwrap();
    let maps = [&first, &second].map(|id| view.container(id).unwrap().id_maps());
    assert_eq!(shown(&maps[0]), ["0:100000:1024", "0:200000:1024"]);
    assert_eq!(shown(&ours), ["0:101024:1024", "0:201024:1024"]);
    assert_eq!(shown(&maps[1]), ["0:102048:1024", "0:202048:1024"]);
    for id in [&first, &second] {
        podman.run(["rm", id.as_str()]).assert_success();
    }
}

#[test]
fn root_loop_with_overlay_users_are_found_in_all_layers_together() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Ext4, 64) else {
        return;
    };
    let Some(()) = require_feature(Feature::Overlay) else {
        return;
    };
    let system = System::usual();
    let base = filesystem.path();
    let options = StoreOptions::new(base.join("root"), base.join("runroot"))
        .with_driver("overlay")
        .with_host_root(system.dir.path().join("host"));
    let store = Store::open(options).unwrap();
    let layer = |name: &str, text: &str| {
        TarBuilder::new()
            .entry(TarEntry::dir("etc"))
            .entry(TarEntry::file(name, text))
            .finish()
    };
    let mut tx = store.begin().unwrap();
    let lower = layer("etc/passwd", "u:x:7000:0::/:\n");
    let lower = tx
        .import_layer(LayerSpec::new().read_only(), reader(&lower))
        .unwrap();
    let upper = layer("etc/group", "g:x:8000:\n");
    let on_lower = LayerSpec::new().parent(&lower).read_only();
    let upper = tx.import_layer(on_lower, reader(&upper)).unwrap();
    let image = tx
        .create_image(ImageSpec::new().without_manifest().top_layer(&upper))
        .unwrap();
    let wanted = || spec(AutoUserNs::new()).image(image.clone());
    // First with staged layers, then with committed ones.
    let staged = tx.create_container(wanted()).unwrap();
    tx.commit().unwrap();
    let view = store.snapshot().unwrap();
    let staged = view.container(staged.id().as_str()).unwrap();
    assert_eq!(shown(&staged.id_maps()), ["0:100000:8001", "0:200000:8001"]);
    let committed = made(&store, wanted());
    assert_eq!(shown(&committed), ["0:108001:8001", "0:208001:8001"]);
    // The list of users in the top layer hides all of the list below.
    let mut tx = store.begin().unwrap();
    let top = layer("etc/passwd", "u:x:5:0::/:\n");
    let on_upper = LayerSpec::new().parent(&upper).read_only();
    let top = tx.import_layer(on_upper, reader(&top)).unwrap();
    let image = tx
        .create_image(ImageSpec::new().without_manifest().top_layer(&top))
        .unwrap();
    let hidden = spec(AutoUserNs::new().group_file("/nowhere")).image(image);
    let hidden = tx.create_container(hidden).unwrap();
    tx.commit().unwrap();
    let view = store.snapshot().unwrap();
    let hidden = view.container(hidden.id().as_str()).unwrap();
    assert_eq!(hidden.id_maps().uids.to_string(), "0:116002:1024");
}
