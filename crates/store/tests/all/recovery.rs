//! What dead processes leave, and what becomes of it.

use layerhold::{ImageSpec, LayerSpec};

use crate::support::{Place, image, import, leftovers, long, reader, small_tar};

/// Makes the record of a layer say that it is incomplete.
fn mark_incomplete(place: &Place, id: &str) {
    let file = place.graph("vfs-layers/layers.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let at = text.find(&format!("\"id\":\"{id}\"")).unwrap();
    let created = at + text[at..].find("\"created\":\"").unwrap();
    let end = created + text[created + 11..].find('"').unwrap() + 12;
    std::fs::write(
        &file,
        format!(
            "{},\"flags\":{{\"incomplete\":true}}{}",
            &text[..end],
            &text[end..]
        ),
    )
    .unwrap();
}

#[test]
fn incomplete_layers_are_removed_by_whoever_looks() {
    let place = Place::new();
    let good = import(&place.store, LayerSpec::new().name("good"), &small_tar());
    for digit in '1'..='9' {
        let id = long(digit);
        import(
            &place.store,
            LayerSpec::new().id(id.parse().unwrap()),
            &small_tar(),
        );
        mark_incomplete(&place, &id);
    }
    let view = place.again().snapshot().unwrap();
    assert_eq!(
        view.layers()
            .map(|layer| layer.id().clone())
            .collect::<Vec<_>>(),
        [good.id().clone()]
    );
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        1
    );
    assert!(
        !place
            .graph(&format!("vfs-layers/{}.tar-split.gz", long('1')))
            .exists()
    );
    assert!(
        !place
            .records("vfs-layers/layers.json")
            .contains("incomplete")
    );
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn an_incomplete_layer_is_out_of_sight_while_somebody_works() {
    let place = Place::new();
    import(
        &place.store,
        LayerSpec::new().id(long('1').parse().unwrap()).name("bad"),
        &small_tar(),
    );
    import(&place.store, LayerSpec::new().name("good"), &small_tar());
    mark_incomplete(&place, &long('1'));
    // A reader of another process keeps the writer's lock away.
    let lock = layerhold_lockfile::LockFile::new(place.graph("vfs-layers/layers.lock")).unwrap();
    let held = lock.read().unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.layers().count(), 1);
    assert!(!view.exists("bad") && view.layer("bad").is_err());
    drop(held);
    assert!(!place.store.exists("bad").unwrap());
}

#[test]
fn an_incomplete_layer_that_cannot_be_removed_stops_nothing() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = Place::new();
    import(
        &place.store,
        LayerSpec::new().id(long('1').parse().unwrap()),
        &small_tar(),
    );
    mark_incomplete(&place, &long('1'));
    // Neither renamed nor erased: something else is mounted on it.
    let tree = place.graph("vfs/dir").join(long('1')).join("etc");
    let mount = |args: &[&std::ffi::OsStr]| std::process::Command::new("mount").args(args).status();
    let done = mount(&[
        "-t".as_ref(),
        "tmpfs".as_ref(),
        "none".as_ref(),
        tree.as_os_str(),
    ]);
    if !done.is_ok_and(|status| status.success()) {
        let _skipped: Option<()> =
            layerhold_testkit::skip("cannot mount", layerhold_testkit::Blame::SetUp);
        return;
    }
    let store = place.again();
    let image = image(&store, "image", &small_tar());
    assert_eq!(store.snapshot().unwrap().images().count(), 1);
    assert!(store.exists(image.0.as_str()).unwrap());
    drop(std::process::Command::new("umount").arg(&tree).status());
}

#[test]
fn a_commit_that_died_before_its_image_is_undone() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let base = tx
        .import_layer(LayerSpec::new(), reader(&small_tar()))
        .unwrap();
    let top = tx
        .import_layer(LayerSpec::new().parent(&base), reader(&small_tar()))
        .unwrap();
    tx.commit().unwrap();
    let note = |images: &str| {
        let text = format!(
            r#"{{"layers":["{}","{}"],"images":[{images}],"containers":[]}}"#,
            base.id(),
            top.id()
        );
        std::fs::write(place.graph("vfs-layers/layerhold-intent.json"), text).unwrap();
    };
    let count = || place.again().snapshot().unwrap().layers().count();
    // With its image recorded, the commit was complete, and the note is just removed.
    let (other, _) = image(&place.store, "other", &small_tar());
    note(&format!("\"{other}\""));
    assert_eq!(count(), 3);
    assert!(!place.graph("vfs-layers/layerhold-intent.json").exists());
    // What somebody uses stays, and what it stands on.
    let mut tx = place.store.begin().unwrap();
    tx.create_image(ImageSpec::new().name("user").top_layer(base.id().clone()))
        .unwrap();
    tx.commit().unwrap();
    note(&format!("\"{}\"", long('9')));
    assert_eq!(count(), 2);
    assert!(
        place.store.exists(base.id().as_str()).unwrap()
            && !place.store.exists(top.id().as_str()).unwrap()
    );
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        2
    );
}

#[test]
fn a_note_that_makes_no_sense_is_removed() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    for text in ["", "[]", "{\"layers\":[\"../x\"]}"] {
        std::fs::write(place.graph("vfs-layers/layerhold-intent.json"), text).unwrap();
        assert_eq!(place.again().snapshot().unwrap().layers().count(), 1);
        assert!(
            !place.graph("vfs-layers/layerhold-intent.json").exists(),
            "{text}"
        );
    }
}
