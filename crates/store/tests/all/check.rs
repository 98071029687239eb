//! Tests checks: every kind of damage is reported, and nothing else is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use layerhold::check::{
    Attribute, CheckDepth, CheckOptions, CheckReport, Damage, FileChange, Remedy, Subject, Verdict,
};

use layerhold::{BigDataItem, ContainerSpec, ImageSpec, LayerSpec, MountRequest, Recovery, Store};
use layerhold_sys::{Dir, Times, best_effort};
use layerhold_testkit::{Feature, TarBuilder, TarEntry};

use crate::support::{
    Place, file_tar, id, image, import, options, reader, small_tar, unmount_outside,
};

/// An image of two layers with big data items, and a container of it. The layers are called `a` and
/// `b`, the image `i`, the container `c` with the layer `w`.
pub(crate) fn furnished() -> Place {
    furnish(Place::new())
}

pub(crate) fn furnish(place: Place) -> Place {
    let mut tx = place.store.begin().unwrap();
    let base = LayerSpec::new().id(id("a")).read_only();
    let base = tx.import_layer(base, reader(&base_tar())).unwrap();
    let top = LayerSpec::new().id(id("b")).parent(&base).read_only();
    let top = tx.import_layer(top, reader(&top_tar())).unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .id(id("i"))
        .name("image")
        .top_layer(&top)
        .big_data(BigDataItem::new("config", "{}"))
        .big_data(BigDataItem::new("copy", "{}"))
        .big_data(BigDataItem::new("other", "text"));
    let image = tx.create_image(spec).unwrap();
    let spec = ContainerSpec::new()
        .id(id("c"))
        .layer(id("w"))
        .image(image)
        .big_data(BigDataItem::new("state", "on"));
    tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    place
}

fn base_tar() -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::dir("usr").mtime(100))
        .entry(TarEntry::dir("usr/lib").mtime(100))
        .entry(TarEntry::file("usr/lib/one", "1111").mtime(100))
        .entry(TarEntry::file("usr/lib/two", "2222").mtime(100))
        .entry(TarEntry::symlink("lib", "/usr/lib").mtime(100))
        .entry(TarEntry::hard_link("again", "usr/lib/one"))
        .finish()
}

fn top_tar() -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::file("lib/three", "333").mtime(100))
        .entry(TarEntry::file("usr/lib/.wh.two", ""))
        .finish()
}

pub(crate) fn check(store: &Store) -> CheckReport {
    store.check(&CheckOptions::new()).unwrap()
}

/// The lines of a report: subject, text and remedy of each finding.
pub(crate) fn told(report: &CheckReport, place: &Place) -> Vec<String> {
    let base = format!("{}/", place.dir.path().display());
    let told = report.findings.iter().map(|finding| {
        let subject = match &finding.subject {
            Subject::Store => "store".to_owned(),
            Subject::Item(id) => format!("{} {id}", id.kind()),
            Subject::ReadOnly(id) => format!("read-only {} {id}", id.kind()),
        };
        let text = finding.damage.to_string().replace(&base, "");
        match finding.verdict {
            Verdict::Damaged(remedy) => format!("{subject}: {text} ({remedy:?})"),
            other => format!("{subject}: {text} ({other:?})"),
        }
    });
    told.collect()
}

fn tree(place: &Place, layer: &str) -> PathBuf {
    place.graph("vfs/dir").join(layer)
}

/// Writes a file and keeps its modification time.
fn forge(path: &Path, content: &str) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, content).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn a_store_in_use_is_clean() {
    let place = furnished();
    assert_eq!(told(&check(&place.store), &place), Vec::<String>::new());
    // Mounts and writes of a container to its own layer are not damage.
    let path = place.store.mount("c", &MountRequest::new()).unwrap();
    fs::create_dir(path.join("run")).unwrap();
    fs::write(path.join("usr/lib/one"), "changed").unwrap();
    let image = place.store.mount_image("image", &MountRequest::new());
    fs::metadata(image.unwrap().join("lib/three")).unwrap();
    // A lookup can change the time of a directory.
    fs::write(tree(&place, "b").join("usr/probe"), "").unwrap();
    fs::remove_file(tree(&place, "b").join("usr/probe")).unwrap();
    assert_eq!(told(&check(&place.store), &place), Vec::<String>::new());
    assert!(check(&place.again()).is_clean());
}

#[test]
fn a_copy_as_go_unpacks_it_is_no_damage() {
    let place = furnished();
    let top = tree(&place, "b");
    fs::rename(top.join("lib/three"), top.join("usr/lib/three")).unwrap();
    fs::remove_dir(top.join("lib")).unwrap();
    std::os::unix::fs::symlink("/usr/lib", top.join("lib")).unwrap();
    let open = |layer| Dir::open_ambient(tree(&place, layer)).unwrap();
    let below = open("a").stat("lib").unwrap().unwrap();
    open("b").set_times("lib", &Times::of(&below)).unwrap();
    // The link counts with the length of its target, which the counter does not include.
    let mut found = told(&check(&place.store), &place);
    found.retain(|text| !text.starts_with("layer b: it is counted with "));
    assert_eq!(found, Vec::<String>::new());
    // What is wrong by both rules is damage.
    fs::remove_file(top.join("usr/lib/one")).unwrap();
    let found = told(&check(&place.store), &place);
    let is_named = |text: &String| text.starts_with("layer b: /usr/lib/one: ");
    assert!(found.iter().any(is_named), "{found:?}");
}

#[test]
fn a_whiteout_with_content_is_no_damage() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let tar = TarBuilder::new()
        .entry(TarEntry::file("kept", "1"))
        .entry(TarEntry::file(".wh.gone", "content"))
        .finish();
    let layer = LayerSpec::new().id(id("a")).read_only();
    let layer = tx.import_layer(layer, reader(&tar)).unwrap();
    tx.create_image(ImageSpec::new().without_manifest().top_layer(&layer))
        .unwrap();
    tx.commit().unwrap();
    assert_eq!(told(&check(&place.store), &place), Vec::<String>::new());
}

#[test]
fn changed_files_are_named() {
    let place = furnished();
    let top = tree(&place, "b");
    // A file of the layer itself, a file of its parent, an added file and a missing file.
    forge(&top.join("lib/three"), "xxx");
    forge(&top.join("usr/lib/one"), "1x11");
    fs::write(top.join("extra"), "").unwrap();
    fs::remove_file(top.join("again")).unwrap();
    let report = check(&place.store);
    let mut files: Vec<(String, &FileChange)> = Vec::new();
    for finding in &report.findings {
        if let Damage::File { path, change } = &finding.damage {
            files.push((path.display().to_string(), change));
        }
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("/again".to_owned(), &FileChange::Removed),
        ("/extra".to_owned(), &FileChange::Added),
        ("/lib/three".to_owned(), &FileChange::Content),
        ("/usr/lib/one".to_owned(), &FileChange::Content),
    ];
    assert_eq!(files, expected);
    let others: Vec<String> = told(&report, &place)
        .into_iter()
        .filter(|text| !text.starts_with("layer b: /"))
        .collect();
    assert_eq!(
        others,
        [
            "layer w: its parent b is damaged (Remove)",
            "image i: its layer b is damaged (Remove)",
            "container c: its image i is damaged (Remove)",
        ]
    );
}

#[test]
fn changed_attributes_are_named() {
    let place = furnished();
    let file = tree(&place, "a").join("usr/lib/two");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + Duration::from_secs(7))
        .unwrap();
    let link = tree(&place, "a").join("lib");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/elsewhere", &link).unwrap();
    let report = check(&place.store);
    let changes: Vec<(Attribute, String, String)> = report
        .findings
        .iter()
        .filter_map(|finding| match &finding.damage {
            Damage::File {
                change: FileChange::Attributes(changes),
                ..
            } => Some(changes),
            _ => None,
        })
        .flatten()
        .map(|change| (change.what, change.expected.clone(), change.actual.clone()))
        .filter(|(_, _, actual)| !actual.starts_with("17"))
        .collect();
    let entry = |what, expected: &str, actual: &str| (what, expected.to_owned(), actual.to_owned());
    assert_eq!(
        changes,
        [
            entry(Attribute::Target, "/usr/lib", "/elsewhere"),
            entry(Attribute::Mode, "0644", "0600"),
            entry(Attribute::Modified, "100", "7"),
        ]
    );
    // Less depth finds less.
    let digests = CheckOptions::new().with_depth(CheckDepth::Digests);
    assert!(place.store.check(&digests).unwrap().is_clean());
}

#[test]
fn times_say_nothing_where_files_may_be_hard_links_to_others() {
    let place = furnished();
    let path = tree(&place, "a").join("usr/lib/one");
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    assert_ne!(told(&check(&place.store), &place), Vec::<String>::new());
    let options = options(place.dir.path());
    let store = Store::open(options.with_pull_option("use_hard_links", "true")).unwrap();
    assert_eq!(told(&check(&store), &place), Vec::<String>::new());
}

#[test]
fn root_changed_extended_attributes_and_devices_are_named() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let mut capability = vec![1, 0, 0, 2];
    capability.extend([1; 16]);
    for driver in ["vfs", "overlay"] {
        let dir = layerhold_testkit::scratch();
        let (root, run) = (dir.path().join("root"), dir.path().join("runroot"));
        let options = layerhold::StoreOptions::new(root, run).with_driver(driver);
        let store = Store::open(options).unwrap();
        let place = Place { dir, store };
        let base = TarBuilder::new()
            .entry(TarEntry::file("ping", "1").xattr("security.capability", &capability))
            .entry(
                TarEntry::file("noted", "2")
                    .xattr("user.note", "text")
                    .xattr("user.containers.override_stat", "0:0:0644")
                    .xattr("security.selinux", "label"),
            )
            .entry(TarEntry::file("plain", "3"))
            .entry(TarEntry::hard_link("again", "ping"))
            .entry(TarEntry::char_device("null", 1, 3))
            .finish();
        let mut tx = place.store.begin().unwrap();
        let layer = LayerSpec::new().id(id("a")).read_only();
        let layer = tx.import_layer(layer, reader(&base)).unwrap();
        let top = LayerSpec::new().id(id("b")).parent(&layer).read_only();
        let top = tx.import_layer(top, reader(&small_tar())).unwrap();
        tx.create_image(ImageSpec::new().without_manifest().top_layer(&top))
            .unwrap();
        tx.commit().unwrap();
        assert_eq!(
            told(&check(&place.store), &place),
            Vec::<String>::new(),
            "{driver}"
        );
        let tree = match driver {
            "vfs" => place.graph("vfs/dir/a"),
            _ => place.graph("overlay/a/diff"),
        };
        let run = |program: &str, args: &[&str]| {
            let mut command = std::process::Command::new(program);
            assert!(
                command
                    .args(args)
                    .current_dir(&tree)
                    .status()
                    .unwrap()
                    .success()
            );
        };
        let in_tree = Dir::open_ambient(&tree).unwrap();
        let set = |file: &str, name: &str, value: &[u8]| {
            layerhold_sys::xattr::set_at(&in_tree, file, name, value).unwrap();
        };
        assert!(layerhold_sys::xattr::remove_at(&in_tree, "ping", "security.capability").unwrap());
        set("noted", "user.note", b"other");
        // An added note is not damage, but an added capability is.
        set("plain", "user.mine", b"x");
        set("plain", "security.capability", &capability);
        run("rm", &["null"]);
        run("mknod", &["-m", "644", "null", "c", "1", "5"]);
        run("touch", &["-d", "@0", "null"]);
        let told = told(&check(&place.store), &place);
        let of_layer: Vec<&str> = told
            .iter()
            .filter_map(|line| line.strip_prefix("layer a: ")?.strip_suffix(" (Remove)"))
            .collect();
        let rights = "security.capability=0x0100000201010101010101010101010101010101";
        assert_eq!(
            of_layer,
            [
                &format!("/again: its extended attribute is no security.capability, not {rights}"),
                "/noted: its extended attribute is user.note=0x6f74686572, not user.note=0x74657874",
                "/null: its device number is 1:5, not 1:3",
                &format!("/ping: its extended attribute is no security.capability, not {rights}"),
                &format!("/plain: its extended attribute is {rights}, not no security.capability"),
            ],
            "{driver}"
        );
        place.store.shutdown(layerhold::Shutdown::Force).unwrap();
    }
}

#[test]
fn root_a_mount_without_a_count_is_found_and_counted() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let dir = layerhold_testkit::scratch();
    let (root, run) = (dir.path().join("root"), dir.path().join("runroot"));
    let options = layerhold::StoreOptions::new(root, run).with_driver("overlay");
    let store = Store::open(options.clone()).unwrap();
    let place = furnish(Place { dir, store });
    let path = place.store.mount("c", &MountRequest::new()).unwrap();
    fs::remove_file(place.run("overlay-layers/mountpoints.json")).unwrap();
    for entry in fs::read_dir(place.run("overlay-layers")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == "layerhold-mountpoints.json" {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let store = Store::open(options).unwrap();
    let report = check(&store);
    let line = format!(
        "layer w: it is mounted at {}, and has no mount count (Rebuild)",
        path.strip_prefix(place.dir.path()).unwrap().display()
    );
    assert_eq!(told(&report, &place), [line]);
    let repaired = store.repair(&report, &layerhold::repair::RepairOptions::new());
    assert!(
        repaired.is_complete() && repaired.done.len() == 1,
        "{repaired:?}"
    );
    assert!(check(&store).is_clean());
    // With its count of one it can be unmounted.
    let counts = fs::read_to_string(place.run("overlay-layers/mountpoints.json")).unwrap();
    assert!(
        counts.contains("\"id\":\"w\"") && counts.contains("\"count\":1"),
        "{counts}"
    );
    store.unmount("c", layerhold::Unmounting::Once).unwrap();
    assert!(!path.join("usr").exists());
    assert!(check(&store).is_clean());
    store.shutdown(layerhold::Shutdown::Force).unwrap();
}

#[test]
fn depths_find_what_they_read() {
    let place = furnished();
    forge(&tree(&place, "a").join("usr/lib/one"), "1x11");
    let found = |depth| {
        let options = CheckOptions::new().with_depth(depth);
        let report = place.store.check(&options).unwrap();
        report.findings.len()
    };
    assert_eq!(found(CheckDepth::Records), 0);
    // The file and what uses its layer: the other layers, the image, the container.
    assert_eq!(found(CheckDepth::Digests), 5);
}

#[test]
fn what_nothing_uses_is_reported_when_it_is_old() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().id(id("old")), &small_tar());
    assert!(check(&place.store).is_clean());
    let at_once = CheckOptions::new().with_unreferenced_age(Duration::ZERO);
    let report = place.store.check(&at_once).unwrap();
    assert_eq!(
        told(&report, &place),
        ["layer old: no image or container uses it (Remove)"]
    );
    // A layer with a child is in use, however old it is.
    let file = place.graph("vfs-layers/layers.json");
    let text = fs::read_to_string(&file).unwrap();
    let at = text.find("\"created\":\"").unwrap() + 11;
    fs::write(&file, format!("{}1999{}", &text[..at], &text[at + 4..])).unwrap();
    let day = CheckOptions::new();
    assert_eq!(place.store.check(&day).unwrap().findings.len(), 1);
    let parent = id::<layerhold_ids::LayerId>("old");
    import(
        &place.store,
        LayerSpec::new().parent(parent).id(id("young")),
        &small_tar(),
    );
    assert!(check(&place.store).is_clean());
    place.store.delete_layer("young").unwrap();
    // The parent of a container is in use, with or without an image.
    let mut tx = place.store.begin().unwrap();
    let own = LayerSpec::new()
        .id(id("above"))
        .parent(id::<layerhold_ids::LayerId>("old"));
    tx.create_layer(own).unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .top_layer(id::<layerhold_ids::LayerId>("above")),
    )
    .unwrap();
    tx.commit().unwrap();
    assert!(place.store.check(&at_once).unwrap().is_clean());
}

#[test]
fn contents_are_not_garbage_while_records_are_lost() {
    for damage in ["empty", "missing", "torn"] {
        let place = furnished();
        let file = place.graph("vfs-layers/layers.json");
        let text = fs::read_to_string(&file).unwrap();
        match damage {
            "empty" => fs::write(&file, "").unwrap(),
            "missing" => fs::remove_file(&file).unwrap(),
            _ => fs::write(&file, &text[..text.len() / 2]).unwrap(),
        }
        let store = place.again();
        let report = check(&store);
        assert!(!report.is_clean());
        for finding in &report.findings {
            assert!(
                matches!(
                    finding.remedy(),
                    Remedy::Nothing | Remedy::SetAside | Remedy::Rebuild
                ),
                "{damage}: {finding:?}"
            );
        }
        assert!(
            report.removals.is_empty(),
            "{damage}: {:?}",
            report.removals
        );
        let first = &told(&report, &place)[0];
        let expected = match damage {
            "empty" => {
                "store: root/vfs-layers/layers.json is empty, so the items that it named are lost (a file without records holds []) (Rebuild)"
            }
            "missing" => {
                "store: root/vfs-layers/layers.json is missing, but there are contents that it should name (Rebuild)"
            }
            _ => "store: a part of a file of layer records is no usable record (SetAside)",
        };
        assert_eq!(first, expected);
    }
}

#[test]
fn records_that_were_never_saved_are_not_lost() {
    let place = Place::new();
    fs::create_dir(place.graph("vfs/dir/stray")).unwrap();
    assert_eq!(
        told(&check(&place.store), &place),
        ["layer stray: the driver holds a layer that has no record (Remove)"]
    );
}

#[test]
fn leftovers_are_found_while_their_owners_are_dead() {
    let dir = layerhold_testkit::scratch();
    let store = Store::open(options(dir.path()).with_recovery(Recovery::Never)).unwrap();
    let place = Place { dir, store };
    image(&place.store, "image", &small_tar());
    // A transaction in progress has an area, and so has an import that waits.
    let mut tx = place.store.begin().unwrap();
    tx.import_layer(LayerSpec::new(), reader(&file_tar("x", b"1")))
        .unwrap();
    assert!(check(&place.store).is_clean());
    drop(tx);
    for area in ["vfs-layers/tmp", "vfs/tempdirs"] {
        let area = place.graph(area);
        fs::create_dir_all(area.join("temp-dir-12")).unwrap();
        fs::write(area.join("temp-dir-12/0-x"), "12345").unwrap();
        fs::write(area.join("lock-12"), "").unwrap();
    }
    fs::write(place.graph("vfs-images/.tmp-images.json123"), "[").unwrap();
    let report = check(&place.store);
    assert_eq!(
        told(&report, &place),
        [
            "store: root/vfs-images/.tmp-images.json123 was left by a save that was cut off (Remove)",
            "store: root/vfs-layers/tmp/temp-dir-12 was left by a process that died (Remove)",
            "store: root/vfs/tempdirs/temp-dir-12 was left by a process that died (Remove)",
        ]
    );
    assert_eq!(report.bytes(layerhold::check::Containers::Keep), 11);
}

#[test]
fn a_busy_store_is_clean() {
    let place = Place::new();
    let (image, _) = image(&place.store, "kept", &small_tar());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (store, stop, image) = (place.again(), &stop, image.clone());
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let name = format!("image-{worker}");
                    let (made, _) =
                        crate::support::image(&store, &name, &file_tar("x", &[1; 3000]));
                    let mut tx = store.begin().unwrap();
                    let spec = ContainerSpec::new().image(image.clone());
                    let container = tx.create_container(spec).unwrap();
                    tx.commit().unwrap();
                    store.delete_container(container.id().as_str()).unwrap();
                    store
                        .delete_image(made.as_str(), layerhold::DeleteMode::Delete)
                        .unwrap();
                }
            });
        }
        let at_once = CheckOptions::new().with_unreferenced_age(Duration::ZERO);
        for _ in 0..15 {
            let report = place.store.check(&at_once).unwrap();
            let told = told(&report, &place);
            if !told.is_empty() {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            assert_eq!(told, Vec::<String>::new());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn layers_of_additional_stores_are_reported_as_such() {
    let other = furnished();
    fs::write(tree(&other, "a").join("usr/lib/two"), "xxxx").unwrap();
    fs::remove_file(other.graph("vfs-images/i/other")).unwrap();
    let dir = layerhold_testkit::scratch();
    let option = format!("vfs.imagestore={}", other.graph("").display());
    let store = Store::open(options(dir.path()).with_driver_option(option)).unwrap();
    let place = Place { dir, store };
    let own = image(&place.store, "own", &small_tar());
    let report = check(&place.store);
    assert_eq!(
        told(&report, &place),
        [
            "read-only layer a: /usr/lib/two: has other content (Nothing)",
            "read-only image i: the data item \"other\" is missing (Nothing)",
            "read-only image i: its layer a is damaged (Nothing)",
        ]
    );
    assert!(report.removals.is_empty());
    drop(own);
}

#[test]
fn root_overlay_stores_are_checked_like_others() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let Some(()) = layerhold_testkit::require_feature(Feature::AllMounts) else {
        return;
    };
    let dir = layerhold_testkit::scratch();
    let options = layerhold::StoreOptions::new(dir.path().join("root"), dir.path().join("runroot"));
    let store = Store::open(options.with_driver("overlay")).unwrap();
    let place = furnish(Place { dir, store });
    assert_eq!(told(&check(&place.store), &place), Vec::<String>::new());
    let path = place.store.mount("c", &MountRequest::new()).unwrap();
    fs::write(path.join("usr/lib/one"), "changed").unwrap();
    assert_eq!(told(&check(&place.store), &place), Vec::<String>::new());
    unmount_outside(&path);
    let stale = format!(
        "layer w: it is counted as mounted 1 times at {}, and is not mounted (Rebuild)",
        path.strip_prefix(place.dir.path()).unwrap().display()
    );
    assert_eq!(told(&check(&place.store), &place), [stale]);
    // Files of the driver beside the layers, and bytes of a layer.
    let home = place.graph("overlay");
    fs::write(home.join("b/lower"), "").unwrap();
    let link = fs::read_to_string(home.join("a/link")).unwrap();
    fs::remove_file(home.join("l").join(&link)).unwrap();
    forge(&home.join("b/diff/lib/three"), "xxx");
    let report = check(&place.store);
    let told = told(&report, &place).join("\n");
    for part in [
        "layer a: what the driver keeps",
        "layer b: what the driver keeps",
        "layer b: /lib/three: has other content (Remove)",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    forge(&home.join("b/diff/lib/three"), "333");
    let report = check(&place.store);
    let repaired = place
        .store
        .repair(&report, &layerhold::repair::RepairOptions::new());
    assert!(repaired.is_complete(), "{repaired:?}");
    assert!(
        repaired
            .done
            .iter()
            .all(|done| !matches!(done, layerhold::repair::Action::Remove(_))),
        "{repaired:?}"
    );
    assert_eq!(
        self::told(&check(&place.store), &place),
        Vec::<String>::new()
    );
    assert_eq!(fs::read_to_string(home.join("a/link")).unwrap(), link);
    let path = place.store.mount("c", &MountRequest::new()).unwrap();
    assert_eq!(
        fs::read_to_string(path.join("usr/lib/one")).unwrap(),
        "changed"
    );
    place
        .store
        .unmount("c", layerhold::Unmounting::Once)
        .unwrap();
    place.store.shutdown(layerhold::Shutdown::Force).unwrap();
}

#[test]
fn root_peer_stores_that_go_made_are_clean() {
    let Some(()) = layerhold_testkit::require_peer("containers-storage") else {
        return;
    };
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    for driver in ["vfs", "overlay"] {
        let dir = layerhold_testkit::scratch();
        let go = layerhold_testkit::GoStore::below(dir.path(), driver);
        let tar = |name: &str, tar: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, tar).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (base, top) = (tar("base.tar", &base_tar()), tar("top.tar", &top_tar()));
        let base = go.id(["import-layer", "-r", "-f", &base]);
        let top = go.id(["import-layer", "-r", "-f", &top, &base]);
        go.run(["create-image", "-n", "image", &top])
            .assert_success();
        let container = go.id(["create-container", "image"]);
        let mounted = go.run(["mount", &container]);
        mounted.assert_success();
        let store = layerhold::StoreOptions::new(go.root(), go.runroot()).with_driver(driver);
        let store = Store::open(store).unwrap();
        let place = Place { dir, store };
        assert_eq!(
            told(&check(&place.store), &place),
            Vec::<String>::new(),
            "{driver}"
        );
        go.run(["unmount", &container]).assert_success();
        assert!(check(&place.store).is_clean());
        place.store.shutdown(layerhold::Shutdown::Force).unwrap();
    }
}

#[test]
fn stores_in_several_places_are_clean_and_searched_everywhere() {
    let dir = layerhold_testkit::scratch();
    let split = options(dir.path()).with_image_store(dir.path().join("images"));
    let store = Store::open(split.with_persistence(layerhold::Persistence::Transient)).unwrap();
    let place = furnish(Place { dir, store });
    assert_eq!(told(&check(&place.store), &place), Vec::<String>::new());
    let images = place.dir.path().join("images");
    fs::remove_file(images.join("vfs-images/i/other")).unwrap();
    fs::create_dir(images.join("vfs/dir/stray")).unwrap();
    assert_eq!(
        told(&check(&place.store), &place),
        [
            "layer stray: the driver holds a layer that has no record (Remove)",
            "image i: the data item \"other\" is missing (Remove)",
            "container c: its image i is damaged (Remove)",
        ]
    );
}

/// A store of one layer with a file of another owner, and the options to open it without driver
/// options.
fn with_owners(driver: &str, option: &str) -> (layerhold_testkit::TempDir, Store) {
    let place = layerhold_testkit::scratch();
    let base = place.path();
    let options = || {
        layerhold::StoreOptions::new(base.join("root"), base.join("runroot")).with_driver(driver)
    };
    let store = match option {
        "" => options(),
        option => options().with_driver_option(option),
    };
    let store = Store::open(store).unwrap();
    let mut tx = store.begin().unwrap();
    let layer = LayerSpec::new().id(id("a")).read_only();
    let layer = tx.import_layer(layer, reader(&small_tar())).unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .id(id("i"))
        .name("image")
        .top_layer(&layer);
    tx.create_image(spec).unwrap();
    tx.commit().unwrap();
    drop(store);
    let store = Store::open(options()).unwrap();
    (place, store)
}

#[test]
fn root_owners_that_an_option_explains_are_noted() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let (place, store) = with_owners("vfs", "");
    assert!(check(&store).is_clean());
    // The state that the option leaves when the owner cannot be set.
    let file = place.path().join("root/vfs/dir/a/etc/hostname");
    std::os::unix::fs::chown(&file, Some(0), Some(0)).unwrap();
    let report = check(&store);
    let told: Vec<_> = report.findings.iter().map(|one| one.verdict).collect();
    assert_eq!(told, [Verdict::Note]);
    assert!(report.removals.is_empty() && !report.is_damaged());
    // Any other owner is damage.
    std::os::unix::fs::chown(&file, Some(9), Some(0)).unwrap();
    assert!(check(&store).is_damaged());
}

#[test]
fn root_overlay_layers_of_other_forms_are_not_judged() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    // The contents of a composefs layer have other paths.
    let (place, store) = with_owners("overlay", "");
    let layer = place.path().join("root/overlay/a");
    fs::create_dir(layer.join("composefs-data")).unwrap();
    fs::remove_dir_all(layer.join("diff/etc")).unwrap();
    let report = check(&store);
    assert!(!report.findings.is_empty());
    for finding in &report.findings {
        assert_eq!(finding.verdict, Verdict::Unjudged, "{finding:?}");
    }
    assert!(report.removals.is_empty());
    best_effort(store.shutdown(layerhold::Shutdown::Force));
    // With a mask, files carry their owner and mode in an attribute.
    let (_place, store) = with_owners("overlay", "overlay.force_mask=700");
    let report = check(&store);
    assert!(report.is_clean(), "{report:?}");
    best_effort(store.shutdown(layerhold::Shutdown::Force));
}
