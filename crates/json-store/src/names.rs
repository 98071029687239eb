//! Changes of names.

use std::collections::HashSet;
use std::hash::Hash;

/// How the names of a record change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameChange {
    /// The given names replace those it has.
    Set,
    /// The given names come in front of those it has.
    Add,
    /// The given names are removed.
    Remove,
}

impl NameChange {
    /// The names afterwards, each once, the first occurrence counting.
    #[must_use]
    pub fn apply(self, before: &[String], given: &[String]) -> Vec<String> {
        match self {
            Self::Set => once(given.iter()),
            Self::Add => once(given.iter().chain(before)),
            Self::Remove => {
                let gone: HashSet<&String> = given.iter().collect();
                once(before.iter().filter(|name| !gone.contains(name)))
            }
        }
    }
}

/// The names without repetitions, if there are any.
pub(crate) fn deduplicated(names: &[String]) -> Option<Vec<String>> {
    let mut seen = HashSet::with_capacity(names.len());
    if names.iter().all(|name| seen.insert(name)) {
        return None;
    }
    Some(once(names.iter()))
}

/// The first of each.
fn once<'n, T: Clone + Eq + Hash + 'n>(all: impl Iterator<Item = &'n T>) -> Vec<T> {
    let mut seen = HashSet::new();
    all.filter(|name| seen.insert(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::Hasher;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn changes_are_those_of_go() {
        let cases = [
            (NameChange::Set, "a b", "c c b", "c b"),
            (NameChange::Set, "a b", "", ""),
            (NameChange::Add, "a b", "c b", "c b a"),
            (NameChange::Add, "", "a a", "a"),
            (NameChange::Remove, "a b c", "b x", "a c"),
        ];
        for (change, before, given, after) in cases {
            assert_eq!(change.apply(&names(before), &names(given)), names(after));
        }
    }

    /// A name that counts how often it is compared with others.
    #[derive(Clone, Debug)]
    struct Counting<'c>(u32, &'c Cell<u32>);

    impl PartialEq for Counting<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counting<'_> {}

    impl Hash for Counting<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn a_name_is_compared_with_few_others() {
        let compared = Cell::new(0);
        let names: Vec<Counting<'_>> = (0..1000)
            .map(|name| Counting(name % 900, &compared))
            .collect();
        assert_eq!(once(names.iter()).len(), 900);
        assert!(compared.get() < 2000, "{}", compared.get());
    }
}
