//! Expands variables in paths, as Go's `os.ExpandEnv` does.

use std::ffi::{OsStr, OsString};

use layerhold_environment::Environment;

/// An expanded path, and the names of variables that are not set.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) path: OsString,
    pub(crate) unset: Vec<String>,
}

/// Replaces `$UID` by the owner, then `$NAME` and `${NAME}` by the variables. Unset variables are
/// empty.
pub(crate) fn expand(text: &str, environment: &Environment) -> Expanded {
    // In this order and whatever follows, as in Go: the UID is usually not exported as a variable.
    let text = text.replace("$UID", &environment.owner().to_string());
    let mut expanded = Expanded::default();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        expanded.path.push(before);
        let (name, remaining) = name(after);
        rest = remaining;
        match name {
            Name::Variable(name) => match environment.variables.get(OsStr::new(name)) {
                Some(value) => expanded.path.push(value),
                None => expanded.unset.push(name.to_owned()),
            },
            Name::Malformed => {}
            Name::None => expanded.path.push("$"),
        }
    }
    expanded.path.push(rest);
    expanded
}

enum Name<'a> {
    Variable(&'a str),
    /// A brace without a name or an end, which is dropped.
    Malformed,
    None,
}

/// Splits a name off the text after a dollar sign.
fn name(text: &str) -> (Name<'_>, &str) {
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.split_once('}') {
            Some(("", rest)) => (Name::Malformed, rest),
            Some((name, rest)) => (Name::Variable(name), rest),
            None => (Name::Malformed, inner),
        };
    }
    let length = if text.starts_with(is_special) {
        1
    } else {
        text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
            .unwrap_or(text.len())
    };
    match text.split_at_checked(length) {
        Some(("", rest)) => (Name::None, rest),
        Some((name, rest)) => (Name::Variable(name), rest),
        None => (Name::None, text),
    }
}

/// The shell's special names of one character.
fn is_special(c: char) -> bool {
    matches!(c, '*' | '#' | '$' | '@' | '!' | '?' | '-') || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, unset: &[&str]) {
        let environment = Environment::new(1000)
            .with("HOME", "/home/u")
            .with("A_1", "x");
        let expanded = expand(text, &environment);
        assert_eq!(expanded.path, expected, "{text:?}");
        assert_eq!(expanded.unset, unset, "{text:?}");
    }

    #[test]
    fn variables_are_put_in() {
        check("/plain", "/plain", &[]);
        check("$HOME/c", "/home/u/c", &[]);
        check("${HOME}c/$A_1/", "/home/uc/x/", &[]);
        check("/run/$UID/$UIDs", "/run/1000/1000s", &[]);
        check("$NO/x", "/x", &["NO"]);
        // Not the same as `$UID`: a variable of that name is usually not set.
        check("${UID}", "", &["UID"]);
    }

    #[test]
    fn odd_texts_are_read_as_go_reads_them() {
        check("a$", "a$", &[]);
        check("a$/b", "a$/b", &[]);
        check("a${}b", "ab", &[]);
        check("a${b", "ab", &[]);
        check("$1x$$y", "xy", &["1", "$"]);
        check("$日", "$日", &[]);
    }
}
