//! Lookup by prefix, compared with a linear search of a sorted set:
//!
//! - Inserting, removing and looking up give the same results as with the set, in any order.
//! - The index, the sorted slice and the linear search agree.

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Unstructured};
use layerhold_truncindex::{
    InsertError, LookupError, Resolution, TruncIndex, resolve, resolve_sorted,
};

/// Keys over a tiny alphabet, so that most share a prefix.
#[derive(Debug, Clone, Arbitrary)]
struct Key(Vec<u8>);

impl Key {
    fn text(&self) -> String {
        let letters = ["a", "b", "é", " "];
        // A space makes a key invalid; it is rare, so most keys are valid.
        self.0
            .iter()
            .take(6)
            .map(|byte| letters[usize::from(*byte % 13) / 4])
            .collect()
    }
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Insert(Key),
    Remove(Key),
    Get(Key),
}

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(operations) = Vec::<Operation>::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    let mut index = TruncIndex::from_keys(Vec::<String>::new());
    let mut model = BTreeSet::new();
    for operation in operations {
        match operation {
            Operation::Insert(key) => insert(&mut index, &mut model, key.text()),
            Operation::Remove(key) => {
                let key = key.text();
                assert_eq!(index.remove(&key).ok(), model.take(&key));
            }
            Operation::Get(key) => get(&index, &model, &key.text()),
        }
        assert_eq!(index.len(), model.len());
    }
    assert!(index.iter().eq(model.iter()));
}

fn insert(index: &mut TruncIndex<String>, model: &mut BTreeSet<String>, key: String) {
    let bad = key.is_empty() || key.contains(' ');
    let taken = model.contains(&key);
    let inserted: Result<(), InsertError> = index.insert(key.clone());
    assert_eq!(inserted.is_ok(), !bad && !taken, "{key:?}");
    if inserted.is_ok() {
        model.insert(key);
    }
}

fn get(index: &TruncIndex<String>, model: &BTreeSet<String>, prefix: &str) {
    let matching: Vec<&String> = model.iter().filter(|key| key.starts_with(prefix)).collect();
    let expected = match matching.as_slice() {
        _ if prefix.is_empty() => Resolution::None,
        [] => Resolution::None,
        _ if model.contains(prefix) => Resolution::One(prefix.to_owned()),
        [one] => Resolution::One((*one).clone()),
        _ => Resolution::Ambiguous,
    };
    assert_eq!(
        index.resolve(prefix).map(Clone::clone),
        expected,
        "{prefix:?}"
    );
    assert_eq!(
        resolve(model.iter().map(String::as_str), prefix).map(str::to_owned),
        expected,
        "{prefix:?}"
    );
    let sorted: Vec<&str> = model.iter().map(String::as_str).collect();
    assert_eq!(
        resolve_sorted(&sorted, prefix).map(|at| sorted[at].to_owned()),
        expected,
        "{prefix:?}"
    );
    match (index.get(prefix), expected) {
        (Ok(found), Resolution::One(key)) => assert_eq!(*found, key),
        (Err(LookupError::Ambiguous { .. }), Resolution::Ambiguous)
        | (Err(_), Resolution::None) => {}
        (found, expected) => panic!("{prefix:?}: {found:?} instead of {expected:?}"),
    }
}
