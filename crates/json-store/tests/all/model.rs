//! Random changes through two handles, compared with a plain list.

use layerhold_json_store::{JsonStore, LocationId, NameChange, Record, Resolution};
use proptest::prelude::*;

use crate::support::{Place, Thing, list};

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, Vec<usize>, usize),
    Remove(usize),
    Names(usize, u8, Vec<usize>),
    Parent(usize, usize),
}

/// Steps that are saved or given up together, and the handle that makes them.
#[derive(Clone, Debug)]
struct Turn {
    handle: usize,
    steps: Vec<Step>,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    Save,
    GiveUp,
    SaveAndGoOn(Vec<Step>),
}

const IDS: [&str; 6] = ["a1", "a2", "ab", "b", "bé\"", "c\\"];
const NAMES: [&str; 5] = ["one", "t<wo", "a", "d\u{1f600}\n", "b"];

fn step() -> impl Strategy<Value = Step> {
    let ids = 0..IDS.len();
    let names = || prop::collection::vec(0..NAMES.len(), 0..3);
    prop_oneof![
        3 => (ids.clone(), names(), 0..2_usize).prop_map(|(id, names, location)| Step::Insert(id, names, location)),
        1 => ids.clone().prop_map(Step::Remove),
        2 => (ids.clone(), 0..3_u8, names()).prop_map(|(id, change, names)| Step::Names(id, change, names)),
        1 => (ids, 0..IDS.len()).prop_map(|(id, parent)| Step::Parent(id, parent)),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let steps = || prop::collection::vec(step(), 1..5);
    let end = prop_oneof![
        4 => Just(End::Save),
        1 => Just(End::GiveUp),
        1 => steps().prop_map(End::SaveAndGoOn),
    ];
    (0..2_usize, steps(), end).prop_map(|(handle, steps, end)| Turn { handle, steps, end })
}

/// The records of both locations in the order of the files.
#[derive(Clone, Debug, Default)]
struct Model {
    files: [Vec<Thing>; 2],
    touched: [bool; 2],
}

fn names(numbers: &[usize]) -> Vec<String> {
    numbers
        .iter()
        .map(|number| NAMES[*number].to_owned())
        .collect()
}

fn deduplicated(names: Vec<String>) -> Vec<String> {
    let mut once = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

impl Model {
    fn all(&self) -> impl Iterator<Item = &Thing> {
        self.files.iter().flatten()
    }

    fn find(&self, id: &str) -> Option<(usize, usize)> {
        self.files.iter().enumerate().find_map(|(file, things)| {
            let place = things.iter().position(|thing| thing.id() == id)?;
            Some((file, place))
        })
    }

    fn holder(&self, name: &str) -> Option<&Thing> {
        self.all()
            .find(|thing| thing.names().iter().any(|known| known == name))
    }

    /// Returns whether the step is possible.
    fn apply(&mut self, step: &Step) -> bool {
        match step {
            Step::Insert(id, given, location) => {
                let names = deduplicated(names(given));
                let taken = names.iter().any(|name| self.holder(name).is_some());
                if taken || self.find(IDS[*id]).is_some() {
                    return false;
                }
                let mut thing = Thing::new(IDS[*id]);
                thing.set_names(names);
                self.files[*location].push(thing);
                self.touched[*location] = true;
            }
            Step::Remove(id) => {
                let Some((file, place)) = self.find(IDS[*id]) else {
                    return false;
                };
                self.files[file].remove(place);
                self.touched[file] = true;
            }
            Step::Names(id, change, given) => {
                let Some((file, place)) = self.find(IDS[*id]) else {
                    return false;
                };
                let given = names(given);
                let before = self.files[file][place].names().to_vec();
                let after = match change {
                    0 => given,
                    1 => given.into_iter().chain(before).collect(),
                    _ => before
                        .into_iter()
                        .filter(|name| !given.contains(name))
                        .collect(),
                };
                let after = deduplicated(after);
                for (number, things) in self.files.iter_mut().enumerate() {
                    for thing in things.iter_mut().filter(|thing| thing.id() != IDS[*id]) {
                        let kept: Vec<String> = thing
                            .names()
                            .iter()
                            .filter(|name| !after.contains(name))
                            .cloned()
                            .collect();
                        if kept != thing.names() {
                            thing.set_names(kept);
                            self.touched[number] = true;
                        }
                    }
                }
                let mut changed = self.files[file][place].clone();
                changed.assign_names(after);
                self.replace(file, place, changed);
            }
            Step::Parent(id, parent) => {
                let Some((file, place)) = self.find(IDS[*id]) else {
                    return false;
                };
                let changed = self.files[file][place].clone().with("parent", IDS[*parent]);
                self.replace(file, place, changed);
            }
        }
        true
    }

    fn replace(&mut self, file: usize, place: usize, thing: Thing) {
        self.touched[file] |= self.files[file][place] != thing;
        self.files[file][place] = thing;
    }

    fn resolve(&self, text: &str) -> Resolution<&str> {
        if let Some(thing) = self.all().find(|thing| thing.id() == text) {
            return Resolution::One(thing.id());
        }
        if let Some(thing) = self.holder(text) {
            return Resolution::One(thing.id());
        }
        let beginning: Vec<&str> = self
            .all()
            .map(Record::id)
            .filter(|id| id.starts_with(text))
            .collect();
        match beginning.as_slice() {
            [one] if !text.is_empty() => Resolution::One(one),
            [_, _, ..] if !text.is_empty() => Resolution::Ambiguous,
            _ => Resolution::None,
        }
    }
}

fn apply(guard: &mut layerhold_json_store::WriteGuard<Thing>, step: &Step) -> bool {
    match step {
        Step::Insert(id, given, location) => {
            let mut thing = Thing::new(IDS[*id]);
            thing.set_names(names(given));
            guard.insert(thing, LocationId::new(*location)).is_ok()
        }
        Step::Remove(id) => guard.remove(IDS[*id]).is_ok(),
        Step::Names(id, change, given) => {
            let change =
                [NameChange::Set, NameChange::Add, NameChange::Remove][usize::from(*change)];
            guard.change_names(IDS[*id], change, &names(given)).is_ok()
        }
        Step::Parent(id, parent) => guard
            .update(IDS[*id], |thing| thing.set("parent", IDS[*parent]))
            .is_ok(),
    }
}

fn compare(
    snapshot: &layerhold_json_store::Snapshot<Thing>,
    model: &Model,
) -> Result<(), TestCaseError> {
    let expected: Vec<&Thing> = model.all().collect();
    let found: Vec<_> = snapshot
        .iter()
        .map(|thing| thing.unwrap().into_record())
        .collect();
    prop_assert_eq!(
        found.iter().map(|thing| &**thing).collect::<Vec<_>>(),
        expected
    );
    prop_assert_eq!(snapshot.len(), found.len());
    for text in IDS.iter().chain(&NAMES).chain(&["a", "", "bé", "zz"]) {
        prop_assert_eq!(snapshot.resolve(text), model.resolve(text), "{}", text);
        prop_assert_eq!(snapshot.by_name(text), model.holder(text).map(Record::id));
        let children: Vec<&str> = model
            .all()
            .filter(|thing| !text.is_empty() && thing.text("parent") == *text)
            .map(Record::id)
            .collect();
        prop_assert_eq!(snapshot.by_key("parent", text), children);
        let file = model
            .files
            .iter()
            .position(|things| things.iter().any(|thing| thing.id() == *text));
        prop_assert_eq!(snapshot.location_of(text).map(LocationId::position), file);
    }
    Ok(())
}

fn steps(
    guard: &mut layerhold_json_store::WriteGuard<Thing>,
    model: &mut Model,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    for step in steps {
        let expected = model.apply(step);
        prop_assert_eq!(apply(guard, step), expected, "{:?}", step);
        compare(guard, model)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn behaves_like_a_list(turns in prop::collection::vec(turn(), 1..12)) {
        let place = Place::new();
        let handles: [JsonStore<Thing>; 2] = [place.open(), place.open()];
        let mut saved = Model::default();
        for turn in turns {
            let mut model = saved.clone();
            let mut guard = handles[turn.handle].write().unwrap();
            compare(&guard, &saved)?;
            steps(&mut guard, &mut model, &turn.steps)?;
            match &turn.end {
                End::GiveUp => {}
                End::Save => {
                    guard.save().unwrap();
                    saved = model;
                }
                End::SaveAndGoOn(more) => {
                    guard.save().unwrap();
                    steps(&mut guard, &mut model, more)?;
                    guard.save().unwrap();
                    saved = model;
                }
            }
            drop(guard);
            for (file, name) in ["things.json", "volatile-things.json"].into_iter().enumerate() {
                let expected = saved.touched[file].then(|| list(&saved.files[file]));
                prop_assert_eq!(place.text(name), expected);
            }
            for handle in &handles {
                let snapshot = handle.snapshot().unwrap();
                compare(&snapshot, &saved)?;
            }
            let fresh = place.open().snapshot().unwrap();
            compare(&fresh, &saved)?;
        }
    }
}
