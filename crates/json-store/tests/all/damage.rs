//! Damaged files: what can be read is read, and nothing is lost.

use proptest::prelude::Strategy;

use layerhold_json_store::{ChangeError, DamageKind, Damaged, FileState, Record};

use crate::support::{DURABLE, Place, Thing, list};

fn kinds(damaged: &[Damaged]) -> Vec<&'static str> {
    let kind = |damaged: &Damaged| match damaged.kind {
        DamageKind::Syntax => "syntax",
        DamageKind::MissingId => "id",
        DamageKind::DuplicateId { .. } => "duplicate",
        DamageKind::Invalid(_) => "invalid",
        DamageKind::AmbiguousId => "ambiguous",
        DamageKind::Tail => "tail",
        _ => "other",
    };
    damaged.iter().map(kind).collect()
}

#[test]
fn missing_and_empty_files_are_told_apart() {
    let place = Place::new();
    place.write("volatile-things.json", " \n");
    let snapshot = place.open().snapshot().unwrap();
    let states: Vec<FileState> = snapshot.files().iter().map(|file| file.state).collect();
    assert_eq!(states, [FileState::Absent, FileState::Empty]);
    assert!(snapshot.is_empty() && snapshot.damaged().is_empty());
    place.write("volatile-things.json", "null");
    let snapshot = place.open().snapshot().unwrap();
    assert_eq!(snapshot.files()[1].state, FileState::Complete);
}

/// Damaged elements, what is wrong with them, and which records are served beside them.
#[test]
fn damaged_records_are_set_aside_and_kept() {
    let cases: [(&str, &[&str], &[&str]); 11] = [
        (r#"{"names":["x"]}"#, &["id"], &[]),
        (r#"{"id":7}"#, &["id"], &[]),
        (r#"{"id":""}"#, &["id"], &[]),
        (r#"{"id":"a","other":1}"#, &["duplicate"], &[]),
        (r#"{"id":"c","names":"x"}"#, &["invalid"], &["c"]),
        (r#"{"id":"c","n":1x2}"#, &["invalid"], &["c"]),
        (r#"{"id":"c","x":[1,}]}"#, &["invalid"], &["c"]),
        (r#"{"id":"c","n":}"#, &["syntax"], &[]),
        (r#"{"id":"c,"n":1}"#, &["syntax"], &[]),
        ("17", &["syntax"], &[]),
        ("null", &["syntax"], &[]),
    ];
    for (damage, expected, found) in cases {
        let a = r#"{"id":"a","names":["one"]}"#;
        let b = r#"{"id":"b","names":["two"]}"#;
        let place = Place::with(format!("[{a},{damage},{b}]"));
        let store = place.open();
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.files()[0].state, FileState::Complete, "{damage}");
        assert_eq!(kinds(&snapshot.verify()), expected, "{damage}");
        let all = snapshot.damaged();
        assert_eq!(snapshot.damaged_bytes(&all[0]), damage.as_bytes());
        assert_eq!(
            (all[0].index, all[0].offset),
            (1, 2 + a.len() as u64),
            "{damage}"
        );
        assert_eq!(snapshot.by_name("two"), Some("b"), "{damage}");
        assert_eq!(
            snapshot.get("a").unwrap().unwrap().names(),
            ["one"],
            "{damage}"
        );
        let unusable: Vec<&str> = snapshot
            .ids()
            .filter(|id| !["a", "b"].contains(id))
            .collect();
        assert_eq!(unusable, found, "{damage}");
        for id in found {
            assert_eq!(snapshot.get(id).unwrap_err().index, 1);
        }
        assert_eq!(snapshot.iter().filter(Result::is_ok).count(), 2);

        // It stays where it is while others change.
        let mut guard = store.write().unwrap();
        guard.update("a", |thing| thing.set("n", 1)).unwrap();
        guard.insert(Thing::new("new"), DURABLE).unwrap();
        guard.save().unwrap();
        let changed = r#"{"id":"a","names":["one"],"n":1}"#;
        let saved = format!(r#"[{changed},{damage},{b},{{"id":"new"}}]"#);
        assert_eq!(place.text("things.json").unwrap(), saved, "{damage}");
        drop(guard);

        // Until it is set aside on purpose.
        let store = place.open();
        let mut guard = store.write().unwrap();
        let damaged = guard.verify();
        guard.set_aside(&damaged[0]).unwrap();
        guard.set_aside(&damaged[0]).unwrap();
        guard.save().unwrap();
        let saved = format!(r#"[{changed},{b},{{"id":"new"}}]"#);
        assert_eq!(place.text("things.json").unwrap(), saved, "{damage}");
        let files = store.set_aside_files().unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(std::fs::read(&files[0]).unwrap(), damage.as_bytes());
        assert_eq!(guard.verify().len(), 0);
        assert_eq!(guard.ids().collect::<Vec<_>>(), ["a", "b", "new"]);
    }
}

fn set_aside(place: &Place) -> Vec<String> {
    let files = place.open().set_aside_files().unwrap();
    let content = |file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
    files.iter().map(content).collect()
}

#[test]
fn damaged_records_are_not_changed_but_may_be_removed() {
    let place = Place::with(r#"[{"id":"a","names":7},{"id":"b"}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    let error = guard.update("a", |thing| thing.set("n", 1)).unwrap_err();
    assert!(matches!(error, ChangeError::Damaged { source, .. } if source.index == 0));
    guard.remove("a").unwrap();
    assert!(!guard.contains("a"));
    assert_eq!(guard.len(), 1);
    guard.save().unwrap();
    drop(guard);
    assert_eq!(place.text("things.json").unwrap(), r#"[{"id":"b"}]"#);
    assert_eq!(set_aside(&place), [r#"{"id":"a","names":7}"#]);
}

/// Records that cannot be found any more are removed by the ID that their bytes begin with.
#[test]
fn what_is_no_record_is_removed_by_the_identifier_it_begins_with() {
    let broken = r#"{"id":"a","n":}"#;
    let cases = [
        (format!(r#"[{broken},{{"id":"b"}}]"#), broken),
        (format!(r#"[{{"id":"b"}},{broken},{{"id":"b"}}]"#), broken),
        (
            r#"[{"id":"b"},{"id":"a","names":["x"#.to_owned(),
            r#",{"id":"a","names":["x"#,
        ),
    ];
    for (content, kept) in cases {
        let place = Place::with(&content);
        let mut guard = place.open().write().unwrap();
        assert!(!guard.contains("a"), "{content}");
        let damage = guard.damaged_with_id("a");
        assert_eq!(damage.len(), 1, "{content}");
        assert_eq!(damage[0].id.as_deref(), Some("a"));
        assert_eq!(guard.damaged_bytes(&damage[0]), kept.as_bytes());
        let other = guard.remove("c").unwrap_err();
        assert!(matches!(other, ChangeError::NotFound { id, .. } if id == "c"));
        guard.remove("a").unwrap();
        guard.save().unwrap();
        assert!(guard.damaged_with_id("a").is_empty(), "{content}");
        let after = place.text("things.json").unwrap();
        assert!(!after.contains(r#""a""#), "{after}");
        assert_eq!(set_aside(&place), [kept], "{content}");
        assert_eq!(guard.ids().collect::<Vec<_>>(), ["b"]);
        let again = guard.remove("a").unwrap_err();
        assert!(matches!(again, ChangeError::NotFound { .. }));
    }
}

/// Whatever is wrong, it is the same before and after a save takes the torn end away.
#[test]
fn a_torn_end_decides_about_nothing_before_it() {
    // No JSON because of the control character, but plain enough to be walked over.
    let odd = "{\"id\":\"a\",\"note\":\"\u{0}\"}";
    let good = r#"{"id":"a","note":"good"}"#;
    let b = r#"{"id":"b"}"#;
    for list in [
        format!("[{odd},{b},{good}"),
        format!("[{odd},{odd},{b}"),
        format!("[{good},{odd},{b}"),
        format!("[{b},{odd}"),
    ] {
        for tail in ["", ",{\"id\":\"c", ",{\"id\":\"a\":", "]]"] {
            let place = Place::with(format!("{list}{tail}"));
            let before = place.open().snapshot().unwrap();
            let mut guard = place.open().write().unwrap();
            guard.insert(Thing::new("new"), DURABLE).unwrap();
            guard.save().unwrap();
            drop(guard);
            let after = place.open().snapshot().unwrap();
            let mut expected: Vec<&str> = before.ids().collect();
            expected.push("new");
            assert_eq!(after.ids().collect::<Vec<_>>(), expected, "{list}{tail}");
            for id in before.ids() {
                assert_eq!(after.json(id), before.json(id), "{list}{tail}");
            }
            // The good one counts, wherever it is.
            let found = after.get("a").ok().flatten();
            assert_eq!(found.is_some(), list.contains(good), "{list}{tail}");
        }
    }
}

#[test]
fn a_record_that_can_be_read_counts_before_one_that_cannot() {
    let bad = r#"{"id":"a","names":7}"#;
    let good = r#"{"id":"a","names":["x"]}"#;
    let later = r#"{"id":"a","names":["y"]}"#;
    let place = Place::with(format!("[{bad},{bad},{good},{later}]"));
    let store = place.open();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.json("a"), Some(good.as_bytes()));
    assert_eq!(snapshot.by_name("x"), Some("a"));
    assert_eq!(snapshot.by_name("y"), None);
    assert_eq!(kinds(&snapshot.verify()), ["duplicate"; 3]);
    let mut guard = store.write().unwrap();
    guard.remove("a").unwrap();
    guard.save().unwrap();
    assert_eq!(place.text("things.json").unwrap(), "[]");
    let mut kept = set_aside(&place);
    kept.sort();
    assert_eq!(kept, [bad, later]);
}

/// The second record must not come to life when the first is removed.
#[test]
fn duplicates_do_not_outlive_the_record() {
    let place = Place::with(r#"[{"id":"a"},{"id":"b"}]"#);
    place.write("volatile-things.json", r#"[{"id":"a","old":1}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    assert_eq!(guard.len(), 2);
    guard.remove("a").unwrap();
    guard.save().unwrap();
    drop(guard);
    assert_eq!(
        place.open().snapshot().unwrap().ids().collect::<Vec<_>>(),
        ["b"]
    );
    assert_eq!(place.text("volatile-things.json").unwrap(), "[]");
    let files = store.set_aside_files().unwrap();
    assert_eq!(std::fs::read(&files[0]).unwrap(), br#"{"id":"a","old":1}"#);
}

fn three() -> [Thing; 3] {
    ["a", "b", "c"].map(|id| {
        Thing::named(id, &[&format!("name \"{id}\"")])
            .with("parent", "]}{[\\")
            .with("created", "2024-01-02T03:04:05Z")
            .with("set", vec![1, 2, 3])
    })
}

/// A file that is cut off anywhere keeps the records before the cut, and a save
/// keeps what came after them.
#[test]
fn files_cut_off_anywhere() {
    let text = list(&three());
    let ends: Vec<usize> = (1..=3)
        .map(|count| list(&three()[..count]).len() - 1)
        .collect();
    for cut in 0..text.len() {
        let place = Place::with(&text[..cut]);
        let store = place.open();
        let snapshot = store.snapshot().unwrap();
        let readable = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(
            snapshot.ids().collect::<Vec<_>>(),
            ["a", "b", "c"][..readable],
            "{cut}"
        );
        assert!(snapshot.verify().len() <= 1, "{cut}");
        let end = readable
            .checked_sub(1)
            .map_or(cut.min(1), |last| ends[last]);
        let tail = &text[end..cut];
        let expected = match cut {
            0 => FileState::Empty,
            _ => FileState::Torn {
                offset: end as u64,
                len: tail.len() as u64,
            },
        };
        assert_eq!(snapshot.files()[0].state, expected, "{cut}");

        let mut guard = store.write().unwrap();
        guard.insert(Thing::new("new"), DURABLE).unwrap();
        guard.save().unwrap();
        let mut all = three()[..readable].to_vec();
        all.push(Thing::new("new"));
        assert_eq!(place.text("things.json").unwrap(), list(&all), "{cut}");
        assert_eq!(guard.files()[0].state, FileState::Complete);
        let files = store.set_aside_files().unwrap();
        let kept: Vec<Vec<u8>> = files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect();
        let expected: Vec<&str> = [tail].into_iter().filter(|tail| !tail.is_empty()).collect();
        assert_eq!(
            kept,
            expected
                .iter()
                .map(|tail| tail.as_bytes())
                .collect::<Vec<_>>(),
            "{cut}"
        );
    }
}

/// Any single changed byte costs at most the record it is in, and nothing is
/// lost by a save.
#[test]
fn files_with_one_wrong_byte_anywhere() {
    let text = list(&three()).into_bytes();
    let ends: Vec<usize> = (1..=3)
        .map(|count| list(&three()[..count]).len() - 1)
        .collect();
    for position in 1..text.len() - 1 {
        for wrong in [
            b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'x', 0, 0xff,
        ] {
            let mut changed = text.clone();
            changed[position] = wrong;
            let place = Place::with(&changed);
            let snapshot = place.open().snapshot().unwrap();
            let hit = ends.iter().filter(|end| **end <= position).count();
            let between = ends.contains(&position);
            for (number, thing) in three().iter().enumerate() {
                // A bracket that ends the list makes the rest a torn end.
                let ends_list = wrong == b']' && (between || position == 1);
                // A wrong comma can cost both records beside it.
                if (ends_list && number >= hit)
                    || number == hit
                    || (between && number + 1 == hit)
                    || changed == text
                {
                    continue;
                }
                let found = snapshot.get(thing.id()).ok().flatten();
                let found = found.map(|found| found.into_record().as_ref().clone());
                assert_eq!(
                    found.as_ref(),
                    Some(thing),
                    "{}",
                    String::from_utf8_lossy(&changed)
                );
            }
        }
    }
}

/// Where the damage is a side file that was kept before is not replaced.
#[test]
fn different_tails_are_all_kept() {
    let place = Place::with("[{\"id\":\"a\"},{\"x");
    let store = place.open();
    let add = |id: &str| {
        let store = place.open();
        let mut guard = store.write().unwrap();
        guard.insert(Thing::new(id), DURABLE).unwrap();
        guard.save().unwrap();
    };
    add("b");
    place.write("things.json", "[{\"id\":\"a\"}]{\"y");
    add("c");
    place.write("things.json", "[{\"id\":\"a\"},{\"x");
    add("d");
    assert_eq!(store.set_aside_files().unwrap().len(), 2);
}

/// A file that has the name of a side file but other bytes, as a weak hash can bring about.
#[test]
fn side_files_are_never_replaced() {
    let damage = r#"{"n":1}"#;
    let damaged = || {
        let place = Place::with(format!("[{damage}]"));
        let store = place.open();
        let mut guard = store.write().unwrap();
        let all = guard.damaged();
        guard.set_aside(&all[0]).unwrap();
        guard.save().unwrap();
        place
    };
    let place = damaged();
    let file = place.open().set_aside_files().unwrap().remove(0);
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let taken = [(name.clone(), "1234567"), (format!("{name}-1"), "12345678")];

    let place = Place::with(format!("[{damage}]"));
    for (name, content) in &taken {
        place.write(name, content);
    }
    for _ in 0..2 {
        place.write("things.json", format!("[{damage}]"));
        let store = place.open();
        let mut guard = store.write().unwrap();
        let all = guard.damaged();
        guard.set_aside(&all[0]).unwrap();
        guard.save().unwrap();
        for (name, content) in &taken {
            assert_eq!(place.text(name).unwrap(), *content);
        }
        assert_eq!(place.text(&format!("{name}-2")).unwrap(), damage);
        assert_eq!(set_aside(&place).len(), 3);
    }
}

proptest::proptest! {
    /// Whatever is in a file: nothing panics, and what is served can be read or is reported.
    #[test]
    fn any_bytes(content in proptest::prop_oneof![
        proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..60),
        "[\\[\\]{}\",:a ]{0,30}".prop_map(String::into_bytes),
        "\\[(\\{\"id\":\"[ab{}\"\\\\]{0,3}\"(,\"names\":\\[(\"[xy\\\\]{1,2}\",?){0,3}\\]?)?\\}?,?){0,6}\\]?"
            .prop_map(String::into_bytes),
    ]) {
        let snapshot = layerhold_json_store::Snapshot::<Thing>::from_bytes(content.clone());
        let all = snapshot.verify();
        for damaged in &all {
            let bytes = snapshot.damaged_bytes(damaged);
            proptest::prop_assert_eq!(bytes.len() as u64, damaged.len);
            let start = usize::try_from(damaged.offset).unwrap();
            proptest::prop_assert_eq!(bytes, &content[start..start + bytes.len()]);
        }
        let mut served = 0;
        for thing in snapshot.iter().filter_map(Result::ok) {
            served += 1;
            let known = snapshot.get(thing.id()).unwrap().unwrap();
            proptest::prop_assert_eq!(known.json.clone(), thing.json.clone());
        }
        proptest::prop_assert_eq!(snapshot.ids().count(), snapshot.len());
        proptest::prop_assert!(served <= snapshot.len());
    }
}
