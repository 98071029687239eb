//! Lookup without an index.

/// What a prefix matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution<T = usize> {
    /// No key, or the prefix is empty.
    None,
    /// Exactly this key: the only one with the prefix, or the one that equals it.
    One(T),
    /// More than one key.
    Ambiguous,
}

impl<T> Resolution<T> {
    /// Returns the key if there is exactly one.
    #[must_use]
    pub fn one(self) -> Option<T> {
        match self {
            Self::One(key) => Some(key),
            Self::None | Self::Ambiguous => None,
        }
    }

    /// Turns the key into something else.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Resolution<U> {
        match self {
            Self::None => Resolution::None,
            Self::One(key) => Resolution::One(convert(key)),
            Self::Ambiguous => Resolution::Ambiguous,
        }
    }
}

/// Looks a prefix up in keys sorted by their bytes, and returns the position of the match.
///
/// Takes a logarithmic number of comparisons and allocates nothing. Equal keys are ambiguous under
/// a shorter prefix, and the first of them is found by the whole text. In a slice that is not
/// sorted the result is some key or none.
#[must_use]
pub fn resolve_sorted<K: AsRef<str>>(keys: &[K], prefix: &str) -> Resolution {
    if prefix.is_empty() {
        return Resolution::None;
    }
    let first = keys.partition_point(|key| key.as_ref() < prefix);
    let at = |position: usize| {
        keys.get(position)
            .map(AsRef::as_ref)
            .filter(|key| key.starts_with(prefix))
    };
    match (at(first), at(first + 1)) {
        (None, _) => Resolution::None,
        (Some(key), Some(_)) if key != prefix => Resolution::Ambiguous,
        (Some(_), _) => Resolution::One(first),
    }
}

/// Looks a prefix up in keys of any order by comparing it with each of them.
///
/// Cheaper than sorting when there are only a few lookups. Equal keys count as one.
pub fn resolve<K, I>(keys: I, prefix: &str) -> Resolution<K>
where
    K: AsRef<str>,
    I: IntoIterator<Item = K>,
{
    if prefix.is_empty() {
        return Resolution::None;
    }
    let mut found = Resolution::None;
    for key in keys {
        if key.as_ref() == prefix {
            return Resolution::One(key);
        }
        if !key.as_ref().starts_with(prefix) {
            continue;
        }
        found = match found {
            Resolution::None => Resolution::One(key),
            Resolution::One(known) if known.as_ref() == key.as_ref() => Resolution::One(known),
            Resolution::One(_) | Resolution::Ambiguous => Resolution::Ambiguous,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cases() {
        let keys = ["a", "ab", "abc", "b1", "b2", "c"];
        let cases = [
            ("", Resolution::None),
            ("a", Resolution::One(0)),
            ("ab", Resolution::One(1)),
            ("abc", Resolution::One(2)),
            ("abcd", Resolution::None),
            ("b", Resolution::Ambiguous),
            ("b2", Resolution::One(4)),
            ("c", Resolution::One(5)),
            ("d", Resolution::None),
            ("0", Resolution::None),
        ];
        for (prefix, expected) in cases {
            assert_eq!(resolve_sorted(&keys, prefix), expected, "{prefix:?}");
            let by_key = expected.map(|position| keys[position]);
            assert_eq!(resolve(keys, prefix), by_key, "{prefix:?}");
        }
    }

    #[test]
    fn parts_of_a_resolution() {
        assert_eq!(Resolution::One(1).one(), Some(1));
        assert_eq!(Resolution::<i32>::Ambiguous.one(), None);
        assert_eq!(Resolution::<i32>::None.map(|n| n + 1), Resolution::None);
    }

    proptest! {
        #[test]
        fn both_ways_agree(mut keys in prop::collection::btree_set("[ab]{1,5}|ü[ab]?", 0..20).prop_map(Vec::from_iter), prefix in "[abü]{0,4}") {
            let sorted = resolve_sorted(&keys, &prefix).map(|position| keys[position].clone());
            prop_assert_eq!(resolve(&keys, &prefix).map(String::clone), sorted.clone());
            keys.reverse();
            prop_assert_eq!(resolve(&keys, &prefix).map(String::clone), sorted);
        }
    }
}
