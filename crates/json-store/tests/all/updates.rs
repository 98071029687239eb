//! Changes that may fail, changes in one call, and records without names.

use layerhold_json_store::{
    ChangeError, JsonStore, Location, LocationId, NameChange, Options, Record, UpdateError,
};

use crate::support::{DURABLE, Place, Thing};

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("cannot use the tag {0}")]
    Tag(String),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Update(#[from] UpdateError),
}

#[test]
fn a_failed_change_changes_nothing() {
    let place = Place::new();
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.insert(Thing::new("a"), DURABLE).unwrap();
    guard.save().unwrap();
    let error = guard.try_update("a", |thing| {
        thing.set("tag", "half");
        Err(Refused::Tag("half".to_owned()))
    });
    assert!(matches!(error, Err(Refused::Tag(tag)) if tag == "half"));
    assert!(!guard.is_dirty());
    assert_eq!(guard.get("a").unwrap().unwrap().text("tag"), "");
    let error = guard.try_update("b", |_| Ok::<_, Refused>(())).unwrap_err();
    assert!(matches!(error, Refused::Change(ChangeError::NotFound { id, .. }) if id == "b"));
    let changed = guard.try_update("a", |thing| {
        thing.set("tag", "whole");
        Ok::<_, Refused>(())
    });
    assert_eq!(changed.unwrap().text("tag"), "whole");
    assert!(guard.is_dirty());
}

#[test]
fn one_call_changes_and_saves() {
    let place = Place::new();
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.insert(Thing::new("a"), DURABLE).unwrap();
    guard.save().unwrap();
    drop(guard);
    let before = place.text("things.json");
    let error = store.update("a", |thing| {
        thing.set("tag", "half");
        Err(Refused::Tag("half".to_owned()))
    });
    assert!(matches!(error, Err(Refused::Tag(_))));
    assert_eq!(place.text("things.json"), before);
    let error = store.update("b", |_| Ok::<_, UpdateError>(())).unwrap_err();
    assert!(error.is_not_found() && !error.is_conflict() && !error.is_cancelled());
    let error = store.delete("b").unwrap_err();
    assert!(error.is_not_found() && !error.is_out_of_space() && !error.is_cancelled());
    let changed = store.update("a", |thing| {
        thing.set("tag", "whole");
        Ok::<_, Refused>(())
    });
    assert_eq!(changed.unwrap().text("tag"), "whole");
    // Another handle sees it, so it is saved, and the lock is free.
    let snapshot = place.open().snapshot().unwrap();
    assert_eq!(snapshot.get("a").unwrap().unwrap().text("tag"), "whole");
}

#[test]
fn ids_are_listed_by_prefix() {
    let place = Place::new();
    let store = place.open();
    let mut guard = store.write().unwrap();
    for id in ["ab1", "b", "ab2", "a"] {
        guard.insert(Thing::new(id), DURABLE).unwrap();
    }
    guard.save().unwrap();
    guard.insert(Thing::new("ab3"), DURABLE).unwrap();
    guard.remove("ab1").unwrap();
    let listed = |prefix| guard.ids_with_prefix(prefix).collect::<Vec<_>>();
    assert_eq!(listed("ab"), ["ab2", "ab3"]);
    assert_eq!(listed("a"), ["ab2", "a", "ab3"]);
    assert_eq!(listed("x"), Vec::<&str>::new());
    assert_eq!(listed(""), ["b", "ab2", "a", "ab3"]);
}

/// A record without names: an ID is all it has.
#[derive(Clone, Debug)]
struct Nameless(String);

impl Record for Nameless {
    const KIND: &'static str = "nameless";
    type Error = std::string::FromUtf8Error;

    fn parse(json: &[u8]) -> Result<Self, Self::Error> {
        let text = String::from_utf8(json.to_vec())?;
        Ok(Self(text.replace("{\"id\":\"", "").replace("\"}", "")))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{{\"id\":\"{}\"}}", self.0).as_bytes());
    }

    fn id(&self) -> &str {
        &self.0
    }
}

#[test]
fn records_may_have_no_names() {
    let place = Place::new();
    let options = Options::new(place.path().join("n.lock"), place.path().join("data"))
        .location(Location::durable(place.path(), "n.json"));
    let store = JsonStore::<Nameless>::open(options).unwrap();
    let mut guard = store.write().unwrap();
    let record = Nameless("a".to_owned());
    guard.insert(record, LocationId::FIRST).unwrap();
    let names = ["name".to_owned()];
    let kept = guard.change_names("a", NameChange::Add, &names).unwrap();
    assert!(kept.names().is_empty());
    guard.save().unwrap();
    drop(guard);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.by_name("name"), None);
    assert_eq!(place.text("n.json").unwrap(), "[{\"id\":\"a\"}]");
}
