//! Limits of what imported layers may unpack to.

use layerhold::layerhold_archive::{ImportError, ImportLimit};
use layerhold::{DiffError, LayerSpec, StageError, Store};

use crate::support::{Place, import, leftovers, options, reader, small_tar};

fn limited(place: &Place) -> Store {
    let options = options(place.dir.path());
    Store::open(options.with_max_entries(2).with_max_unpacked_bytes(1 << 20)).unwrap()
}

#[test]
fn every_way_in_keeps_to_the_limits() {
    let place = Place::new();
    let tar = small_tar();
    let layer = import(&place.store, LayerSpec::new(), &tar);
    let records = place.records("vfs-layers/layers.json");
    let store = limited(&place);

    let mut tx = store.begin().unwrap();
    let error = tx.import_layer(LayerSpec::new(), reader(&tar)).unwrap_err();
    let StageError::Import(source) = error else {
        panic!("{error:?}");
    };
    assert!(matches!(
        *source,
        ImportError::TooLarge(ImportLimit::Entries(2))
    ));
    drop(tx);

    let error = store.apply_diff(layer.id(), reader(&tar)).unwrap_err();
    let DiffError::Apply { source, .. } = error else {
        panic!("{error:?}");
    };
    assert!(matches!(
        *source,
        ImportError::TooLarge(ImportLimit::Entries(2))
    ));

    let mut tx = store.begin().unwrap();
    let padded = [small_tar(), vec![0; 1 << 20]].concat();
    let error = tx
        .import_layer(LayerSpec::new(), reader(&padded))
        .unwrap_err();
    let StageError::Import(source) = error else {
        panic!("{error:?}");
    };
    let limit = ImportLimit::UnpackedBytes(1 << 20);
    assert!(matches!(*source, ImportError::TooLarge(found) if found == limit));
    drop(tx);

    assert_eq!(place.records("vfs-layers/layers.json"), records);
    assert_eq!(leftovers(&place), Vec::<String>::new());
}
