//! Changes of names.

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
        let names: Vec<String> = match self {
            Self::Set => given.to_vec(),
            Self::Add => given.iter().chain(before).cloned().collect(),
            Self::Remove => {
                let kept = before.iter().filter(|name| !given.contains(name));
                kept.cloned().collect()
            }
        };
        deduplicated(&names).unwrap_or(names)
    }
}

/// The names without repetitions, if there are any.
pub(crate) fn deduplicated(names: &[String]) -> Option<Vec<String>> {
    let mut once: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if !once.contains(name) {
            once.push(name.clone());
        }
    }
    (once.len() != names.len()).then_some(once)
}

#[cfg(test)]
mod tests {
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
}
