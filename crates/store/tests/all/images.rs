//! Tests creating images.

use layerhold::layerhold_ids::{Digest, LayerId};
use layerhold::{BigDataItem, Conflict, DataError, ErrorKind, ImageSpec, StageError};

use crate::support::{Place, id, image, long, small_tar};

fn digest(digit: char) -> Digest {
    format!("sha256:{}", long(digit)).parse().unwrap()
}

#[test]
fn an_image_has_all_that_was_asked_for() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .names(["b", "a", "b"])
        .names_history(["old"])
        .metadata("meta")
        .created("2024-05-01T12:00:00.5+02:00".parse().unwrap())
        .big_data(BigDataItem::new("Config", "{}"))
        .big_data(BigDataItem::new("manifest-1", "[]").with_digest(digest('2')))
        .flag("x", true);
    let image = tx.create_image(spec).unwrap();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    let found = view.image("a").unwrap();
    assert_eq!(
        (found.id(), found.names()),
        (&image, &["b".to_owned(), "a".to_owned()][..])
    );
    assert_eq!(
        (found.names_history(), found.metadata()),
        (&["old".to_owned()][..], "meta")
    );
    assert_eq!(found.created().to_string(), "2024-05-01T12:00:00.5+02:00");
    assert_eq!((found.top_layer(), found.big_data_names().len()), (None, 2));
    // An image without a digest gets that of its first manifest.
    assert_eq!(found.digest(), Some(digest('2')));
    assert!(found.flags().is_true("x"));
    assert_eq!(place.store.image_data("a", "Config").unwrap(), b"{}");
    assert!(
        place
            .graph("vfs-images")
            .join(image.as_str())
            .join("=Q29uZmln")
            .exists()
    );
}

#[test]
fn what_is_wrong_is_refused() {
    let place = Place::new();
    let (taken, _) = image(&place.store, "taken", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let kind = |error: StageError| error.kind();
    assert_eq!(
        kind(
            tx.create_image(ImageSpec::new().without_manifest().id(taken))
                .unwrap_err()
        ),
        Some(ErrorKind::DuplicateId)
    );
    assert_eq!(
        kind(
            tx.create_image(ImageSpec::new().without_manifest().name("taken"))
                .unwrap_err()
        ),
        Some(ErrorKind::DuplicateName)
    );
    let gone = ImageSpec::new()
        .without_manifest()
        .top_layer(id::<LayerId>("gone"));
    assert_eq!(
        kind(tx.create_image(gone).unwrap_err()),
        Some(ErrorKind::LayerUnknown)
    );
    let undigested = ImageSpec::new()
        .without_manifest()
        .big_data(BigDataItem::new("manifest", "{}"));
    let error = tx.create_image(undigested).unwrap_err();
    assert!(matches!(
        error,
        StageError::Data(DataError::DigestNeeded { .. })
    ));
    assert_eq!(kind(error), Some(ErrorKind::DigestUnknown));
    for key in ["", "..", "a/"] {
        let error = tx
            .create_image(
                ImageSpec::new()
                    .without_manifest()
                    .big_data(BigDataItem::new(key, "x")),
            )
            .unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::InvalidBigDataName), "{key:?}");
    }
    assert!(tx.commit().unwrap().images.is_empty());
    assert_eq!(place.store.snapshot().unwrap().images().count(), 1);
}

#[test]
fn names_move_when_they_may() {
    let place = Place::new();
    let (old, layer) = image(&place.store, "name", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let new = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .name("name")
                .name("more")
                .top_layer(layer)
                .move_names(),
        )
        .unwrap();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.image("name").unwrap().id(), &new);
    assert_eq!(
        view.image(new.as_str()).unwrap().names_history(),
        ["more", "name"]
    );
    assert!(view.image(old.as_str()).unwrap().names().is_empty());
}

#[test]
fn an_image_that_is_present_is_updated() {
    let place = Place::new();
    let (present, layer) = image(&place.store, "first", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .id(present.clone())
        .name("second")
        .top_layer(layer)
        .metadata("new")
        .big_data(BigDataItem::new("manifest", "{}").with_digest(digest('3')))
        .move_names()
        .update_present();
    tx.create_image(spec).unwrap();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    let image = view.image(present.as_str()).unwrap();
    assert_eq!(
        (image.names(), image.metadata()),
        (&["second".to_owned(), "first".to_owned()][..], "new")
    );
    assert_eq!(place.store.image_data("first", "manifest").unwrap(), b"{}");
    assert_eq!(view.images_by_digest(&digest('3')).len(), 1);
    let mut tx = place.store.begin().unwrap();
    let error = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .id(present)
                .update_present(),
        )
        .unwrap_err();
    assert!(
        matches!(error, StageError::Conflict(Conflict::OtherTopLayer { .. })),
        "{error}"
    );
}

#[test]
fn a_name_taken_before_the_commit_stops_it_with_all_its_layers() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let layer = tx
        .import_layer(
            layerhold::LayerSpec::new(),
            crate::support::reader(&small_tar()),
        )
        .unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name("wanted")
            .top_layer(&layer),
    )
    .unwrap();
    image(&place.again(), "wanted", &small_tar());
    let error = tx.commit().unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::DuplicateName));
    let view = place.store.snapshot().unwrap();
    assert_eq!((view.layers().count(), view.images().count()), (1, 1));
    assert!(!place.graph("vfs/dir").join(layer.id().as_str()).exists());
}
