//! Tests mounting and unmounting at the same time as the Go tool.

use std::path::Path;
use std::time::{Duration, Instant};

use layerhold::layerhold_sys::mountinfo::read_mounts;
use layerhold::{
    ContainerSpec, LayerSpec, MountRequest, Shutdown, Store, StoreOptions, Unmounting,
};
use layerhold_lockfile::LockFile;
use layerhold_sys::best_effort;
use layerhold_testkit::{
    ChildSpec, Feature, GoStore, TarBuilder, TempDir, child_role, require_feature, require_peer,
    require_root, scratch,
};

use crate::support::{Place, id, image, import, small_tar};

fn ours(base: &Path, driver: &str) -> Store {
    let options = StoreOptions::new(base.join("root"), base.join("runroot"));
    Store::open(options.with_driver(driver)).unwrap()
}

/// A store with a container `box`. Dropping it unmounts everything.
struct Shared {
    place: TempDir,
    go: GoStore,
}

impl Shared {
    fn new(driver: &str) -> Option<Self> {
        require_root()?;
        require_peer("containers-storage")?;
        if driver == "overlay" {
            require_feature(Feature::Overlay)?;
        }
        let place = scratch();
        let go = GoStore::below(place.path(), driver);
        let store = ours(place.path(), driver);
        import(&store, LayerSpec::new().name("base"), &small_tar());
        let mut tx = store.begin().unwrap();
        tx.create_container(ContainerSpec::new().id(id("box")).layer(id("upper")))
            .unwrap();
        tx.commit().unwrap();
        let files = (0..100).fold(TarBuilder::new(), |tar, number| {
            tar.file(number.to_string(), 0o644, b"content")
        });
        std::fs::write(place.path().join("layer.tar"), files.finish()).unwrap();
        Some(Self { place, go })
    }

    fn store(&self) -> Store {
        ours(self.place.path(), self.go.driver())
    }

    /// The mount counts, and the mounts of layers in the kernel.
    fn left(&self) -> (usize, Vec<std::path::PathBuf>) {
        let mounts = read_mounts().unwrap().into_iter();
        let mounted = mounts
            .map(|mount| mount.mount_point)
            .filter(|at| at.starts_with(self.place.path()) && at.ends_with("merged"));
        (self.store().mounts().unwrap().len(), mounted.collect())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        best_effort(self.store().shutdown(Shutdown::Force));
    }
}

/// A process of this library: it mounts and unmounts until a file appears.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    assert_eq!(role.name(), "mount");
    let place = Path::new(role.argument(0));
    while !place.join("enough").exists() {
        let store = ours(place, role.argument(1));
        let path = store.mount("box", &MountRequest::new()).unwrap();
        assert!(path.is_dir());
        store.unmount("box", Unmounting::Once).unwrap();
    }
}

/// The process of the Go tool. It also saves layers, and with them all counts as it knows them.
fn go_rounds(go: &GoStore, tar: &Path, enough: impl Fn(u32) -> bool) {
    for round in 0.. {
        if enough(round) {
            return;
        }
        go.run(["mount", "box"]).assert_success();
        let layer = go.id(["import-layer".as_ref(), "-f".as_ref(), tar.as_os_str()]);
        go.run(["delete-layer", &layer]).assert_success();
        go.run(["unmount", "box"]).assert_success();
    }
}

/// Runs three processes of each tool, after which no count is left.
fn three_of_each(driver: &str, enough: impl Fn(u32) -> bool + Copy + Send + Sync) {
    let Some(shared) = Shared::new(driver) else {
        return;
    };
    let child = ChildSpec::new("mounting_at_once::child_entry", "mount")
        .argument(shared.place.path().display())
        .argument(driver);
    let children = [child.spawn(), child.spawn(), child.spawn()];
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (go, tar) = (&shared.go, shared.place.path().join("layer.tar"));
            scope.spawn(move || go_rounds(go, &tar, enough));
        }
    });
    std::fs::write(shared.place.path().join("enough"), "").unwrap();
    for child in children {
        assert!(child.wait().success());
    }
    assert_eq!(shared.left(), (0, vec![]), "{driver}");
}

const FEW_ROUNDS: u32 = 4;

#[test]
fn root_peer_three_processes_of_each_tool_leave_no_count_with_vfs() {
    three_of_each("vfs", |round| round == FEW_ROUNDS);
}

#[test]
fn root_peer_three_processes_of_each_tool_leave_no_count_with_overlay() {
    three_of_each("overlay", |round| round == FEW_ROUNDS);
}

#[test]
#[ignore = "two minutes: cargo test -p layerhold --test all -- --ignored mounting_at_once"]
fn root_peer_three_processes_of_each_tool_leave_no_count_in_a_minute() {
    for driver in ["vfs", "overlay"] {
        let begun = Instant::now();
        three_of_each(driver, |_| begun.elapsed() > Duration::from_secs(60));
    }
}

/// Runs an operation that must wait for readers of the layers.
fn waits_for_the_layers(place: &Path, work: impl FnOnce() + Send) {
    let lock = LockFile::new(place.join("root/vfs-layers/layers.lock")).unwrap();
    let held = lock.read().unwrap();
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        // Enough time for an operation that does not wait.
        let late = Instant::now() + Duration::from_millis(100);
        while !working.is_finished() && Instant::now() < late {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!working.is_finished());
        drop(held);
    });
}

#[test]
fn counts_change_only_while_the_layers_are_locked_for_writing() {
    let place = Place::new();
    let store = &place.store;
    import(store, LayerSpec::new().name("base"), &small_tar());
    let image = image(store, "image", &small_tar()).0;
    let waits = |work: &(dyn Fn() + Sync)| waits_for_the_layers(place.dir.path(), work);
    let mount = || drop(store.mount("base", &MountRequest::new()).unwrap());
    waits(&mount);
    waits(&mount);
    assert_eq!(store.mounted("base").unwrap(), 2);
    waits(&|| assert!(store.unmount("base", Unmounting::Once).is_ok()));
    assert_eq!(store.mounted("base").unwrap(), 1);
    waits(&|| assert!(store.unmount("base", Unmounting::Force).is_ok()));
    let image = image.as_str();
    waits(&|| drop(store.mount_image(image, &MountRequest::new()).unwrap()));
    waits(&|| assert!(store.unmount_image(image, Unmounting::Once).is_ok()));
    mount();
    waits(&|| drop(store.shutdown(Shutdown::Force).unwrap()));
    assert_eq!(store.mounts().unwrap(), []);
}
