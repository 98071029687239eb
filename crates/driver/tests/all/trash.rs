//! Removed layers on their way out.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use layerhold_driver::{LayerError, Trash};
use layerhold_sys::Dir;

#[test]
fn one_area_for_each_root_and_none_without_need() {
    let place = tempfile::tempdir().unwrap();
    let home = Dir::open_ambient(place.path()).unwrap();
    let (first, second) = (place.path().join("first"), place.path().join("second"));
    drop(Trash::new());
    assert!(!first.exists());

    let mut trash = Trash::new();
    for name in ["a", "b"] {
        fs::create_dir_all(place.path().join(name).join("below")).unwrap();
        trash
            .area(&first)
            .unwrap()
            .stage_deletion(&home, name)
            .unwrap();
        assert!(!place.path().join(name).exists());
    }
    drop(trash.area(&second).unwrap().dir().clone());
    // A lock and a directory.
    assert_eq!(fs::read_dir(&first).unwrap().count(), 2);
    assert_eq!(fs::read_dir(&second).unwrap().count(), 2);
    trash.erase().unwrap();
    assert_eq!(fs::read_dir(&first).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&second).unwrap().count(), 0);
}

#[test]
fn deferred_work_is_done_once_when_erased_or_dropped() {
    let count = Arc::new(AtomicU32::new(0));
    let fail = |count: &Arc<AtomicU32>| {
        let count = Arc::clone(count);
        move || {
            count.fetch_add(1, Ordering::Relaxed);
            Err(LayerError::NotSupported {
                driver: "fake",
                operation: "erase",
            })
        }
    };
    let mut trash = Trash::new();
    trash.defer(fail(&count));
    trash.defer(fail(&count));
    assert!(matches!(
        trash.erase(),
        Err(LayerError::NotSupported { .. })
    ));
    assert_eq!(count.load(Ordering::Relaxed), 2);

    let mut trash = Trash::new();
    trash.defer(fail(&count));
    drop(trash);
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[test]
fn an_area_that_cannot_be_made_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    drop(fs::File::create(&file).unwrap());
    let mut trash = Trash::new();
    let error = trash.area(&file.join("temp")).unwrap_err();
    assert!(matches!(error, LayerError::TempArea(_)), "{error:?}");
}
