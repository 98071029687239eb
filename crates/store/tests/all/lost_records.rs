//! Tests that lost records are rebuilt from what else is there, and that nothing is removed because
//! its record is lost.

use std::fs;
use std::io::Read;
use std::path::Path;

use layerhold::check::{CheckReport, Containers, Damage, Remedy};

use layerhold::repair::{Action, RepairOptions, RepairReport};

use layerhold::{
    BigDataItem, ContainerSpec, DiffCompression, ImageSpec, LayerSpec, MountRequest, Store,
    StoreOptions,
};
use layerhold_ids::{ImageId, LayerId};
use layerhold_testkit::{TarBuilder, TarEntry, scratch};
use sha2::Digest as _;

use crate::check::{check, furnish, told};
use crate::support::{Place, id, long, options, reader};

/// A store like that of podman: IDs of layers and images are computed from their contents, and a
/// container has a configuration for the runtime.
struct Podman {
    place: Place,
    driver: &'static str,
    base: LayerId,
    top: LayerId,
    image: ImageId,
    tars: [Vec<u8>; 2],
}

const CONTAINER: char = 'c';
const OWN: char = 'd';
const MANIFEST: &str = "{\"schemaVersion\":2}";

fn sha256(bytes: &[u8]) -> String {
    let hash = sha2::Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tars() -> [Vec<u8>; 2] {
    let base = TarBuilder::new()
        .entry(TarEntry::dir("usr").mtime(100))
        .entry(TarEntry::file("usr/one", "1111").mtime(100).owner(0, 7))
        .entry(TarEntry::symlink("lib", "/usr").mtime(100))
        .finish();
    let top = TarBuilder::new()
        .entry(TarEntry::file("usr/two", "22").mtime(100))
        .entry(TarEntry::file("usr/.wh.one", ""))
        .finish();
    [base, top]
}

fn store_options(base: &Path, driver: &str) -> StoreOptions {
    if driver == "vfs" {
        return options(base);
    }
    StoreOptions::new(base.join("root"), base.join("runroot")).with_driver(driver)
}

impl Podman {
    fn new(driver: &'static str) -> Self {
        let dir = scratch();
        let store = Store::open(store_options(dir.path(), driver)).unwrap();
        let place = Place { dir, store };
        let tars = tars();
        let diffs = [sha256(&tars[0]), sha256(&tars[1])];
        let base: LayerId = id(&diffs[0]);
        let top: LayerId = id(&sha256(format!("{base}+{}", diffs[1]).as_bytes()));
        let config = format!(
            r#"{{"created":"2024-05-01T12:00:00Z","rootfs":{{"type":"layers","diff_ids":["sha256:{}","sha256:{}"]}}}}"#,
            diffs[0], diffs[1]
        );
        let image: ImageId = id(&sha256(config.as_bytes()));
        let mut tx = place.store.begin().unwrap();
        let spec = LayerSpec::new().id(base.clone()).read_only();
        let below = tx.import_layer(spec, reader(&tars[0])).unwrap();
        let spec = LayerSpec::new().id(top.clone()).parent(&below).read_only();
        let upper = tx.import_layer(spec, reader(&tars[1])).unwrap();
        let spec = ImageSpec::new()
            .without_manifest()
            .id(image.clone())
            .name("docker.io/library/image:1")
            .created("2024-05-01T12:00:00Z".parse().unwrap())
            .top_layer(&upper)
            .big_data(BigDataItem::new("manifest", MANIFEST).with_plain_digest())
            .big_data(BigDataItem::new(format!("sha256:{image}"), config));
        let made = tx.create_image(spec).unwrap();
        let spec = ContainerSpec::new()
            .id(id(&long(CONTAINER)))
            .layer(id(&long(OWN)))
            .name("box")
            .image(made)
            .big_data(BigDataItem::new("state", "on"));
        tx.create_container(spec).unwrap();
        tx.commit().unwrap();
        let tree = match driver {
            "vfs" => place.graph("vfs/dir").join(long(OWN)),
            _ => place.graph("overlay").join(long(OWN)).join("merged"),
        };
        let podman = Self {
            place,
            driver,
            base,
            top,
            image,
            tars,
        };
        let data = podman.file("containers", &format!("{}/userdata", long(CONTAINER)));
        fs::create_dir_all(&data).unwrap();
        let config = format!(
            r#"{{"root":{{"path":{:?}}},"process":{{"selinuxLabel":"p"}}}}"#,
            tree
        );
        fs::write(data.join("config.json"), config).unwrap();
        podman
    }

    fn file(&self, kind: &str, name: &str) -> std::path::PathBuf {
        self.place
            .graph(&format!("{}-{kind}", self.driver))
            .join(name)
    }

    fn records(&self, kind: &str) -> std::path::PathBuf {
        self.file(kind, &format!("{kind}.json"))
    }

    fn again(&self) -> Store {
        Store::open(store_options(self.place.dir.path(), self.driver)).unwrap()
    }

    /// Repairs through a new handle, keeping containers. Nothing may be removed.
    fn repaired(&self) -> (CheckReport, RepairReport) {
        let store = self.again();
        let report = check(&store);
        let repaired = store.repair(&report, &RepairOptions::new());
        assert!(repaired.is_complete(), "{repaired:?}");
        let removes = |action: &Action| matches!(action, Action::Remove(_));
        assert!(!repaired.done.iter().any(removes), "{repaired:?}");
        let after = check(&self.again());
        assert_eq!(told(&after, &self.place), Vec::<String>::new());
        (report, repaired)
    }

    /// Checks that an image and a container can be used.
    fn works(&self) {
        let store = self.again();
        for (layer, expected) in [(&self.base, &self.tars[0]), (&self.top, &self.tars[1])] {
            let mut tar = Vec::new();
            let diff = store.diff(None, layer.as_str(), DiffCompression::AsImported);
            diff.unwrap().read_to_end(&mut tar).unwrap();
            assert!(tar == *expected, "{layer}");
        }
        let path = store.mount(&long(CONTAINER), &MountRequest::new()).unwrap();
        assert_eq!(fs::read_to_string(path.join("usr/two")).unwrap(), "22");
        assert!(!path.join("usr/one").exists());
        let unmounted = store.unmount(&long(CONTAINER), layerhold::Unmounting::Once);
        let _still = unmounted.unwrap();
        let view = store.snapshot().unwrap();
        let image = view.image(self.image.as_str()).unwrap();
        assert_eq!(image.top_layer(), Some(&self.top));
        let container = view.container(&long(CONTAINER)).unwrap();
        assert_eq!(container.layer().as_str(), long(OWN));
        assert_eq!(container.image(), Some(&self.image));
        assert_eq!(container.big_data_names(), ["state"]);
        store.shutdown(layerhold::Shutdown::Force).unwrap();
    }
}

/// A record file without some fields.
fn without(text: &str, fields: &[&str]) -> Vec<serde_json::Value> {
    let mut records: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        record.retain(|name, _| !fields.contains(&name.as_str()));
    }
    records.sort_by_key(|record| record["id"].to_string());
    records
}

fn each_driver(test: impl Fn(&Podman)) {
    let is_root = layerhold_testkit::require_root().is_some();
    for driver in ["vfs", "overlay"] {
        if driver == "vfs" || is_root {
            test(&Podman::new(driver));
        }
    }
}

/// Ways to lose a record file.
const LOSSES: [fn(&Path); 3] = [
    |file| fs::write(file, "").unwrap(),
    |file| fs::remove_file(file).unwrap(),
    |file| {
        let text = fs::read(file).unwrap();
        fs::write(file, &text[..text.len() / 2]).unwrap();
    },
];

#[test]
fn root_lost_layer_records_come_back() {
    // What is unknown without the record.
    let lost = [
        "created",
        "compressed-diff-digest",
        "compressed-size",
        "compression",
    ];
    for lose in LOSSES {
        each_driver(|podman| {
            let file = podman.records("layers");
            let before = fs::read_to_string(&file).unwrap();
            lose(&file);
            drop(podman.repaired());
            let after = fs::read_to_string(&file).unwrap();
            assert_eq!(
                without(&after, &lost),
                without(&before, &lost),
                "{}",
                podman.driver
            );
            podman.works();
        });
    }
}

#[test]
fn root_lost_image_records_come_back() {
    for lose in LOSSES {
        each_driver(|podman| {
            let file = podman.records("images");
            let before = fs::read_to_string(&file).unwrap();
            lose(&file);
            let (report, _) = podman.repaired();
            let after = fs::read_to_string(&file).unwrap();
            // Only the remains of a torn file may have the names.
            let lost = [
                "names",
                "names-history",
                "flags",
                "metadata",
                "big-data-names",
            ];
            assert_eq!(
                without(&after, &lost),
                without(&before, &lost),
                "{}",
                podman.driver
            );
            let is_said = told(&report, &podman.place)
                .iter()
                .any(|line| line.contains("names"));
            assert_eq!(!is_said, after.contains("docker.io/library/image:1"));
            podman.works();
        });
    }
}

#[test]
fn root_lost_container_records_come_back() {
    for lose in LOSSES {
        each_driver(|podman| {
            let file = podman.records("containers");
            let before = fs::read_to_string(&file).unwrap();
            lose(&file);
            drop(podman.repaired());
            let after = fs::read_to_string(&file).unwrap();
            let lost = ["names", "created", "flags"];
            assert_eq!(
                without(&after, &lost),
                without(&before, &lost),
                "{}",
                podman.driver
            );
            assert!(after.contains(r#""ProcessLabel":"p""#), "{after}");
            podman.works();
        });
    }
}

#[test]
fn root_all_lost_records_come_back_at_once() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let podman = Podman::new("overlay");
    lose_all(&podman);
    drop(podman.repaired());
    podman.works();
}

fn lose_all(podman: &Podman) {
    for kind in ["layers", "images", "containers"] {
        fs::write(podman.records(kind), "").unwrap();
    }
}

#[test]
fn the_parent_of_a_full_copy_is_not_guessed() {
    let podman = Podman::new("vfs");
    lose_all(&podman);
    let store = podman.again();
    let repaired = store.repair(&check(&store), &RepairOptions::new());
    assert!(repaired.is_complete(), "{repaired:?}");
    let view = podman.again().snapshot().unwrap();
    let image = view.image(podman.image.as_str()).unwrap();
    assert_eq!(image.top_layer(), Some(&podman.top));
    // The container's tree proves nothing, since the container may have changed it. It survives any
    // number of repairs.
    for _ in 0..2 {
        let store = podman.again();
        let report = check(&store);
        let lines = told(&report, &podman.place);
        assert!(!lines.is_empty());
        assert!(
            lines
                .iter()
                .all(|line| line.ends_with("(Nothing)") || line.ends_with("(Unjudged)")),
            "{lines:?}"
        );
        let everything = RepairOptions::new().with_containers(Containers::Remove);
        assert_eq!(store.repair(&report, &everything).done, []);
    }
    assert!(
        podman
            .place
            .graph("vfs/dir")
            .join(long(OWN))
            .join("usr/two")
            .exists()
    );
    assert!(podman.file("containers", &long(CONTAINER)).exists());
}

#[test]
fn root_peer_go_uses_rebuilt_records() {
    let Some(()) = layerhold_testkit::require_peer("containers-storage") else {
        return;
    };
    each_driver(|podman| {
        if podman.driver == "vfs" {
            fs::write(podman.records("layers"), "").unwrap();
            fs::write(podman.records("images"), "").unwrap();
        } else {
            lose_all(podman);
        }
        drop(podman.repaired());
        let (root, runroot) = (podman.place.graph(""), podman.place.run(""));
        let go = layerhold_testkit::GoStore::new(&root, &runroot, podman.driver);
        let out = podman.place.dir.path().join("out.tar");
        for (layer, tar) in [
            (&podman.base, &podman.tars[0]),
            (&podman.top, &podman.tars[1]),
        ] {
            go.run(["diff", "-u", "-f", out.to_str().unwrap(), layer.as_str()])
                .assert_success();
            assert!(fs::read(&out).unwrap() == *tar, "{layer}");
        }
        go.run(["get-image-data", podman.image.as_str(), "manifest"])
            .assert_success();
        let listed = go.run(["images", "-j"]);
        listed.assert_success();
        go.run(["mount", &long(CONTAINER)]).assert_success();
        go.run(["unmount", &long(CONTAINER)]).assert_success();
        drop(go.run(["shutdown"]));
    });
}

#[test]
fn a_record_with_a_bad_digest_stays_an_image() {
    for (from, to) in [
        (r#""manifest":"sha256:"#, r#""manifest":"sha256:xy"#),
        (r#""digest":"sha256:"#, r#""digest":"sha256:xy"#),
        (r#""digest":"sha256:"#, r#""digest":"none"#),
    ] {
        let podman = Podman::new("vfs");
        let file = podman.records("images");
        let before = fs::read_to_string(&file).unwrap();
        assert!(before.contains(from), "{before}");
        fs::write(&file, before.replacen(from, to, 1)).unwrap();
        let (report, repaired) = podman.repaired();
        let told = told(&report, &podman.place);
        let line = format!("image {}: its record is lost (Rebuild)", podman.image);
        assert!(told.contains(&line), "{told:?}");
        assert_eq!(repaired.done.len(), 2, "{repaired:?}");
        // The record is complete, and the damaged bytes are kept.
        let after = fs::read_to_string(&file).unwrap();
        assert_eq!(without(&after, &[]), without(&before, &[]));
        let kept = fs::read_dir(podman.file("images", "")).unwrap();
        let mut kept = kept.map(|entry| entry.unwrap().file_name());
        assert!(kept.any(|name| name.to_string_lossy().contains(".damaged-")));
        podman.works();
    }
}

#[test]
fn root_the_record_of_a_lower_layer_comes_back() {
    each_driver(|podman| {
        let file = podman.records("layers");
        let text = fs::read_to_string(&file).unwrap();
        let mut records: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        records.retain(|record| record["id"] != podman.base.as_str());
        fs::write(&file, serde_json::to_string(&records).unwrap()).unwrap();
        let (report, repaired) = podman.repaired();
        assert_eq!(repaired.done.len(), 1, "{repaired:?}");
        let line = &told(&report, &podman.place)[0];
        assert!(line.starts_with(&format!(
            "layer {}: its record is lost, and with it",
            podman.base
        )));
        podman.works();
    });
}

#[test]
fn a_layer_that_is_needed_stays_even_if_nothing_is_known_of_it() {
    let podman = Podman::new("vfs");
    podman
        .place
        .store
        .delete_container(&long(CONTAINER))
        .unwrap();
    let file = podman.records("layers");
    let text = fs::read_to_string(&file).unwrap();
    let mut records: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    records.retain(|record| record["id"] != podman.base.as_str());
    fs::write(&file, serde_json::to_string(&records).unwrap()).unwrap();
    // Without it, neither its own files nor those of its parent are known.
    fs::remove_file(podman.file("layers", &format!("{}.tar-split.gz", podman.base))).unwrap();
    let store = podman.again();
    let report = check(&store);
    let line = format!(
        "layer {}: its record is lost, and none can be made: its parent cannot be found out (Nothing)",
        podman.base
    );
    assert!(
        told(&report, &podman.place).contains(&line),
        "{:?}",
        told(&report, &podman.place)
    );
    let everything = RepairOptions::new().with_containers(Containers::Remove);
    drop(store.repair(&report, &everything));
    for layer in [&podman.base, &podman.top] {
        assert!(podman.place.graph("vfs/dir").join(layer.as_str()).exists());
    }
    assert!(podman.again().exists(podman.image.as_str()).unwrap());
}

#[test]
fn what_was_set_aside_earlier_is_used() {
    let podman = Podman::new("vfs");
    let file = podman.records("images");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, "[]").unwrap();
    let aside = podman.file("images", "images.json.damaged-0123456789abcdef");
    fs::write(aside, &text[1..text.len() - 1]).unwrap();
    drop(podman.repaired());
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(without(&after, &[]), without(&text, &[]));
}

#[test]
fn an_orphan_is_still_one() {
    let podman = Podman::new("vfs");
    let orphan = long('f');
    fs::create_dir(podman.place.graph("vfs/dir").join(&orphan)).unwrap();
    let below = podman.file("images", &orphan);
    fs::create_dir(&below).unwrap();
    fs::write(below.join("manifest"), "{}").unwrap();
    let report = check(&podman.again());
    assert_eq!(
        report.findings.len(),
        2,
        "{:?}",
        told(&report, &podman.place)
    );
    for finding in &report.findings {
        assert!(matches!(
            finding.damage,
            Damage::NoRecord | Damage::Orphan { .. }
        ));
        assert_eq!(finding.remedy(), Remedy::Remove);
    }
}

#[test]
fn another_process_may_make_the_record_before_the_repair() {
    let podman = Podman::new("vfs");
    let file = podman.records("layers");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, "").unwrap();
    let store = podman.again();
    let report = check(&store);
    fs::write(&file, &text).unwrap();
    let lock = podman.file("layers", "layers.lock");
    fs::write(
        lock,
        "another writer's token, 64 bytes or so, no process saw it before",
    )
    .unwrap();
    drop(podman.again().repair(&report, &RepairOptions::new()));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn an_empty_list_of_containers_leaves_their_layers() {
    // Without big data items, only its layer shows that there was a container.
    let podman = Podman::new("vfs");
    fs::remove_dir_all(podman.file("containers", &long(CONTAINER))).unwrap();
    fs::write(podman.records("containers"), "").unwrap();
    let store = podman.again();
    let at_once =
        layerhold::check::CheckOptions::new().with_unreferenced_age(std::time::Duration::ZERO);
    let report = store.check(&at_once).unwrap();
    let expected = [
        "store: root/vfs-containers/containers.json is empty, so the items that it named are lost (a file without records holds []) (Nothing)"
            .to_owned(),
        format!(
            "layer {}: no image or container uses it (Unjudged)",
            long(OWN)
        ),
    ];
    assert_eq!(told(&report, &podman.place), expected);
    let everything = RepairOptions::new().with_containers(Containers::Remove);
    assert_eq!(store.repair(&report, &everything).done, []);
}

#[test]
fn records_go_back_to_where_they_were() {
    let dir = scratch();
    let options = options(dir.path()).with_image_store(dir.path().join("images"));
    let store = Store::open(options.clone()).unwrap();
    let place = furnish(Place { dir, store });
    let of_images = place.dir.path().join("images/vfs-layers/layers.json");
    let own = place.graph("vfs-layers/layers.json");
    let ids = |file: &Path| -> Vec<String> {
        let records = without(&fs::read_to_string(file).unwrap(), &[]);
        let ids = records
            .iter()
            .map(|record| record["id"].as_str().unwrap().to_owned());
        ids.collect()
    };
    let before = (ids(&of_images), ids(&own));
    assert_eq!(before.0, ["a", "b"]);
    for file in [&of_images, &own] {
        fs::write(file, "").unwrap();
    }
    let store = Store::open(options.clone()).unwrap();
    let repaired = store.repair(&check(&store), &RepairOptions::new());
    assert!(repaired.is_complete(), "{repaired:?}");
    assert_eq!((ids(&of_images), ids(&own)), before);
    let store = Store::open(options).unwrap();
    assert_eq!(told(&check(&store), &place), Vec::<String>::new());
}
