//! Checks of layers that lie deep, and of what layers hide.

use std::fs;
use std::num::NonZero;
use std::path::Path;

use layerhold::check::CheckOptions;
use layerhold::{ImageSpec, LayerSpec, Shutdown, Store, StoreOptions};
use layerhold_sys::{Dir, NodeKind, directories_opened, xattr};
use layerhold_testkit::{TarBuilder, TarEntry, TempDir, require_root, scratch};

use crate::support::{id, reader};

/// An overlay store with an image of these layers, the base first: `l0`, `l1` and so on.
fn store_of(tars: &[Vec<u8>]) -> Option<(TempDir, Store)> {
    require_root()?;
    let dir = scratch();
    let (root, run) = (dir.path().join("root"), dir.path().join("runroot"));
    let store = Store::open(StoreOptions::new(root, run).with_driver("overlay")).unwrap();
    let mut tx = store.begin().unwrap();
    let mut top = None;
    for (n, tar) in tars.iter().enumerate() {
        let mut spec = LayerSpec::new().id(id(&format!("l{n}"))).read_only();
        if let Some(parent) = &top {
            spec = spec.parent(parent);
        }
        top = Some(tx.import_layer(spec, reader(tar)).unwrap());
    }
    let image = ImageSpec::new().without_manifest();
    tx.create_image(image.top_layer(top.as_ref().unwrap()))
        .unwrap();
    tx.commit().unwrap();
    Some((dir, store))
}

/// What a check of the whole store finds, on this thread.
fn found(store: &Store) -> Vec<String> {
    let mut options = CheckOptions::new();
    options.threads = NonZero::<usize>::MIN;
    let report = store.check(&options).unwrap();
    let lines = report.findings.iter().map(|finding| {
        let subject = match finding.subject.item() {
            Some(id) => format!("{} {id}", id.kind()),
            None => "store".to_owned(),
        };
        format!("{subject}: {}", finding.damage)
    });
    lines.collect()
}

fn file(name: &str, content: &str) -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::dir("d").mtime(100))
        .entry(TarEntry::file(name, content).mtime(100))
        .finish()
}

#[test]
fn root_each_directory_of_a_chain_is_opened_a_bounded_number_of_times() {
    let opened = |depth: usize| {
        let tars: Vec<_> = (0..depth).map(|n| file(&format!("d/f{n}"), "x")).collect();
        let (_dir, store) = store_of(&tars)?;
        let before = directories_opened();
        assert_eq!(found(&store), [""; 0]);
        let opened = directories_opened() - before;
        store.shutdown(Shutdown::Force).unwrap();
        Some(opened)
    };
    let Some(few) = opened(10) else { return };
    let (more, most) = (opened(30).unwrap(), opened(90).unwrap());
    // Three times as many layers are added, which leads to three times as many directories. The
    // number varies a little; if every layer led to all those below it, it would be six times.
    assert!(most - more <= 4 * (more - few), "{few} {more} {most}");
}

/// Changes the directory of a layer.
type Damaging<'a> = &'a dyn Fn(&Path);

#[test]
fn root_what_layers_hide_is_compared_with_their_tars() {
    let base = TarBuilder::new()
        .entry(TarEntry::dir("d").mtime(100))
        .entry(TarEntry::file("d/deleted", "x").mtime(100))
        .entry(TarEntry::file("d/kept", "x").mtime(100))
        .entry(TarEntry::dir("opaque").mtime(100))
        .entry(TarEntry::file("opaque/old", "x").mtime(100))
        .entry(TarEntry::dir("renewed").mtime(100))
        .entry(TarEntry::file("renewed/old", "x").mtime(100))
        .entry(TarEntry::dir("open").mtime(100))
        .entry(TarEntry::file("open/old", "x").mtime(100))
        .entry(TarEntry::file("linked", "x").mtime(100))
        .finish();
    let top = TarBuilder::new()
        .whiteout("d/deleted")
        .whiteout("d/never")
        .opaque("opaque")
        .entry(TarEntry::dir("opaque").mtime(100))
        .entry(TarEntry::file("opaque/new", "x").mtime(100))
        .whiteout("renewed")
        .entry(TarEntry::dir("renewed").mtime(100))
        .entry(TarEntry::dir("open").mtime(100))
        .entry(TarEntry::file("open/new", "x").mtime(100))
        .finish();
    let damages: [(Damaging<'_>, &str); 8] = [
        (&|_| {}, ""),
        (
            &|top| fs::remove_file(top.join("d/deleted")).unwrap(),
            "/d/deleted: was added",
        ),
        (
            &|top| {
                let dir = Dir::open_ambient(top.join("d")).unwrap();
                dir.make_node("kept", NodeKind::CharDevice, 0o600, 0)
                    .unwrap();
            },
            "/d/kept: is missing",
        ),
        (
            &|top| {
                let dir = Dir::open_ambient(top.join("opaque")).unwrap();
                xattr::set(&dir, "trusted.overlay.opaque", b"n").unwrap();
            },
            "/opaque/old: was added",
        ),
        (
            &|top| {
                let dir = Dir::open_ambient(top.join("renewed")).unwrap();
                xattr::set(&dir, "trusted.overlay.opaque", b"n").unwrap();
            },
            "/renewed/old: was added",
        ),
        (
            &|top| {
                let dir = Dir::open_ambient(top.join("open")).unwrap();
                xattr::set(&dir, "trusted.overlay.opaque", b"y").unwrap();
            },
            "/open/old: is missing",
        ),
        (
            &|top| fs::write(top.join("more"), "x").unwrap(),
            "/more: was added",
        ),
        (
            &|top| fs::remove_dir(top.join("renewed")).unwrap(),
            "/renewed/old: was added",
        ),
    ];
    for (damage, expected) in damages {
        // Above it lies another layer, whose view shows both.
        let tars = [base.clone(), top.clone(), file("d/above", "x")];
        let Some((dir, store)) = store_of(&tars) else {
            return;
        };
        damage(&dir.path().join("root/overlay/l1/diff"));
        let found: Vec<String> = found(&store)
            .into_iter()
            .filter(|line| line.starts_with("layer l1: /"))
            .collect();
        match expected {
            "" => assert_eq!(found, [""; 0]),
            _ => assert_eq!(found, [format!("layer l1: {expected}")]),
        }
        store.shutdown(Shutdown::Force).unwrap();
    }
}
