//! Data items beside the records.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use layerhold_json_store::{BigDataError, ChangeError, KeyError};

use crate::support::{DURABLE, Place, Thing};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn items_are_files_with_the_names_of_go() {
    let place = Place::with(r#"[{"id":"a"}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    let cases = [
        ("manifest", "manifest"),
        ("Config", "=Q29uZmln"),
        ("a/b", "=YS9i"),
        ("???", "=Pz8"),
        ("A", "A"),
        ("日", "日"),
    ];
    for (key, name) in cases {
        guard
            .set_big_data("a", key, key.as_bytes(), |_| {})
            .unwrap();
        let file = place.file("data/a").join(name);
        assert_eq!(std::fs::read(&file).unwrap(), key.as_bytes());
        assert_eq!(mode(&file), 0o600);
        assert_eq!(
            store.read_big_data("a", key, 100).unwrap().unwrap(),
            key.as_bytes()
        );
        assert_eq!(
            store.big_data_size("a", key).unwrap(),
            Some(key.len() as u64)
        );
    }
    assert_eq!(mode(&place.file("data/a")), 0o700);
    assert!(!guard.is_dirty());
    assert_eq!(
        std::fs::read_dir(place.file("data/a")).unwrap().count(),
        cases.len()
    );
    for (key, error) in [
        ("", KeyError::Empty),
        ("..", KeyError::Directory),
        ("a/", KeyError::TrailingSlash),
        ("~~??", KeyError::EncodedSlash),
    ] {
        let refused = guard.set_big_data("a", key, b"", |_| {}).unwrap_err();
        assert!(
            matches!(refused, BigDataError::Key { source, .. } if source == error),
            "{key}"
        );
    }
}

#[test]
fn the_record_takes_note_after_the_file_is_there() {
    let place = Place::with(r#"[{"id":"a"}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    std::fs::write(place.file("staged"), vec![b'x'; 300_000]).unwrap();
    let dir = layerhold_sys::Dir::open_ambient(place.file("")).unwrap();
    guard
        .put_big_data("a", "k1", (&dir, "staged".as_ref()), |thing, size| {
            assert_eq!(
                std::fs::metadata(place.file("data/a/k1")).unwrap().len(),
                size
            );
            thing.set("size", size);
        })
        .unwrap();
    assert!(guard.is_dirty());
    guard.save().unwrap();
    assert_eq!(
        place.text("things.json").unwrap(),
        r#"[{"id":"a","size":300000}]"#
    );
    // An open item keeps its content.
    let mut open = store.open_big_data("a", "k1").unwrap().unwrap();
    guard
        .set_big_data("a", "k1", b"new", |thing| thing.set("size", 300_000))
        .unwrap();
    assert!(!guard.is_dirty());
    let mut old = Vec::new();
    open.read_to_end(&mut old).unwrap();
    assert_eq!(old.len(), 300_000);
    assert_eq!(store.read_big_data("a", "k1", 3).unwrap().unwrap(), b"new");
    assert!(store.read_big_data("a", "k1", 2).is_err());
}

#[test]
fn a_staged_item_without_a_record_stays_where_it_is() {
    let place = Place::with(r#"[{"id":"a"}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.set_big_data("a", "k1", b"old", |_| {}).unwrap();
    let dir = layerhold_sys::Dir::open_ambient(place.file("")).unwrap();
    std::fs::write(place.file("staged"), "new").unwrap();
    let staged = (&dir, "staged".as_ref());
    let error = guard
        .put_big_data("b", "k1", staged, |_, _| {})
        .unwrap_err();
    assert!(matches!(error, BigDataError::Record { .. }));
    let missing = (&dir, "missing".as_ref());
    let error = guard
        .put_big_data("a", "k1", missing, |thing, _| thing.set("n", 1))
        .unwrap_err();
    assert!(matches!(error, BigDataError::Io { .. }));
    assert_eq!(store.read_big_data("a", "k1", 10).unwrap().unwrap(), b"old");
    assert!(place.file("staged").exists() && !guard.is_dirty());
}

#[test]
fn items_without_a_record_are_refused() {
    let place = Place::with(r#"[{"id":"../a"}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    let error = guard.set_big_data("b", "k1", b"", |_| {}).unwrap_err();
    assert!(matches!(
        error,
        BigDataError::Record {
            source: ChangeError::NotFound { .. },
            ..
        }
    ));
    // An ID that would lead elsewhere leads nowhere.
    let error = guard.set_big_data("../a", "k1", b"", |_| {}).unwrap_err();
    assert!(matches!(error, BigDataError::Io { .. }));
    assert!(store.read_big_data("../a", "k1", 1).is_err());
    assert!(guard.remove_data("..").is_err());
    assert_eq!(place.files(), ["data", "things.json"]);
}

#[test]
fn deleting_takes_the_items_along() {
    let place = Place::new();
    let store = place.open();
    let mut guard = store.write().unwrap();
    for id in ["a", "b"] {
        guard.insert(Thing::new(id), DURABLE).unwrap();
        guard.set_big_data(id, "k1", b"x", |_| {}).unwrap();
    }
    guard.set_big_data("a", "k2", b"x", |_| {}).unwrap();
    assert!(guard.remove_big_data("a", "k2").unwrap());
    assert!(!guard.remove_big_data("a", "k2").unwrap());
    guard.save().unwrap();
    drop(guard);
    std::fs::create_dir_all(place.file("data/a/userdata/shm")).unwrap();
    store.delete("a").unwrap();
    assert!(!place.file("data/a").exists());
    assert_eq!(store.read_big_data("a", "k1", 1).unwrap(), None);
    assert_eq!(store.read_big_data("b", "k1", 1).unwrap().unwrap(), b"x");
    assert_eq!(place.text("things.json").unwrap(), r#"[{"id":"b"}]"#);
    assert!(store.delete("a").is_err());
}
