//! Tests lookups.

use layerhold::layerhold_ids::{Digest, LayerId};
use layerhold::{
    BigDataItem, ContainerSpec, ErrorKind, ImageSpec, Item, ItemKind, LayerSpec, LookupError,
    layerhold_json_store,
};

use crate::support::{Place, id, image, import, long, reader, small_tar};

#[test]
fn by_id_name_and_unique_prefix() {
    let place = Place::new();
    let (first, second) = (
        format!("ab{}", "0".repeat(62)),
        format!("ac{}", "0".repeat(62)),
    );
    for (layer, name) in [(&first, "one"), (&second, "two")] {
        import(
            &place.store,
            LayerSpec::new().id(id(layer)).name(name),
            &small_tar(),
        );
    }
    let view = place.store.snapshot().unwrap();
    for key in [first.as_str(), "one", "ab", "ab0"] {
        assert_eq!(view.layer(key).unwrap().id(), &first.as_str(), "{key}");
    }
    assert!(matches!(
        view.layer("a").unwrap_err(),
        LookupError::Ambiguous {
            kind: ItemKind::Layer,
            ..
        }
    ));
    assert!(matches!(
        view.layer("").unwrap_err(),
        LookupError::Unknown { .. }
    ));
    assert_eq!(
        view.layer("nosuch").unwrap_err().kind(),
        Some(ErrorKind::LayerUnknown)
    );
    assert_eq!(
        view.layer("a").unwrap_err().kind(),
        Some(ErrorKind::LayerUnknown)
    );
    assert!(view.exists("one") && !view.exists("a") && !view.exists("nosuch"));
    assert!(place.store.exists("two").unwrap() && !place.store.exists("a").unwrap());
    assert!(view.layer_by_id(&id("one")).unwrap().is_none());
}

#[test]
fn a_text_is_resolved_into_a_typed_id() {
    let place = Place::new();
    let (image, layer) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let container = tx
        .create_container(ContainerSpec::new().name("box").image(image.clone()))
        .unwrap();
    tx.commit().unwrap();
    let store = &place.store;
    let prefix = &image.as_str()[..20];
    for key in ["image", prefix, image.as_str()] {
        assert_eq!(store.resolve_image(key).unwrap(), image);
    }
    assert_eq!(store.resolve_layer(&layer).unwrap(), layer);
    for key in ["box", container.layer().as_str()] {
        assert_eq!(&store.resolve_container(key).unwrap(), container.id());
    }
    let expected = layerhold::ItemId::Container(container.id().clone());
    assert_eq!(store.resolve("box").unwrap(), expected);
    let unknown = store.resolve_layer("image").unwrap_err();
    assert_eq!(unknown.kind(), Some(ErrorKind::LayerUnknown));
    assert!(unknown.is_not_found());
}

#[test]
fn one_key_for_all_kinds_means_layers_first() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("same"), &small_tar());
    let (image, _) = image(&place.store, "same", &small_tar());
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.find("same").unwrap().kind(), ItemKind::Layer);
    assert_eq!(view.find(image.as_str()).unwrap().kind(), ItemKind::Image);
    assert_eq!(
        view.find("nosuch").unwrap_err().kind(),
        Some(ErrorKind::NotAnId)
    );
    let Item::Image(found) = view.find(image.as_str()).unwrap() else {
        panic!()
    };
    assert_eq!(found.names(), ["same"]);
}

#[test]
fn by_what_belongs_together() {
    let place = Place::new();
    let tar = small_tar();
    let mut tx = place.store.begin().unwrap();
    let base = tx
        .import_layer(LayerSpec::new().read_only(), reader(&tar))
        .unwrap();
    let top = tx
        .create_layer(LayerSpec::new().parent(&base).read_only())
        .unwrap();
    let own: Digest = format!("sha256:{}", long('1')).parse().unwrap();
    let manifest: Digest = format!("sha256:{}", long('2')).parse().unwrap();
    let item = BigDataItem::new("manifest", "{}").with_digest(manifest.clone());
    let spec = ImageSpec::new()
        .without_manifest()
        .name("image")
        .top_layer(&top)
        .digest(own.clone())
        .big_data(item);
    let image = tx.create_image(spec).unwrap();
    let container = tx
        .create_container(ContainerSpec::new().name("box").image(image.clone()))
        .unwrap();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    let ids = |layers: Vec<std::sync::Arc<layerhold::Layer>>| {
        layers
            .iter()
            .map(|layer| layer.id().clone())
            .collect::<Vec<LayerId>>()
    };
    let digests = base.digests().unwrap();
    assert_eq!(
        ids(view.layers_by_diff_id(&digests.diff_id)),
        [base.id().clone()]
    );
    assert_eq!(
        ids(view.layers_by_compressed_digest(&digests.compressed)),
        [base.id().clone()]
    );
    assert_eq!(ids(view.layer_children(base.id())), [top.id().clone()]);
    assert_eq!(
        ids(view.layer_children(top.id())),
        [container.layer().clone()]
    );
    for digest in [&own, &manifest] {
        assert_eq!(view.images_by_digest(digest).len(), 1);
    }
    assert_eq!(
        view.images_by_top_layer(top.id())
            .first()
            .map(|image| image.id().clone()),
        Some(image.clone())
    );
    assert!(view.images_by_top_layer(base.id()).is_empty());
    assert_eq!(
        view.container_by_layer(container.layer()).unwrap().id(),
        container.id()
    );
    assert_eq!(view.containers_of_image(&image).len(), 1);
    // As in Go, containers are also found by their layer.
    assert_eq!(
        view.container(container.layer().as_str()).unwrap().id(),
        container.id()
    );
    assert_eq!(
        view.image_by_id(&image).unwrap().unwrap().digest(),
        Some(own)
    );
    assert_eq!(
        view.container_by_id(container.id())
            .unwrap()
            .unwrap()
            .image(),
        Some(&image)
    );
}

#[test]
fn damaged_records_are_set_aside_and_kept() {
    let place = Place::new();
    image(&place.store, "good", &small_tar());
    let file = place.graph("vfs-images/images.json");
    let good = std::fs::read_to_string(&file).unwrap();
    let bad = format!(
        r#"{{"id":"{}","digest":"sha256:short","created":"2020-01-01T00:00:00Z"}}"#,
        long('b')
    );
    let evil = r#"{"id":"../../etc","created":"2020-01-01T00:00:00Z"}"#;
    std::fs::write(
        &file,
        format!("{},{bad},{evil}]", good.trim_end_matches(']')),
    )
    .unwrap();
    let store = place.again();
    let view = store.snapshot().unwrap();
    assert_eq!(view.images().count(), 1);
    assert_eq!(view.damaged().len(), 2);
    assert!(
        view.damaged()
            .iter()
            .all(|damage| damage.kind == ItemKind::Image)
    );
    assert!(matches!(
        view.image(&long('b')).unwrap_err(),
        LookupError::Damaged { .. }
    ));
    assert_eq!(
        view.image("../../etc").unwrap_err().kind(),
        Some(ErrorKind::LoadError)
    );
    store.set_metadata("good", "changed").unwrap();
    let after = std::fs::read_to_string(&file).unwrap();
    assert!(after.contains(&bad) && after.contains(evil) && after.contains("changed"));
    let kinds: Vec<_> = view
        .damaged()
        .into_iter()
        .map(|damage| damage.damage.kind)
        .collect();
    assert!(matches!(
        kinds[..],
        [
            layerhold_json_store::DamageKind::Invalid(_),
            layerhold_json_store::DamageKind::Invalid(_)
        ]
    ));
}

#[test]
fn a_chain_with_a_gap_or_a_loop_ends() {
    let place = Place::new();
    let record = |id: &str, parent: &str| {
        format!(r#"{{"id":"{id}","parent":"{parent}","created":"2020-01-01T00:00:00Z"}}"#)
    };
    let text = format!(
        "[{},{},{}]",
        record("a", "b"),
        record("b", "a"),
        record("c", "gone")
    );
    std::fs::write(place.graph("vfs-layers/layers.json"), text).unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.layer_chain(&id("a")).unwrap().len(), 2);
    assert_eq!(
        view.layer_chain(&id("c")).unwrap_err().kind(),
        Some(ErrorKind::LayerUnknown)
    );
}

#[test]
fn hand_edits_are_noticed() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 1);
    std::fs::write(place.graph("vfs-layers/layers.json"), "[]").unwrap();
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 0);
    assert!(place.store.snapshot().unwrap().image("image").is_ok());
}

#[test]
fn one_of_ten_thousand_layers_is_found() {
    let place = Place::new();
    let records: Vec<String> = (0..10_000u32)
        .map(|n| format!(r#"{{"id":"{:064x}","names":["n{n}"],"created":"2020-01-01T00:00:00Z","diff-digest":"sha256:{:064x}"}}"#, n + 1, n / 2))
        .collect();
    std::fs::write(
        place.graph("vfs-layers/layers.json"),
        format!("[{}]", records.join(",")),
    )
    .unwrap();
    assert!(place.store.exists("n9999").unwrap() && !place.store.exists("n10000").unwrap());
    let view = place.store.snapshot().unwrap();
    assert_eq!(
        view.layer(&format!("{:064x}", 77)).unwrap().names(),
        ["n76"]
    );
    let diff_id = format!("sha256:{:064x}", 4999)
        .parse::<Digest>()
        .map(layerhold_ids::DiffId::new)
        .unwrap();
    assert_eq!(view.layers_by_diff_id(&diff_id).len(), 2);
    assert_eq!(view.layers().count(), 10_000);
}
