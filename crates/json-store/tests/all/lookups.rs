//! Finding records.

use std::ffi::OsStr;
use std::sync::Arc;

use layerhold_json_store::layerhold_sys::{
    Dir, HostIo, MetadataIo, PathError, Staged, directories_opened,
};
use layerhold_json_store::{Freshness, JsonStore, LookupError, Resolution};
use proptest::prelude::*;

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
    assert!(Arc::ptr_eq(&before, &by_files.snapshot().unwrap()));
    place.write("things.json", r#"[{"id":"bb"}]"#);
    assert!(by_token.snapshot().unwrap().contains("a"));
    assert!(by_files.snapshot().unwrap().contains("bb"));
    std::fs::remove_file(place.file("things.json")).unwrap();
    assert!(by_files.snapshot().unwrap().is_empty());
    assert!(before.contains("a"));
}

/// A store of its own tells the same as a snapshot, the first time and later.
fn agree(place: &Place, text: &str) {
    let loaded = place.open().snapshot().unwrap().lookup(text);
    let store = place.open();
    for turn in 0..3 {
        match (&loaded, store.lookup(text)) {
            (Ok(Resolution::One(expected)), Ok(Resolution::One(found))) => {
                assert_eq!(found.location(), expected.location(), "{text} {turn}");
                assert_eq!(*found, **expected, "{text} {turn}");
            }
            (Ok(Resolution::None), Ok(Resolution::None))
            | (Ok(Resolution::Ambiguous), Ok(Resolution::Ambiguous))
            | (Err(_), Err(LookupError::Damaged(_))) => {}
            (expected, found) => panic!("{text} {turn}: {expected:?}, {found:?}"),
        }
    }
}

#[test]
fn a_single_question_is_answered_as_by_a_snapshot() {
    let contents = [
        TEXT,
        "",
        "[]",
        r#"[{"id":"abc1"},{"id":"p","names":7},{"id":"e"}"#,
        r#"[{"id":"p","names":7},{"id":"p","x":1},{"id":"e","id":"abc1"}]"#,
        r#"[{"id":"e","names":["one"]},{"id":"two","names":["one"]},null,{"id":"\u0070"}]"#,
        r#"[{"id":"abd3 x","metadata":"{\"id\":\"e\"}"},{"id":"e","metadata":"\n"}]"#,
        r#"[{"id":"zzz"},{"id":"abd7"},{"id":"tt","names":["abc1"]},{"id":"two1","names":["x"]}]"#,
        r#"[{"id":"zzz","text":7},{"id":"abd7","id":"abd8"},{"id":"two2 y"},{"id":"p9","x":["p9"]}]"#,
    ];
    let texts = [
        "abc1", "one", "shared", "abd", "abc", "p", "e", "t1", "two", "zz", "", "abd3 x", "t", "o",
    ];
    for durable in contents {
        for volatile in [None, Some(TEXT), Some(r#"[{"id":"e"},{"id":"zz"}]"#)] {
            let place = Place::with(durable);
            if let Some(volatile) = volatile {
                place.write("volatile-things.json", volatile);
            }
            texts.iter().for_each(|text| agree(&place, text));
        }
    }
    let place = Place::new();
    texts.iter().for_each(|text| agree(&place, text));
}

/// One record in which the letters a and b may be anywhere.
fn any_record() -> impl Strategy<Value = String> {
    let word = || "[ab]{1,3}";
    let names = prop::collection::vec(word(), 0..2);
    let optional = prop::option::weighted(0.3, word());
    let rest = prop::sample::select(vec![
        "",
        r#","id":"ab""#,
        r#","text":7"#,
        r#","x":{"ab":"\\u0061"}"#,
        r#","x":["ba"]"#,
    ]);
    (word(), names, optional.clone(), optional, rest).prop_map(
        |(id, names, parent, alias, rest)| {
            let names = match names.as_slice() {
                [] => String::new(),
                names => format!(r#","names":{names:?}"#),
            };
            let field = |name: &str, value: Option<String>| {
                value.map_or_else(String::new, |value| format!(r#","{name}":"{value}""#))
            };
            let (parent, alias) = (field("parent", parent), field("alias", alias));
            format!(r#"{{"id":"{id}"{names}{parent}{alias}{rest}}}"#)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn single_questions_about_anything_are_answered_alike(
        durable in prop::collection::vec(any_record(), 0..6),
        volatile in prop::collection::vec(any_record(), 0..3),
        texts in prop::collection::vec("[ab]{1,3}", 1..4),
    ) {
        let place = Place::with(format!("[{}]", durable.join(",")));
        place.write("volatile-things.json", format!("[{}]", volatile.join(",")));
        texts.iter().for_each(|text| agree(&place, text));
    }
}

/// Refuses to read whole files.
#[derive(Debug)]
struct PiecesOnly;

impl MetadataIo for PiecesOnly {
    fn read(&self, _: &Dir, name: &OsStr, _: u64) -> Result<Option<Vec<u8>>, PathError> {
        panic!("all of {} was read", name.display());
    }

    fn open(
        &self,
        dir: &Dir,
        name: &OsStr,
        limit: u64,
    ) -> Result<Option<Box<dyn std::io::Read>>, PathError> {
        HostIo.open(dir, name, limit)
    }

    fn stage(
        &self,
        dir: &Dir,
        name: &OsStr,
        mode: u32,
        chunks: &[&[u8]],
    ) -> Result<Staged, PathError> {
        HostIo.stage(dir, name, mode, chunks)
    }

    fn sync(&self, staged: &Staged) -> Result<(), PathError> {
        HostIo.sync(staged)
    }

    fn publish(&self, staged: Staged) -> Result<(), PathError> {
        HostIo.publish(staged)
    }

    fn remove(&self, dir: &Dir, name: &OsStr) -> Result<bool, PathError> {
        HostIo.remove(dir, name)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), PathError> {
        HostIo.sync_dir(dir)
    }
}

#[test]
fn a_single_question_does_not_keep_the_file() {
    let place = Place::with(TEXT);
    for (text, is_there) in [("abd3 x", true), ("abd", true), ("not-there", false)] {
        let store = JsonStore::<Thing>::open(place.options().io(Arc::new(PiecesOnly))).unwrap();
        let found = store.lookup(text).unwrap().one();
        assert_eq!(found.is_some(), is_there, "{text}");
    }
    let limited = JsonStore::<Thing>::open(place.options().limit(20)).unwrap();
    assert!(matches!(limited.lookup("e"), Err(LookupError::Read(_))));
}

#[test]
fn the_directory_of_several_files_is_opened_once() {
    let place = Place::with(TEXT);
    let store = place.open();
    let before = directories_opened();
    store.snapshot().unwrap();
    let opened = directories_opened() - before;
    assert_eq!(opened, 1);
}
