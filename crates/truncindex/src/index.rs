//! An index that keys can be added to and taken from.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Mutex, OnceLock, PoisonError};

use thiserror::Error;

use crate::Resolution;

/// Why a prefix does not name one key. The texts are Go's (Go:
/// pkg/truncindex/truncindex.go).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The prefix is empty.
    #[error("prefix can't be empty")]
    EmptyPrefix,
    /// No key begins with the prefix.
    #[error("ID does not exist")]
    NotFound,
    /// More than one key begins with the prefix.
    #[error("Multiple IDs found with provided prefix: {prefix}")]
    Ambiguous {
        /// The prefix asked for.
        prefix: String,
    },
}

/// Why a key is not added. The texts are Go's (Go: pkg/truncindex/truncindex.go).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The key is empty.
    #[error("prefix can't be empty")]
    Empty,
    /// The key holds a space.
    #[error("illegal character: ' '")]
    IllegalChar,
    /// The key is already there.
    #[error("id already exists: '{id}'")]
    Exists {
        /// The key.
        id: String,
    },
}

/// The key to remove is not in the index.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no such id: '{id}'")]
#[non_exhaustive]
pub struct RemoveError {
    /// The key.
    pub id: String,
}

/// Finds keys by unique prefixes.
///
/// Building it stores the keys only; they are sorted when the first lookup or change needs it,
/// once. Lookups and changes take a logarithmic number of comparisons after that. Lookups do not
/// allocate, except for an error that says which prefix was ambiguous.
///
/// `K` must order as its text does, which [`Borrow`] demands and which IDs and strings do.
#[derive(Debug)]
pub struct TruncIndex<K> {
    /// Keys not sorted yet; empty as soon as `sorted` is set.
    pending: Mutex<Vec<K>>,
    sorted: OnceLock<BTreeSet<K>>,
}

fn check(id: &str) -> Result<(), InsertError> {
    // Go checks for the space first.
    if id.contains(' ') {
        return Err(InsertError::IllegalChar);
    }
    if id.is_empty() {
        Err(InsertError::Empty)
    } else {
        Ok(())
    }
}

impl<K: Borrow<str> + Ord> TruncIndex<K> {
    /// Creates an empty index.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pending: Mutex::new(Vec::new()),
            sorted: OnceLock::new(),
        }
    }

    /// Creates an index of many keys. Empty keys and keys with a space are left out silently, as in
    /// Go, and repeated ones are kept once.
    #[must_use]
    pub fn from_keys(keys: impl IntoIterator<Item = K>) -> Self {
        let good = keys
            .into_iter()
            .filter(|key| check(key.borrow()).is_ok())
            .collect();
        Self {
            pending: Mutex::new(good),
            sorted: OnceLock::new(),
        }
    }

    fn sorted(&self) -> &BTreeSet<K> {
        self.sorted.get_or_init(|| {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *pending).into_iter().collect()
        })
    }

    fn sorted_mut(&mut self) -> &mut BTreeSet<K> {
        let mut sorted = self.sorted.take().unwrap_or_default();
        sorted.extend(
            self.pending
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .drain(..),
        );
        self.sorted = OnceLock::from(sorted);
        self.sorted
            .get_mut()
            .expect("the line above has set the cell")
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// Refuses an empty key, a key with a space, and one that is there already.
    pub fn insert(&mut self, key: K) -> Result<(), InsertError> {
        check(key.borrow())?;
        let sorted = self.sorted_mut();
        if sorted.contains(key.borrow()) {
            return Err(InsertError::Exists {
                id: key.borrow().to_owned(),
            });
        }
        sorted.insert(key);
        Ok(())
    }

    /// Removes the key with exactly this text and returns it.
    ///
    /// # Errors
    ///
    /// Fails if there is no such key.
    pub fn remove(&mut self, id: &str) -> Result<K, RemoveError> {
        self.sorted_mut()
            .take(id)
            .ok_or_else(|| RemoveError { id: id.to_owned() })
    }

    /// Returns the key that equals the prefix, or else the only one that begins with it.
    ///
    /// # Errors
    ///
    /// Fails for an empty prefix and when there is no such key or more than one.
    pub fn get(&self, prefix: &str) -> Result<&K, LookupError> {
        if prefix.is_empty() {
            return Err(LookupError::EmptyPrefix);
        }
        match self.resolve(prefix) {
            Resolution::One(key) => Ok(key),
            Resolution::None => Err(LookupError::NotFound),
            Resolution::Ambiguous => Err(LookupError::Ambiguous {
                prefix: prefix.to_owned(),
            }),
        }
    }

    /// Like [`Self::get`], without errors.
    #[must_use]
    pub fn resolve(&self, prefix: &str) -> Resolution<&K> {
        if prefix.is_empty() {
            return Resolution::None;
        }
        let mut matches = self.matches(prefix);
        match (matches.next(), matches.next()) {
            (None, _) => Resolution::None,
            (Some(key), Some(_)) if key.borrow() != prefix => Resolution::Ambiguous,
            (Some(key), _) => Resolution::One(key),
        }
    }

    /// Returns the keys that begin with a prefix, sorted; all keys for an empty prefix.
    pub fn matches<'a, 'p>(
        &'a self,
        prefix: &'p str,
    ) -> impl Iterator<Item = &'a K> + use<'a, 'p, K> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.sorted()
            .range::<str, _>(from)
            .take_while(move |key| (*key).borrow().starts_with(prefix))
    }

    /// Tells whether there is a key with exactly this text.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.sorted().contains(id)
    }

    /// Returns all keys, sorted.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &K> {
        self.sorted().iter()
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted().len()
    }

    /// Tells whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted().is_empty()
    }
}

impl<K: Borrow<str> + Ord> Default for TruncIndex<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Borrow<str> + Ord> FromIterator<K> for TruncIndex<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self::from_keys(keys)
    }
}

impl<K: Borrow<str> + Ord + Clone> Clone for TruncIndex<K> {
    fn clone(&self) -> Self {
        Self {
            pending: Mutex::default(),
            sorted: OnceLock::from(self.sorted().clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ambiguous(prefix: &str) -> LookupError {
        LookupError::Ambiguous {
            prefix: prefix.to_owned(),
        }
    }

    /// The steps of Go's own test of this index (Go: pkg/truncindex/truncindex_test.go), as
    /// behaviour.
    #[test]
    fn a_life_of_an_index() {
        let (first, second) = (
            "99b36c2c326ccc11e726eee6ee78a0baf166ef96",
            "19b36c2c326ccc11e726eee6ee78a0baf166ef96",
        );
        let mut index = TruncIndex::new();
        assert_eq!(index.get("99"), Err(LookupError::NotFound));
        assert_eq!(index.get(""), Err(LookupError::EmptyPrefix));
        assert_eq!(
            index.insert("has space".to_owned()),
            Err(InsertError::IllegalChar)
        );
        assert_eq!(index.insert(" ".to_owned()), Err(InsertError::IllegalChar));
        assert_eq!(index.insert(String::new()), Err(InsertError::Empty));
        assert_eq!(index.insert(first.to_owned()), Ok(()));
        assert_eq!(
            index.insert(first.to_owned()),
            Err(InsertError::Exists {
                id: first.to_owned()
            })
        );
        assert_eq!(index.get("9").map(String::as_str), Ok(first));
        assert_eq!(index.insert(second.to_owned()), Ok(()));
        assert_eq!(index.get(&first[..20]).map(String::as_str), Ok(first));
        assert_eq!(index.get(&format!("{first}0")), Err(LookupError::NotFound));
        let longer = format!("{}ff", &first[..8]);
        assert_eq!(index.insert(longer.clone()), Ok(()));
        assert_eq!(index.get(&first[..8]), Err(ambiguous(&first[..8])));
        assert_eq!(index.get(&longer).map(String::as_str), Ok(longer.as_str()));
        assert_eq!(
            index.remove(&first[..8]),
            Err(RemoveError {
                id: first[..8].to_owned()
            })
        );
        assert_eq!(index.remove(&longer), Ok(longer.clone()));
        assert_eq!(index.remove(""), Err(RemoveError { id: String::new() }));
        assert_eq!(index.get(&first[..8]).map(String::as_str), Ok(first));
        assert_eq!(index.len(), 2);
        assert_eq!(index.iter().collect::<Vec<_>>(), [second, first]);
    }

    #[test]
    fn words_are_those_of_go() {
        assert_eq!(
            LookupError::EmptyPrefix.to_string(),
            "prefix can't be empty"
        );
        assert_eq!(LookupError::NotFound.to_string(), "ID does not exist");
        assert_eq!(
            ambiguous("ab").to_string(),
            "Multiple IDs found with provided prefix: ab"
        );
        assert_eq!(
            InsertError::IllegalChar.to_string(),
            "illegal character: ' '"
        );
        assert_eq!(
            InsertError::Exists { id: "x".to_owned() }.to_string(),
            "id already exists: 'x'"
        );
        assert_eq!(
            RemoveError { id: "x".to_owned() }.to_string(),
            "no such id: 'x'"
        );
    }

    #[test]
    fn bad_keys_are_left_out_in_bulk() {
        let index = TruncIndex::from_keys(["a", "", "b c", "a", "d"]);
        assert_eq!(index.iter().copied().collect::<Vec<_>>(), ["a", "d"]);
        assert!(!index.contains("b c") && !index.is_empty());
    }

    #[test]
    fn changes_before_the_first_lookup_are_seen() {
        let mut index = TruncIndex::from_keys(["ab".to_owned(), "ac".to_owned()]);
        assert_eq!(index.remove("ab"), Ok("ab".to_owned()));
        assert_eq!(index.clone().get("a").map(String::as_str), Ok("ac"));
    }

    proptest! {
        #[test]
        fn behaves_like_a_list(
            start in prop::collection::vec("[ab ]{0,4}", 0..8),
            steps in prop::collection::vec((0..3u8, "[ab ]{0,4}"), 0..30),
        ) {
            let mut model: Vec<String> = start.iter().filter(|key| check(key).is_ok()).cloned().collect();
            model.sort();
            model.dedup();
            let mut index = TruncIndex::from_keys(start);
            for (step, text) in steps {
                let known = model.contains(&text);
                match step {
                    0 => {
                        let good = check(&text).is_ok() && !known;
                        prop_assert_eq!(index.insert(text.clone()).is_ok(), good);
                        if good { model.push(text); }
                    }
                    1 => {
                        prop_assert_eq!(index.remove(&text).is_ok(), known);
                        model.retain(|key| *key != text);
                    }
                    _ => {
                        let expected = crate::resolve(&model, &text);
                        prop_assert_eq!(index.resolve(&text), expected);
                        prop_assert_eq!(index.get(&text).ok(), expected.one());
                    }
                }
                prop_assert_eq!(index.len(), model.len());
            }
        }
    }
}
