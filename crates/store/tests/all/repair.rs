//! Tests repairs: each kind of damage is caused, reported and repaired.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use layerhold::check::{CheckOptions, Containers, Removable};

use layerhold::repair::{Action, RepairMode, RepairOptions, RepairReport};

use layerhold::{DeleteMode, LayerSpec, MountRequest, Store};

use layerhold_testkit::{Fault, FaultIo};

use crate::check::{check, furnished, told};
use crate::support::{Place, id, import, leftovers, long, options, reader, small_tar};

/// A kind of damage: how to cause it, its findings in a check, and the findings after a repair.
struct Case {
    name: &'static str,
    make: fn(&Place),
    told: &'static [&'static str],
    /// The steps of a repair that keeps containers.
    done: &'static [&'static str],
    /// The findings of a check after that.
    left: &'static [&'static str],
}

fn edit(place: &Place, file: &str, from: &str, to: &str) {
    let text = place.records(file);
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(place.graph(file), text.replacen(from, to, 1)).unwrap();
}

fn shown(report: &RepairReport) -> Vec<String> {
    let mut shown: Vec<String> = report
        .done
        .iter()
        .map(|action| match action {
            Action::Rebuild { damage, .. } => format!("rebuild: {damage}"),
            Action::SetAside { damage } => format!("set aside: {damage}"),
            Action::Quarantine { layer, .. } => format!("quarantine layer {layer}"),
            Action::Remove(what) => match what {
                Removable::Container(id) => format!("remove container {id}"),
                Removable::Image(id) => format!("remove image {id}"),
                Removable::Layer(id) => format!("remove layer {id}"),
                Removable::Contents(id) => format!("remove contents {id}"),
                Removable::Path(path) => {
                    format!("remove {}", path.file_name().unwrap().to_string_lossy())
                }
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        })
        .collect();
    for kept in &report.kept {
        shown.push(format!("keep {:?}", kept.what));
    }
    for failure in &report.failed {
        shown.push(format!("failed {:?}: {}", failure.action, failure.error));
    }
    shown
}

fn everything() -> RepairOptions {
    RepairOptions::new().with_containers(Containers::Remove)
}

const CASES: &[Case] = &[
    Case {
        name: "contents without a record",
        make: |place| fs::create_dir_all(place.graph("vfs/dir/stray/x")).unwrap(),
        told: &["layer stray: the driver holds a layer that has no record (Remove)"],
        done: &["remove contents stray"],
        left: &[],
    },
    Case {
        name: "a record without contents",
        make: |place| fs::remove_dir_all(place.graph("vfs/dir/w")).unwrap(),
        told: &[
            "layer w: the driver holds no contents of it (Remove)",
            "container c: its layer w is damaged (Remove)",
        ],
        done: &["keep Container(ContainerId(\"c\"))"],
        left: &[
            "layer w: the driver holds no contents of it (Remove)",
            "container c: its layer w is damaged (Remove)",
        ],
    },
    Case {
        name: "a tar-split file that can be made again is missing",
        make: |place| {
            // This library packs its own tars again bit for bit.
            drop(packed_layer(place));
            fs::remove_file(place.graph("vfs-layers/p.tar-split.gz")).unwrap();
        },
        told: &[
            "layer p: its tar-split file is missing (Rebuild)",
            "image q: its layer p is damaged (Nothing)",
        ],
        done: &["rebuild: its tar-split file is missing"],
        left: &[],
    },
    Case {
        name: "a tar-split file that can be made again is damaged",
        make: |place| {
            drop(packed_layer(place));
            fs::write(place.graph("vfs-layers/p.tar-split.gz"), "junk").unwrap();
        },
        told: &[
            "layer p: its tar-split file is damaged (Rebuild)",
            "image q: its layer p is damaged (Nothing)",
        ],
        done: &["rebuild: its tar-split file is damaged"],
        left: &[],
    },
    Case {
        name: "a tar-split file cannot be made again",
        make: |place| {
            place.store.delete_container("c").unwrap();
            fs::write(place.graph("vfs-layers/b.tar-split.gz"), "").unwrap();
        },
        told: &[
            "layer b: its tar-split file is damaged (Nothing)",
            "image i: its layer b is damaged (Nothing)",
        ],
        // The files are intact.
        done: &[],
        left: &[
            "layer b: its tar-split file is damaged (Nothing)",
            "image i: its layer b is damaged (Nothing)",
        ],
    },
    Case {
        name: "the recorded size is wrong",
        make: |place| {
            edit(
                place,
                "vfs-layers/layers.json",
                "\"diff-size\":5120",
                "\"diff-size\":1",
            )
        },
        told: &[
            "layer a: its tar has 5120 bytes, and 1 are recorded (Rebuild)",
            "image i: its layer a is damaged (Nothing)",
        ],
        done: &["rebuild: its tar has 5120 bytes, and 1 are recorded"],
        left: &[],
    },
    Case {
        name: "the recorded digest is wrong",
        make: |place| {
            let text = place.records("vfs-layers/layers.json");
            let at = text.find("\"diff-digest\":\"sha256:").unwrap() + 22;
            let wrong = format!("{}{}{}", &text[..at], long('0'), &text[at + 64..]);
            fs::write(place.graph("vfs-layers/layers.json"), wrong).unwrap();
        },
        told: &[
            "layer a: its tar has the digest DIGEST (Rebuild)",
            "image i: its layer a is damaged (Nothing)",
        ],
        done: &["rebuild: its tar has the digest DIGEST"],
        left: &[],
    },
    Case {
        name: "orphans",
        make: |place| {
            let name = long('e');
            for dir in ["vfs-layers", "vfs-images", "vfs-containers"] {
                fs::create_dir(place.graph(dir).join(&name)).unwrap();
            }
            fs::write(place.graph("vfs-layers/gone.tar-split.gz"), "12345").unwrap();
        },
        told: &[
            // Their records may be in an image store.
            "store: LAYERS/EEE belongs to layer EEE, which has no record (Unjudged)",
            "store: LAYERS/gone.tar-split.gz belongs to layer gone, which has no record (Unjudged)",
            "store: IMAGES/EEE belongs to image EEE, which has no record (Remove)",
            "store: CONTAINERS/EEE belongs to container EEE, which has no record (Remove)",
        ],
        done: &["remove EEE", "remove EEE"],
        left: &[
            "store: LAYERS/EEE belongs to layer EEE, which has no record (Unjudged)",
            "store: LAYERS/gone.tar-split.gz belongs to layer gone, which has no record (Unjudged)",
        ],
    },
    Case {
        name: "an item with a copy",
        make: |place| fs::remove_file(place.graph("vfs-images/i/config")).unwrap(),
        told: &["image i: the data item \"config\" is missing (Rebuild)"],
        done: &["rebuild: the data item \"config\" is missing"],
        left: &[],
    },
    Case {
        name: "an item with other content",
        make: |place| fs::write(place.graph("vfs-images/i/copy"), "[]").unwrap(),
        told: &["image i: the data item \"copy\" does not have the digest DIGEST (Rebuild)"],
        done: &["rebuild: the data item \"copy\" does not have the digest DIGEST"],
        left: &[],
    },
    Case {
        name: "an item without a copy",
        make: |place| {
            place.store.delete_container("c").unwrap();
            fs::write(place.graph("vfs-images/i/other"), "longer").unwrap();
        },
        told: &["image i: the data item \"other\" has 6 bytes and should have 4 (Remove)"],
        done: &["remove image i", "remove layer b", "remove layer a"],
        left: &[],
    },
    Case {
        name: "an item of a container",
        make: |place| fs::remove_file(place.graph("vfs-containers/c/state")).unwrap(),
        told: &["container c: the data item \"state\" is missing (Remove)"],
        done: &["keep Container(ContainerId(\"c\"))"],
        left: &["container c: the data item \"state\" is missing (Remove)"],
    },
    Case {
        name: "a record that is none",
        make: |place| {
            edit(
                place,
                "vfs-images/images.json",
                "\"layer\":\"b\"",
                "\"layer\":7",
            )
        },
        told: &[
            "store: a part of a file of image records is no usable record (SetAside)",
            "image i: its record is lost (Rebuild)",
        ],
        // The record of its layer is rebuilt from the container.
        done: &[
            "set aside: a part of a file of image records is no usable record",
            "rebuild: its record is lost",
        ],
        left: &[],
    },
    Case {
        name: "a torn file",
        make: |place| {
            let text = place.records("vfs-containers/containers.json");
            let torn = format!("{},{{\"id\":\"lost\",", text.strip_suffix(']').unwrap());
            fs::write(place.graph("vfs-containers/containers.json"), torn).unwrap();
        },
        told: &[
            "store: a part of a file of container records is no usable record (SetAside)",
            "container lost: its record is lost, and none can be made: which layer is its own is not known (Nothing)",
        ],
        done: &["set aside: a part of a file of container records is no usable record"],
        left: &[],
    },
    Case {
        name: "a missing layer",
        make: |place| {
            place.store.delete_container("c").unwrap();
            let text = place.records("vfs-layers/layers.json");
            let at = text.find(",{\"id\":\"b\"").unwrap();
            fs::write(
                place.graph("vfs-layers/layers.json"),
                format!("{}]", &text[..at]),
            )
            .unwrap();
        },
        told: &[
            "layer b: its record is lost, and with it how it was compressed when it came, when it was made (the time of its files is taken), names, metadata, flags (Rebuild)",
            "image i: its layer b is damaged (Nothing)",
        ],
        done: &[
            "rebuild: its record is lost, and with it how it was compressed when it came, when it was made (the time of its files is taken), names, metadata, flags",
        ],
        left: &[],
    },
    Case {
        name: "a missing copy of the top layer",
        make: |place| {
            edit(
                place,
                "vfs-images/images.json",
                "\"created\"",
                "\"mapped-layers\":[\"m\"],\"created\"",
            )
        },
        told: &["image i: the copy m of its top layer is missing (Rebuild)"],
        done: &["rebuild: the copy m of its top layer is missing"],
        left: &[],
    },
    Case {
        name: "a missing parent",
        make: |place| {
            place.store.delete_container("c").unwrap();
            edit(
                place,
                "vfs-layers/layers.json",
                "\"parent\":\"a\"",
                "\"parent\":\"z\"",
            );
        },
        told: &[
            "layer b: its parent z is missing (Remove)",
            "image i: its layer z is missing (Remove)",
            "image i: its layer b is damaged (Remove)",
        ],
        done: &["remove image i", "remove layer b"],
        left: &[],
    },
    Case {
        name: "a missing image",
        make: |place| {
            place.store.delete("i").unwrap();
        },
        told: &["container c: its image i is missing (Remove)"],
        done: &["keep Container(ContainerId(\"c\"))"],
        left: &["container c: its image i is missing (Remove)"],
    },
    Case {
        name: "a stale mount",
        make: |place| {
            let path = place.store.mount("a", &MountRequest::new()).unwrap();
            let file = place.run("vfs-layers/mountpoints.json");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, text.replace(path.to_str().unwrap(), "/nowhere")).unwrap();
        },
        told: &[
            "layer a: it is counted as mounted 1 times at /nowhere, and is not mounted (Rebuild)",
        ],
        done: &["rebuild: it is counted as mounted 1 times at /nowhere, and is not mounted"],
        left: &[],
    },
    Case {
        name: "a layer that is counted wrongly",
        make: |place| {
            drop(place.store.usage().unwrap());
            edit(
                place,
                "vfs-layers/layerhold-usage.jsonl",
                "\"bytes\":16",
                "\"bytes\":17",
            );
        },
        told: &["layer a: it is counted with 17 bytes and 6 inodes, and has 16 and 6 (Rebuild)"],
        done: &["rebuild: it is counted with 17 bytes and 6 inodes, and has 16 and 6"],
        left: &[],
    },
    Case {
        name: "counts that are none",
        make: |place| fs::write(place.run("vfs-layers/mountpoints.json"), "[{").unwrap(),
        told: &["store: the mount counts cannot be read (Rebuild)"],
        done: &["rebuild: the mount counts cannot be read"],
        left: &[],
    },
    Case {
        name: "a file with other content",
        make: |place| {
            place.store.delete_container("c").unwrap();
            fs::write(place.graph("vfs/dir/b/lib/three"), "x").unwrap();
        },
        told: &[
            "layer b: /lib/three: has other content (Remove)",
            "image i: its layer b is damaged (Remove)",
        ],
        done: &["remove image i", "quarantine layer b", "remove layer a"],
        left: &[],
    },
];

/// A layer `p` whose tar is the one that this library packs, and an image of it.
fn packed_layer(place: &Place) -> Vec<u8> {
    let mut tx = place.store.begin().unwrap();
    tx.create_layer(LayerSpec::new().id(id("draft"))).unwrap();
    tx.commit().unwrap();
    let tree = place.graph("vfs/dir/draft");
    fs::create_dir(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/file"), "content").unwrap();
    let mut tar = Vec::new();
    let mut diff = place
        .store
        .diff(None, "draft", layerhold::DiffCompression::AsImported)
        .unwrap();
    std::io::Read::read_to_end(&mut diff, &mut tar).unwrap();
    let mut tx = place.store.begin().unwrap();
    let packed = LayerSpec::new().id(id("p")).read_only();
    let packed = tx.import_layer(packed, reader(&tar)).unwrap();
    tx.create_image(
        layerhold::ImageSpec::new()
            .without_manifest()
            .id(id("q"))
            .top_layer(&packed),
    )
    .unwrap();
    tx.commit().unwrap();
    place.store.delete_layer("draft").unwrap();
    tar
}

/// Replaces in a text what differs between runs.
fn plain(text: &str) -> String {
    let mut plain = text.replace(&long('e'), "EEE");
    for (dir, name) in [
        ("root/vfs-layers/", "LAYERS/"),
        ("root/vfs-images/", "IMAGES/"),
        ("root/vfs-containers/", "CONTAINERS/"),
    ] {
        plain = plain.replace(dir, name);
    }
    if let Some(at) = plain.find("the digest sha256:") {
        let rest = plain[at..].find(" (").map_or("", |end| &plain[at + end..]);
        plain = format!("{}the digest DIGEST{rest}", &plain[..at]);
    }
    if let Some(at) = plain.find("its time is 1") {
        let end = at + plain[at..].find(", not").unwrap();
        plain = format!("{}its time is NOW{}", &plain[..at], &plain[end..]);
    }
    plain
}

fn plain_all(texts: Vec<String>) -> Vec<String> {
    texts.iter().map(|text| plain(text)).collect()
}

#[test]
fn every_kind_of_damage_is_found_and_repaired() {
    for case in CASES {
        let place = furnished();
        (case.make)(&place);
        let store = place.again();
        let report = check(&store);
        assert_eq!(plain_all(told(&report, &place)), case.told, "{}", case.name);
        // A dry run reports the same and changes nothing.
        let dry = RepairOptions::new().with_mode(RepairMode::DryRun);
        let promised = plain_all(shown(&store.repair(&report, &dry)));
        let again = plain_all(told(&check(&store), &place));
        assert_eq!(again, case.told, "{}", case.name);
        let repaired = store.repair(&report, &RepairOptions::new());
        assert_eq!(plain_all(shown(&repaired)), case.done, "{}", case.name);
        assert_eq!(promised, case.done, "{}", case.name);
        let after = plain_all(told(&check(&place.again()), &place));
        assert_eq!(after, case.left, "{}", case.name);
        // With containers, only findings without a repair are left.
        let report = check(&store);
        let everything = store.repair(&report, &everything());
        assert!(everything.is_complete(), "{}: {everything:?}", case.name);
        let after = plain_all(told(&check(&place.again()), &place));
        let stays = |line: &&&str| line.ends_with("(Unjudged)") || line.ends_with("(Nothing)");
        let left: Vec<&str> = case.left.iter().filter(stays).copied().collect();
        assert_eq!(after, left, "{}", case.name);
        assert_eq!(leftovers(&place), Vec::<String>::new(), "{}", case.name);
    }
}

#[test]
fn only_what_was_named_goes() {
    let place = furnished();
    // Another image shares the lower layer, and is intact.
    let mut tx = place.store.begin().unwrap();
    let base = id::<layerhold_ids::LayerId>("a");
    tx.create_image(
        layerhold::ImageSpec::new()
            .without_manifest()
            .id(id("o"))
            .top_layer(base),
    )
    .unwrap();
    tx.commit().unwrap();
    fs::write(place.graph("vfs/dir/b/lib/three"), "x").unwrap();
    let report = check(&place.store);
    let named: Vec<String> = report
        .removals
        .iter()
        .map(|r| format!("{:?}", r.what))
        .collect();
    assert_eq!(
        named,
        [
            "Container(ContainerId(\"c\"))",
            "Image(ImageId(\"i\"))",
            "Layer(LayerId(\"b\"))",
        ]
    );
    assert!(report.bytes(Containers::Remove) > report.bytes(Containers::Keep));
    let repaired = place.store.repair(&report, &everything());
    assert!(repaired.is_complete(), "{repaired:?}");
    assert_eq!(repaired.bytes, report.bytes(Containers::Remove));
    let view = place.store.snapshot().unwrap();
    let left = |exists: bool| exists;
    assert!(left(view.exists("o")) && left(view.exists("a")));
    assert_eq!((view.layers().count(), view.images().count()), (1, 1));
    assert!(check(&place.store).is_clean());
}

#[test]
fn what_changed_since_the_check_is_left_alone() {
    let place = furnished();
    fs::remove_file(place.graph("vfs-images/i/other")).unwrap();
    place.store.delete_container("c").unwrap();
    let report = check(&place.store);
    place.store.add_names("i", &["new".to_owned()]).unwrap();
    let repaired = place.store.repair(&report, &everything());
    assert_eq!(repaired.done, []);
    let text = repaired.failed[0].error.to_string();
    assert_eq!(text, "it changed since the check; check again");
    assert!(place.store.exists("new").unwrap());
    // It is not a failure if the item is gone already.
    let report = check(&place.store);
    place.store.delete_image("i", DeleteMode::Delete).unwrap();
    assert!(place.store.repair(&report, &everything()).is_complete());
}

#[test]
fn bytes_that_are_set_aside_are_kept() {
    let place = furnished();
    edit(
        &place,
        "vfs-images/images.json",
        "\"layer\":\"b\"",
        "\"layer\":7",
    );
    let store = place.again();
    let damaged = place.records("vfs-images/images.json");
    let repaired = store.repair(&check(&store), &RepairOptions::new());
    assert!(repaired.is_complete(), "{repaired:?}");
    let kept = fs::read_dir(place.graph("vfs-images")).unwrap();
    let kept: Vec<_> = kept
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".damaged-"))
        .collect();
    assert_eq!(kept.len(), 1);
    let element = &damaged[1..damaged.len() - 1];
    assert!(fs::read_to_string(&kept[0]).unwrap().contains(element));
}

#[test]
fn forgotten_layers_go_from_the_top_down() {
    let place = Place::new();
    let below = import(&place.store, LayerSpec::new().id(id("one")), &small_tar());
    import(
        &place.store,
        LayerSpec::new().id(id("two")).parent(&below),
        &small_tar(),
    );
    let at_once = CheckOptions::new().with_unreferenced_age(Duration::ZERO);
    let report = place.store.check(&at_once).unwrap();
    let repaired = place.store.repair(&report, &RepairOptions::new());
    assert_eq!(shown(&repaired), ["remove layer two", "remove layer one"]);
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 0);
}

#[test]
fn peer_go_reads_what_was_repaired() {
    let Some(()) = layerhold_testkit::require_peer("containers-storage") else {
        return;
    };
    let place = furnished();
    drop(packed_layer(&place));
    fs::remove_file(place.graph("vfs-layers/p.tar-split.gz")).unwrap();
    fs::remove_file(place.graph("vfs-images/i/config")).unwrap();
    let repaired = place.store.repair(&check(&place.store), &everything());
    assert!(repaired.is_complete(), "{repaired:?}");
    let go = layerhold_testkit::GoStore::new(&place.graph(""), &place.run(""), "vfs");
    let out = place.dir.path().join("out.tar");
    let layers: [&Path; 1] = [Path::new(&out)];
    let ran = go.run(["diff", "-u", "-f", layers[0].to_str().unwrap(), "p"]);
    ran.assert_success();
    go.run(["get-image-data", "i", "config"]).assert_success();
    let _again: Store = place.again();
}

/// A store with damage of several kinds, to be rebuilt and to be removed.
fn damaged() -> Place {
    let place = furnished();
    drop(packed_layer(&place));
    fs::remove_file(place.graph("vfs-layers/p.tar-split.gz")).unwrap();
    fs::remove_file(place.graph("vfs-images/i/config")).unwrap();
    fs::remove_file(place.graph("vfs-containers/c/state")).unwrap();
    fs::create_dir(place.graph("vfs/dir/stray")).unwrap();
    edit(
        &place,
        "vfs-layers/layers.json",
        "\"diff-size\":5120",
        "\"diff-size\":1",
    );
    place
}

#[test]
fn a_repair_that_is_cut_off_anywhere_can_be_done_again() {
    // Not at each operation, which would take long; the stride has no factor in common with the
    // steps of a save.
    for (fault, step) in [(Fault::CRASH, 3), (Fault::NO_SPACE, 11)] {
        let mut at = 1;
        loop {
            let place = damaged();
            let io = FaultIo::failing(at, fault);
            let options = options(place.dir.path()).with_metadata_io(Arc::new(io.clone()));
            if let Ok(store) = Store::open(options)
                && let Ok(report) = store.check(&CheckOptions::new())
            {
                // A failure is in the report of the repair, or the step succeeded in another way.
                let _report: RepairReport = store.repair(&report, &everything());
            }
            let store = place.again();
            let repaired = store.repair(&check(&store), &everything());
            assert!(repaired.is_complete(), "operation {at}: {repaired:?}");
            let left = told(&check(&place.again()), &place);
            assert_eq!(left, Vec::<String>::new(), "operation {at}");
            // The images were rebuilt, never removed.
            let view = store.snapshot().unwrap();
            assert!(view.exists("i") && view.exists("q"), "operation {at}");
            assert_eq!(leftovers(&place), Vec::<String>::new(), "operation {at}");
            if !io.has_failed() {
                break;
            }
            at += step;
        }
        assert!(at > 10, "{at}");
    }
}

/// Damages a file of a layer, repairs, and checks the quarantine.
fn quarantine(base: &Path, driver: &str, file: &str) {
    let open = || {
        let (graph, run) = (base.join("root"), base.join("runroot"));
        Store::open(layerhold::StoreOptions::new(graph, run).with_driver(driver)).unwrap()
    };
    let store = open();
    let mut tx = store.begin().unwrap();
    let mut layers: Vec<layerhold::StagedLayer> = Vec::new();
    for name in ["a", "b"] {
        let mut spec = LayerSpec::new().id(id(name)).read_only();
        if let Some(parent) = layers.last() {
            spec = spec.parent(parent);
        }
        let tar = crate::support::file_tar(name, b"content");
        layers.push(tx.import_layer(spec, reader(&tar)).unwrap());
    }
    let spec = layerhold::ImageSpec::new()
        .without_manifest()
        .id(id("i"))
        .name("example.com/app:1");
    tx.create_image(spec.top_layer(layers.last().unwrap()))
        .unwrap();
    tx.commit().unwrap();
    let item = &mut &b"data"[..];
    store.set_layer_data("b", "key", item).unwrap();
    fs::write(base.join("root").join(file), "CONTENT").unwrap();
    let report = check(&store);
    let image = layerhold::ItemId::Image(id("i"));
    assert_eq!(report.names[&image], ["example.com/app:1"]);
    let repaired = store.repair(&report, &RepairOptions::new());
    assert!(repaired.is_complete(), "{repaired:?}");
    let place = repaired.done.iter().find_map(|action| match action {
        Action::Quarantine { layer, place } if layer.as_str() == "b" => place.clone(),
        _ => None,
    });
    let place = place.unwrap();
    let holds = |dir: &Path| {
        let tree = if driver == "overlay" {
            dir.join("diff")
        } else {
            dir.to_owned()
        };
        fs::read(tree.join("b")).ok()
    };
    assert_eq!(holds(&place).as_deref(), Some(&b"CONTENT"[..]));
    let beside = base.join(format!("root/{driver}-layers/layerhold-quarantine/b"));
    let record = fs::read_to_string(beside.join("layer.json")).unwrap();
    assert!(record.contains("\"id\":\"b\""), "{record}");
    assert!(beside.join("tar-split.gz").exists() && beside.join("data").is_dir());
    // It disturbs nothing, and stays.
    let store = open();
    assert!(check(&store).is_clean());
    assert!(
        store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.snapshot().unwrap().layers().count(), 0);
    if let Some(()) = layerhold_testkit::require_peer("containers-storage") {
        let peer =
            layerhold_testkit::GoStore::new(&base.join("root"), &base.join("runroot"), driver);
        assert_eq!(peer.run(["layers"]).text(), "");
        peer.run(["create-layer"]).assert_success();
        peer.run(["shutdown"]).assert_success();
    }
    assert!(holds(&place).is_some());
    for mode in [DeleteMode::DryRun, DeleteMode::DryRun, DeleteMode::Delete] {
        assert_eq!(open().erase_quarantine(mode).unwrap().len(), 2);
    }
    assert_eq!(
        open().erase_quarantine(DeleteMode::Delete).unwrap().len(),
        0
    );
    assert!(!place.exists() && !beside.exists());
}

#[test]
fn root_peer_a_damaged_layer_is_set_aside() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = layerhold_testkit::scratch();
    quarantine(place.path(), "vfs", "vfs/dir/b/b");
}

#[test]
fn root_overlay_peer_a_damaged_layer_is_set_aside() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = layerhold_testkit::scratch();
    quarantine(place.path(), "overlay", "overlay/b/diff/b");
    let store =
        layerhold::StoreOptions::new(place.path().join("root"), place.path().join("runroot"));
    drop(
        Store::open(store.with_driver("overlay"))
            .unwrap()
            .shutdown(layerhold::Shutdown::Force),
    );
}
