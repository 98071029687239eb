//! Tests disk usage: from counters, and the same when everything is counted again.

use std::path::PathBuf;

use layerhold::layerhold_ids::LayerId;
use layerhold::{
    BigDataItem, ContainerSpec, DeleteMode, ImageSpec, ItemId, ItemUsage, LayerSpec, MountRequest,
    Shutdown, Store, StoreOptions, Unmounting, UsageOrigin, UsageReport,
};
use layerhold_testkit::{
    Feature, FilesystemKind, TarBuilder, TarEntry, require_feature, require_filesystem,
    require_peer, require_root, scratch,
};

use crate::support::{Place, file_tar, id, image, import, long, options, reader};

const FILE: &str = "vfs-layers/layerhold-usage.jsonl";

impl Place {
    fn counters(&self) -> PathBuf {
        self.graph(FILE)
    }

    fn tar_split(&self, layer: &LayerId) -> u64 {
        let path = self.graph(&format!("vfs-layers/{layer}.tar-split.gz"));
        std::fs::metadata(path).unwrap().len()
    }
}

/// A base with 5 bytes in one inode with two names and a link; two images on it with 3 and 7 more
/// bytes, one of them with a big data item of 10 bytes; and a container of the first.
struct Sample {
    place: Place,
    base: LayerId,
    tops: [LayerId; 2],
}

fn sample() -> Sample {
    let place = Place::new();
    let base = TarBuilder::new()
        .entry(TarEntry::dir("d"))
        .entry(TarEntry::file("d/a", "12345"))
        .entry(TarEntry::hard_link("b", "d/a"))
        .entry(TarEntry::symlink("l", "d/a"))
        .finish();
    let mut tx = place.store.begin().unwrap();
    let base = tx.import_layer(LayerSpec::new(), reader(&base)).unwrap();
    let tops = [("one", 3), ("two", 7)].map(|(name, length)| {
        let tar = file_tar("new", &vec![1; length]);
        let spec = LayerSpec::new().parent(&base);
        let top = tx.import_layer(spec, reader(&tar)).unwrap();
        let mut spec = ImageSpec::new()
            .without_manifest()
            .name(name)
            .top_layer(&top);
        if name == "one" {
            spec = spec.big_data(BigDataItem::new("key", vec![0; 10]));
        }
        let image = tx.create_image(spec).unwrap();
        if name == "one" {
            let spec = ContainerSpec::new().name("box").image(image);
            tx.create_container(spec).unwrap();
        }
        top.id().clone()
    });
    tx.commit().unwrap();
    let base = base.id().clone();
    Sample { place, base, tops }
}

/// The bytes of the base's files: five, and the three of the link's target.
const BASE: u64 = 5 + 3;

fn bytes_of(report: &UsageReport, layer: &LayerId) -> u64 {
    let found = report.layers.iter().find(|usage| usage.id == *layer);
    found.unwrap().own.bytes
}

fn origins(report: &UsageReport) -> Vec<UsageOrigin> {
    report.layers.iter().map(|layer| layer.origin).collect()
}

#[test]
fn figures_are_exact() {
    let Sample { place, base, tops } = sample();
    let path = place.store.mount("box", &MountRequest::new()).unwrap();
    std::fs::write(path.join("written"), [0; 100]).unwrap();
    place
        .store
        .set_container_file("box", "f".as_ref(), &[0; 40])
        .unwrap();
    let report = place.store.usage().unwrap();
    // Each layer of this driver is a full copy.
    let [one, two] = [BASE + 3, BASE + 7];
    assert_eq!(bytes_of(&report, &base), BASE);
    assert_eq!(bytes_of(&report, &tops[0]), one);
    assert_eq!(bytes_of(&report, &tops[1]), two);
    let base_usage = &report.layers[0];
    // The root, the directory, the file with two names, the link.
    assert_eq!(base_usage.own.inodes, 4);
    assert_eq!(base_usage.beside, place.tar_split(&base));
    assert_eq!((base_usage.images, base_usage.containers), (2, 1));

    let image = &report.images[0];
    assert_eq!(image.names, ["one"]);
    assert_eq!((image.unique.bytes, image.shared.bytes), (one, BASE));
    assert_eq!((image.data, image.containers), (10, 1));
    assert_eq!(image.unique_bytes(), one + 10);
    assert_eq!(image.total_bytes(), one + 10 + BASE);
    let image = &report.images[1];
    assert_eq!((image.unique.bytes, image.shared.bytes), (two, BASE));
    assert_eq!((image.data, image.containers), (0, 0));

    let container = &report.containers[0];
    assert_eq!(container.names, ["box"]);
    assert_eq!(container.own.bytes, one + 100);
    assert_eq!(container.data, 40);
    assert_eq!(container.below, one + BASE);
    assert_eq!(container.own_bytes(), one + 140);

    let total = &report.total;
    assert_eq!(total.images.bytes, BASE + one + two);
    assert_eq!(total.containers.bytes, one + 100);
    assert_eq!(total.unused.bytes, 0);
    let tar_splits = [&base, &tops[0], &tops[1]].map(|layer| place.tar_split(layer));
    assert_eq!(total.data, tar_splits.iter().sum::<u64>() + 10 + 40);
    assert_eq!(total.bytes(), BASE + one + two + one + 100 + total.data);
    // The image without a container, but not the base that the other image shares.
    assert_eq!(total.reclaimable, two + tar_splits[2]);
}

#[test]
fn imported_layers_are_not_walked_again() {
    let Sample { place, .. } = sample();
    let report = place.store.usage().unwrap();
    use UsageOrigin::{Counted, Recorded};
    // The third layer is the container's.
    assert_eq!(origins(&report), [Recorded, Recorded, Counted, Recorded]);
    assert_eq!(
        std::fs::read_to_string(place.counters())
            .unwrap()
            .lines()
            .filter(|line| !line.is_empty())
            .count(),
        3
    );
}

#[test]
fn single_items_have_the_usage_that_the_report_has() {
    let Sample { place, .. } = sample();
    // A layer on the base that no image has, and an item that is not there.
    let snapshot = place.store.snapshot().unwrap();
    let base = snapshot.layers().next().unwrap();
    let spec = LayerSpec::new().parent(base.id().clone());
    import(&place.store, spec, &file_tar("unused", b"1"));
    let report = place.store.usage().unwrap();
    let mut items: Vec<ItemId> = Vec::new();
    let mut expected = Vec::new();
    for layer in &report.layers {
        items.push(ItemId::Layer(layer.id.clone()));
        expected.push(Some(ItemUsage::Layer(layer.clone())));
    }
    for image in &report.images {
        items.push(ItemId::Image(image.id.clone()));
        expected.push(Some(ItemUsage::Image(image.clone())));
    }
    for container in &report.containers {
        items.push(ItemId::Container(container.id.clone()));
        expected.push(Some(ItemUsage::Container(container.clone())));
    }
    items.push(ItemId::Layer(id(&long('f'))));
    expected.push(None);
    assert_eq!(place.again().usage_of(&items).unwrap(), expected);
    for (item, expected) in items.iter().zip(&expected) {
        let single = place.store.usage_of(std::slice::from_ref(item)).unwrap();
        assert_eq!(single, std::slice::from_ref(expected));
    }
}

#[test]
fn for_single_items_only_their_layers_are_counted() {
    let Sample { place, base, tops } = sample();
    let [one, two] = &place.store.usage().unwrap().images[..] else {
        panic!("two images")
    };
    let counted = |item: ItemId| {
        std::fs::remove_file(place.counters()).unwrap_or_default();
        let _usage = place.store.usage_of(&[item]).unwrap();
        let text = std::fs::read_to_string(place.counters()).unwrap_or_default();
        let layers = [&base, &tops[0], &tops[1]];
        layers.map(|layer| text.matches(layer.as_str()).count())
    };
    assert_eq!(counted(ItemId::Image(one.id.clone())), [1, 1, 0]);
    assert_eq!(counted(ItemId::Image(two.id.clone())), [1, 0, 1]);
    assert_eq!(counted(ItemId::Layer(tops[1].clone())), [0, 0, 1]);
    // Nothing is counted twice.
    place
        .store
        .usage_of(&[ItemId::Layer(tops[1].clone())])
        .unwrap();
    let text = std::fs::read_to_string(place.counters()).unwrap();
    assert_eq!(text.lines().filter(|line| !line.is_empty()).count(), 1);
}

#[test]
fn without_the_file_the_answer_is_the_same() {
    let Sample { place, .. } = sample();
    let recorded = place.store.usage().unwrap();
    let text = std::fs::read_to_string(place.counters()).unwrap();
    std::fs::remove_file(place.counters()).unwrap();
    let mut counted = place.again().usage().unwrap();
    assert!(origins(&counted).iter().all(|o| *o == UsageOrigin::Counted));
    // It was recorded, so it is not counted again.
    let again = place.store.usage().unwrap();
    assert_eq!(origins(&again), origins(&recorded));
    for (layer, before) in counted.layers.iter_mut().zip(&recorded.layers) {
        layer.origin = before.origin;
    }
    assert_eq!(counted, recorded);
    assert_eq!(again, recorded);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let new_text = std::fs::read_to_string(place.counters()).unwrap();
    assert_eq!(sorted(&new_text), sorted(&text));
}

#[test]
fn a_wrong_counter_is_found_and_put_right() {
    let Sample { place, tops, .. } = sample();
    let (report, wrong) = place.store.verify_usage().unwrap();
    assert_eq!(wrong, []);
    // A process changed a layer that must not change.
    let file = format!("vfs/dir/{}/intruder", tops[1]);
    std::fs::write(place.graph(&file), [1; 50]).unwrap();
    assert_eq!(
        place.store.usage().unwrap().total,
        report.total,
        "not walked"
    );
    let (report, wrong) = place.store.verify_usage().unwrap();
    let [wrong] = &wrong[..] else {
        panic!("{wrong:?}")
    };
    assert_eq!(wrong.layer, tops[1]);
    assert_eq!(wrong.recorded.bytes, BASE + 7);
    assert_eq!(wrong.found.bytes, BASE + 7 + 50);
    assert_eq!(wrong.found.inodes, wrong.recorded.inodes + 1);
    assert_eq!(bytes_of(&report, &tops[1]), BASE + 7 + 50);
    // The counter is right now.
    assert_eq!(place.again().usage().unwrap().total, report.total);
    assert_eq!(place.store.verify_usage().unwrap().1, []);
}

#[test]
fn a_counter_does_not_outlive_its_layer() {
    let place = Place::new();
    let layer: LayerId = id(&long('a'));
    let spec = || LayerSpec::new().id(layer.clone());
    import(&place.store, spec(), &file_tar("f", &[1; 11]));
    place.store.delete_layer(layer.as_str()).unwrap();
    assert_eq!(place.store.usage().unwrap().total.bytes(), 0);
    let mut tx = place.store.begin().unwrap();
    tx.create_layer(spec()).unwrap();
    tx.commit().unwrap();
    assert_eq!(place.store.usage().unwrap().total.unused.bytes, 0);
    place
        .store
        .apply_diff(layer.as_str(), reader(&file_tar("g", &[1; 22])))
        .unwrap();
    assert_eq!(place.store.usage().unwrap().total.unused.bytes, 22);
    place
        .store
        .apply_diff(layer.as_str(), reader(&file_tar("h", &[1; 33])))
        .unwrap();
    assert_eq!(place.store.usage().unwrap().total.unused.bytes, 55);
}

#[test]
fn layers_without_a_digest_are_counted_each_time() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let layer = tx.create_layer(LayerSpec::new()).unwrap();
    tx.commit().unwrap();
    for length in [5, 50] {
        let path = place
            .store
            .mount(layer.id().as_str(), &MountRequest::new())
            .unwrap();
        std::fs::write(path.join("f"), vec![0; length]).unwrap();
        let report = place.store.usage().unwrap();
        assert_eq!(report.total.unused.bytes, length as u64);
        assert_eq!(origins(&report), [UsageOrigin::Counted]);
    }
    assert!(!place.counters().exists());
}

#[test]
fn a_layer_that_the_driver_lost_takes_nothing() {
    let Sample { place, tops, .. } = sample();
    std::fs::remove_file(place.counters()).unwrap();
    std::fs::remove_dir_all(place.graph(&format!("vfs/dir/{}", tops[1]))).unwrap();
    let report = place.store.usage().unwrap();
    let lost = report.layers.iter().find(|usage| usage.id == tops[1]);
    assert_eq!(lost.unwrap().origin, UsageOrigin::Missing);
    assert_eq!(bytes_of(&report, &tops[1]), 0);
}

#[test]
fn nothing_depends_on_the_file() {
    let place = Place::new();
    // It is not a file: importing and reading usage still work.
    std::fs::create_dir_all(place.counters()).unwrap();
    let layer = import(&place.store, LayerSpec::new(), &file_tar("f", &[1; 9]));
    assert_eq!(place.store.usage().unwrap().total.unused.bytes, 9);
    std::fs::remove_dir(place.counters()).unwrap();
    std::fs::write(place.counters(), b"\0garbage\n{\"id\":1}\n").unwrap();
    assert_eq!(place.store.usage().unwrap().total.unused.bytes, 9);
    let report = place.store.usage().unwrap();
    assert_eq!(origins(&report), [UsageOrigin::Recorded]);
    place.store.delete_layer(layer.id().as_str()).unwrap();
    place.store.garbage_collect(DeleteMode::Delete).unwrap();
    assert!(
        place.counters().exists(),
        "garbage collection leaves it alone"
    );
}

#[test]
fn a_file_of_stale_lines_is_replaced() {
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new(), &file_tar("f", &[1; 9]));
    let line = std::fs::read_to_string(place.counters()).unwrap();
    let stale = line.replace(layer.id().as_str(), &long('f'));
    std::fs::write(place.counters(), stale.repeat(400) + &line).unwrap();
    // Importing replaces it when it is long, and reading usage when most of it is stale.
    import(&place.store, LayerSpec::new(), &file_tar("g", &[1; 8]));
    let lines = || {
        let text = std::fs::read_to_string(place.counters()).unwrap();
        text.lines().filter(|line| !line.is_empty()).count()
    };
    assert_eq!(lines(), 2);
    std::fs::write(place.counters(), stale.repeat(100)).unwrap();
    assert_eq!(place.store.usage().unwrap().total.unused.bytes, 17);
    assert_eq!(lines(), 2);
}

#[test]
fn an_image_that_is_deleted_takes_nothing() {
    let Sample { place, .. } = sample();
    let before = place.store.usage().unwrap().total;
    place.store.delete_image("two", DeleteMode::Delete).unwrap();
    let after = place.store.usage().unwrap().total;
    assert_eq!(before.bytes() - after.bytes(), before.reclaimable);
    assert_eq!(after.reclaimable, 0);
}

#[test]
fn root_peer_layers_made_and_deleted_by_go_are_counted_right() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = Place::new();
    let layer: LayerId = id(&long('a'));
    import(
        &place.store,
        LayerSpec::new().id(layer.clone()),
        &file_tar("f", &[1; 11]),
    );
    let go = |arguments: &[&str]| {
        let output = std::process::Command::new("containers-storage")
            .arg("--graph")
            .arg(place.graph(""))
            .arg("--run")
            .arg(place.run(""))
            .args(["--storage-driver", "vfs"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    go(&["set-metadata", "-m", "text", layer.as_str()]);
    let report = place.store.usage().unwrap();
    assert_eq!(
        origins(&report),
        [UsageOrigin::Recorded],
        "Go rewrote the record only"
    );
    assert_eq!(report.total.unused.bytes, 11);
    go(&["delete-layer", layer.as_str()]);
    assert_eq!(place.store.usage().unwrap().total.bytes(), 0);
    let tar = place.dir.path().join("tar");
    std::fs::write(&tar, file_tar("f", &[1; 22])).unwrap();
    go(&[
        "import-layer",
        "-i",
        layer.as_str(),
        "-f",
        tar.to_str().unwrap(),
    ]);
    let report = place.store.usage().unwrap();
    assert_eq!(origins(&report), [UsageOrigin::Counted]);
    assert_eq!(report.total.unused.bytes, 22);
    let report = place.store.usage().unwrap();
    assert_eq!(origins(&report), [UsageOrigin::Recorded]);
    assert_eq!(report.total.unused.bytes, 22);
    go(&["wipe"]);
    assert!(place.counters().exists(), "Go does not touch it");
    assert_eq!(place.store.usage().unwrap().total.bytes(), 0);
}

#[test]
fn stores_in_other_places_are_told_apart() {
    let place = Place::new();
    let images = place.dir.path().join("images");
    let split = || Store::open(options(place.dir.path()).with_image_store(&images)).unwrap();
    image(&split(), "here", &file_tar("f", &[1; 9]));
    let report = split().usage().unwrap();
    assert_eq!(origins(&report), [UsageOrigin::Recorded]);
    assert_eq!(report.images[0].unique.bytes, 9);
    assert!(
        report.layers[0].beside > 0,
        "its tar-split file is in the image store"
    );
    // Contents of an additional store take no space here.
    let other = scratch();
    let additional = format!("vfs.imagestore={}", images.display());
    let store = Store::open(options(other.path()).with_driver_option(additional)).unwrap();
    assert_eq!(store.snapshot().unwrap().images().count(), 1);
    let mut tx = store.begin().unwrap();
    tx.create_container(
        ContainerSpec::new().image(
            store
                .snapshot()
                .unwrap()
                .image("here")
                .unwrap()
                .id()
                .clone(),
        ),
    )
    .unwrap();
    tx.commit().unwrap();
    let report = store.usage().unwrap();
    assert_eq!((report.layers.len(), report.images.len()), (1, 0));
    assert_eq!(report.containers[0].own.bytes, 9, "the copy");
    assert_eq!(report.containers[0].below, 0);
}

#[test]
fn root_loop_with_overlay_what_layers_change_is_counted() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Ext4, 64) else {
        return;
    };
    let Some(()) = require_feature(Feature::Overlay) else {
        return;
    };
    let options = StoreOptions::new(
        filesystem.path().join("root"),
        filesystem.path().join("runroot"),
    );
    let store = Store::open(options.with_driver("overlay")).unwrap();
    let mut tx = store.begin().unwrap();
    let base = TarBuilder::new()
        .entry(TarEntry::file("a", [1; 1000]))
        .entry(TarEntry::file("b", [1; 500]))
        .finish();
    let base = tx.import_layer(LayerSpec::new(), reader(&base)).unwrap();
    let top = TarBuilder::new()
        .whiteout("a")
        .entry(TarEntry::file("c", [1; 70]))
        .finish();
    let spec = LayerSpec::new().parent(&base);
    let top = tx.import_layer(spec, reader(&top)).unwrap();
    let image = tx
        .create_image(ImageSpec::new().without_manifest().top_layer(&top))
        .unwrap();
    let spec = ContainerSpec::new().name("box").image(image);
    tx.create_container(spec).unwrap();
    tx.commit().unwrap();

    let path = store.mount("box", &MountRequest::new()).unwrap();
    std::fs::write(path.join("new"), [0; 30]).unwrap();
    // The file is copied up, so it is in the container's layer too.
    std::fs::write(path.join("b"), [0; 499]).unwrap();
    let report = store.usage().unwrap();
    let bytes: Vec<u64> = report.layers.iter().map(|layer| layer.own.bytes).collect();
    assert_eq!(bytes, [1500, 70, 529]);
    assert_eq!(
        origins(&report),
        [
            UsageOrigin::Recorded,
            UsageOrigin::Recorded,
            UsageOrigin::Counted
        ]
    );
    // The root, the whiteout, the file.
    assert_eq!(report.layers[1].own.inodes, 3);
    assert_eq!(report.images[0].unique.bytes, 1570);
    assert_eq!(report.containers[0].own.bytes, 529);
    assert_eq!(report.containers[0].below, 1570);
    assert_eq!(store.verify_usage().unwrap().1, []);
    store.unmount("box", Unmounting::Force).unwrap();
    store.delete_container("box").unwrap();
    assert_eq!(store.usage().unwrap().total.containers.bytes, 0);
    store.shutdown(Shutdown::Refuse).unwrap();
}
