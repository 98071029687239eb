//! Finding records.

use layerhold_json_store::{Freshness, JsonStore, Resolution};

use crate::support::{DURABLE, Place, Thing, VOLATILE};

const TEXT: &str = r#"[
    {"id":"abc1","names":["one","x y"],"parent":"p","alias":"first","tags":["t1","t2"]},
    {"id":"abc2","names":["two"],"parent":"p","alias":"shared"},
    {"id":"abd3","parent":"q","alias":"shared","tags":["t2"]},
    {"id":"abd3 x"},
    {"id":"e","parent":""}
]"#;

#[test]
fn texts_mean_ids_then_names_then_keys_then_prefixes() {
    let place = Place::with(TEXT);
    let snapshot = place.open().snapshot().unwrap();
    let cases = [
        ("abc1", Resolution::One("abc1")),
        ("one", Resolution::One("abc1")),
        ("x y", Resolution::One("abc1")),
        ("first", Resolution::One("abc1")),
        ("shared", Resolution::One("abd3")),
        ("abd", Resolution::One("abd3")),
        ("abd3 ", Resolution::None),
        ("abd3 x", Resolution::One("abd3 x")),
        ("abc", Resolution::Ambiguous),
        ("a", Resolution::Ambiguous),
        ("p", Resolution::None),
        ("", Resolution::None),
        ("abc12", Resolution::None),
    ];
    // Several rounds, because indices are made after some lookups.
    for _ in 0..8 {
        for (text, expected) in cases {
            assert_eq!(snapshot.resolve(text), expected, "{text}");
            let found = snapshot.lookup(text).unwrap().one();
            let id = found
                .as_ref()
                .map(|thing| layerhold_json_store::Record::id(&**thing));
            assert_eq!(id, expected.one(), "{text}");
        }
    }
    assert_eq!(snapshot.with_prefix("one"), Resolution::None);
}

#[test]
fn keys_find_all_records_with_a_value() {
    let place = Place::with(TEXT);
    let store = place.open();
    let snapshot = store.snapshot().unwrap();
    for _ in 0..8 {
        assert_eq!(snapshot.by_key("parent", "p"), ["abc1", "abc2"]);
        assert_eq!(snapshot.by_key("parent", "q"), ["abd3"]);
        assert_eq!(snapshot.by_key("parent", ""), [""; 0]);
        assert_eq!(snapshot.by_key("tag", "t2"), ["abc1", "abd3"]);
        assert_eq!(snapshot.by_key("label", "t2"), ["abc1", "abd3"]);
        assert_eq!(snapshot.by_key("label", "t"), [""; 0]);
        assert_eq!(snapshot.by_key("label", ""), [""; 0]);
        assert_eq!(snapshot.by_key("alias", "shared"), ["abc2", "abd3"]);
        assert_eq!(snapshot.by_key("unknown", "p"), [""; 0]);
    }
    let mut guard = store.write().unwrap();
    guard
        .insert(Thing::new("n").with("parent", "p"), DURABLE)
        .unwrap();
    guard
        .update("abc1", |thing| thing.set("parent", "q"))
        .unwrap();
    guard
        .insert(Thing::new("v").with("parent", "q"), VOLATILE)
        .unwrap();
    assert_eq!(guard.by_key("parent", "p"), ["abc2", "n"]);
    assert_eq!(guard.by_key("parent", "q"), ["abc1", "abd3", "v"]);
    assert_eq!(guard.by_key("tag", "t2"), ["abc1", "abd3"]);
    guard.remove("abd3").unwrap();
    assert_eq!(guard.by_key("parent", "q"), ["abc1", "v"]);
    assert_eq!(guard.resolve("shared"), Resolution::One("abc2"));
    assert_eq!(guard.resolve("abd"), Resolution::None);
}

#[test]
fn records_are_listed_with_their_locations() {
    let place = Place::with(TEXT);
    place.write("volatile-things.json", r#"[{"id":"v","text":"needle"}]"#);
    let snapshot = place.open().snapshot().unwrap();
    assert_eq!(snapshot.len(), 6);
    let listed: Vec<(String, usize)> = snapshot
        .iter()
        .map(|thing| thing.map(|thing| (thing.text("id").to_owned(), thing.location().position())))
        .collect::<Result<_, _>>()
        .unwrap();
    let expected = [
        ("abc1", 0),
        ("abc2", 0),
        ("abd3", 0),
        ("abd3 x", 0),
        ("e", 0),
        ("v", 1),
    ];
    assert_eq!(
        listed,
        expected.map(|(id, location)| (id.to_owned(), location))
    );
    assert_eq!(snapshot.location_of("v"), Some(VOLATILE));
    assert_eq!(snapshot.location_of("w"), None);
    assert_eq!(snapshot.mentioning(b"needle"), ["v"]);
    assert_eq!(
        snapshot.json("v"),
        Some(&br#"{"id":"v","text":"needle"}"#[..])
    );
}

#[test]
fn hand_edits_are_seen_where_files_count() {
    let place = Place::with(r#"[{"id":"a"}]"#);
    let by_token = place.open();
    let by_files =
        JsonStore::<Thing>::open(place.options().freshness(Freshness::TokenAndFiles)).unwrap();
    assert!(by_token.snapshot().unwrap().contains("a"));
    let before = by_files.snapshot().unwrap();
    assert!(std::sync::Arc::ptr_eq(
        &before,
        &by_files.snapshot().unwrap()
    ));
    place.write("things.json", r#"[{"id":"bb"}]"#);
    assert!(by_token.snapshot().unwrap().contains("a"));
    assert!(by_files.snapshot().unwrap().contains("bb"));
    std::fs::remove_file(place.file("things.json")).unwrap();
    assert!(by_files.snapshot().unwrap().is_empty());
    assert!(before.contains("a"));
}
