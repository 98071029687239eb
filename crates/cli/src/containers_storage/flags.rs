//! Flags as the Go tool reads them.
//!
//! The Go tool uses docker's old flag package: `-x`, `--long`, `--long=value` and `--long value`
//! mean the usual, letters may be clustered, a repeated flag keeps its last value unless it is a
//! list, and the first word that is not a flag ends them (Go: `pkg/mflag`). Global flags may be
//! given before the command word and after it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Nothing, or `=true`, `=false`.
    Switch,
    /// One text; the last one counts.
    Text,
    /// A text each time it is given; all count.
    List,
}

/// One flag of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// The long name, without its hyphens. Values are kept under it.
    pub(crate) long: &'static str,
    /// The other spellings, each with the hyphens it is written with.
    pub(crate) others: &'static [&'static str],
    /// The kind of its value.
    pub(crate) kind: ValueKind,
    /// Its default, as help texts show it.
    pub(crate) default: &'static str,
    /// The help text.
    pub(crate) help: &'static str,
}

/// Makes a flag without a value.
pub(crate) const fn switch(
    long: &'static str,
    others: &'static [&'static str],
    help: &'static str,
) -> Flag {
    Flag {
        long,
        others,
        kind: ValueKind::Switch,
        default: "",
        help,
    }
}

/// Makes a flag with one value.
pub(crate) const fn text(
    long: &'static str,
    others: &'static [&'static str],
    help: &'static str,
) -> Flag {
    Flag {
        long,
        others,
        kind: ValueKind::Text,
        default: "",
        help,
    }
}

impl Flag {
    /// Sets the default that help texts show.
    pub(crate) const fn or(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }
}

/// Makes a flag that may be given several times.
pub(crate) const fn list(
    long: &'static str,
    others: &'static [&'static str],
    help: &'static str,
) -> Flag {
    Flag {
        long,
        others,
        kind: ValueKind::List,
        default: "",
        help,
    }
}

/// The values that were given, by long name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    given: BTreeMap<&'static str, Vec<String>>,
}

impl Values {
    /// Tells whether a switch is on.
    pub(crate) fn is_on(&self, long: &str) -> bool {
        self.switch(long) == Some(true)
    }

    /// What a switch was set to, if it was given.
    pub(crate) fn switch(&self, long: &str) -> Option<bool> {
        self.list(long).last().map(|value| value == "true")
    }

    /// The last text given, or the empty text: to the Go tool the two are the same.
    pub(crate) fn text(&self, long: &str) -> &str {
        self.given
            .get(long)
            .and_then(|values| values.last())
            .map_or("", String::as_str)
    }

    /// The last text given, even if it is empty, or else the flag's default.
    pub(crate) fn text_of<'a>(&'a self, flag: &'a Flag) -> &'a str {
        let given = self.list(flag.long).last();
        given.map_or(flag.default, String::as_str)
    }

    /// All texts given.
    pub(crate) fn list(&self, long: &str) -> &[String] {
        self.given.get(long).map_or(&[], Vec::as_slice)
    }

    /// Removes the values of a flag.
    pub(crate) fn forget(&mut self, flag: &Flag) {
        self.given.remove(flag.long);
    }

    /// Sets a value as if given on the command line.
    pub(crate) fn set(&mut self, flag: &Flag, value: String) {
        let values = self.given.entry(flag.long).or_default();
        if flag.kind != ValueKind::List {
            values.clear();
        }
        values.push(value);
    }
}

/// Why flags could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// `-h` or `--help` where it is not a flag of its own.
    #[error("flag: help requested")]
    Help,
    /// The text is not a flag.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// No such flag.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// The value is missing.
    #[error("flag needs an argument: -{0}")]
    NeedsValue(String),
    /// The value of a switch is no truth value.
    #[error(
        "invalid boolean value {value:?} for  -{name}: strconv.ParseBool: parsing {value:?}: invalid syntax"
    )]
    NotBoolean {
        /// The flag as it was written, without its first hyphen.
        name: String,
        /// The value given.
        value: String,
    },
}

/// Parses flags at the front of `arguments` into `values` and returns the rest.
pub(crate) fn parse(
    flags: &[Flag],
    values: &mut Values,
    arguments: &[String],
) -> Result<Vec<String>, FlagError> {
    let mut rest: std::collections::VecDeque<String> = arguments.iter().cloned().collect();
    loop {
        match parse_one(flags, values, &mut rest)? {
            Step::Flag => {}
            Step::Done => return Ok(rest.into()),
            Step::Cluster(letters) => parse_cluster(flags, values, &mut rest, &letters)?,
        }
    }
}

enum Step {
    Flag,
    Done,
    Cluster(String),
}

fn parse_one(
    flags: &[Flag],
    values: &mut Values,
    rest: &mut std::collections::VecDeque<String>,
) -> Result<Step, FlagError> {
    let Some(word) = rest.front() else {
        return Ok(Step::Done);
    };
    let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else {
        return Ok(Step::Done);
    };
    if name == "-" {
        rest.pop_front();
        return Ok(Step::Done);
    }
    if name.starts_with('=') {
        return Err(FlagError::Syntax(word.clone()));
    }
    let (name, value) = match name.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(trim_quotes(value).to_owned())),
        None => (name.to_owned(), None),
    };
    rest.pop_front();
    let Some(flag) = find(flags, &name) else {
        return match name.as_str() {
            "h" | "help" | "-help" => Err(FlagError::Help),
            _ if name.starts_with('-') || name.chars().count() == 1 => {
                Err(FlagError::Unknown(name))
            }
            _ => Ok(Step::Cluster(name)),
        };
    };
    let value = match (flag.kind, value) {
        (ValueKind::Switch, None) => "true".to_owned(),
        (ValueKind::Switch, Some(value)) => match parse_bool(&value) {
            Some(on) => on.to_string(),
            None => return Err(FlagError::NotBoolean { name, value }),
        },
        (_, Some(value)) => value,
        (_, None) => rest.pop_front().ok_or(FlagError::NeedsValue(name))?,
    };
    values.set(flag, value);
    Ok(Step::Flag)
}

/// Parses `-abc` as `-a -b -c`, if no flag is called `abc`.
fn parse_cluster(
    flags: &[Flag],
    values: &mut Values,
    rest: &mut std::collections::VecDeque<String>,
    letters: &str,
) -> Result<(), FlagError> {
    for letter in letters.chars() {
        rest.push_front(format!("-{letter}"));
        match parse_one(flags, values, rest) {
            Ok(Step::Flag) => {}
            _ => return Err(FlagError::Unknown(letters.to_owned())),
        }
    }
    Ok(())
}

fn find<'a>(flags: &'a [Flag], name: &str) -> Option<&'a Flag> {
    flags.iter().find(|flag| {
        name.strip_prefix('-') == Some(flag.long)
            || flag
                .others
                .iter()
                .any(|other| other.strip_prefix('-') == Some(name))
    })
}

/// The texts that Go's `strconv.ParseBool` takes.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Removes one pair of equal quotes around a value.
fn trim_quotes(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|inner| inner.strip_suffix(quote))
        {
            return inner;
        }
    }
    text
}

/// The flag whose help text shows a default of its own.
const UNSHARE: &str = "unshare";

/// Writes the table of flags that ends a help text, sorted by name. `unshares` is whether commands
/// enter a user namespace without being told to.
pub(crate) fn describe(flags: &[Flag], values: &Values, unshares: bool) -> String {
    let mut rows: Vec<(String, String)> = flags
        .iter()
        .map(|flag| {
            let mut names = format!("  --{}", flag.long);
            for other in flag.others {
                names.push_str(", ");
                names.push_str(other);
            }
            let value = values.text_of(flag);
            match flag.kind {
                ValueKind::List => {
                    let listed = values.list(flag.long).join(" ");
                    names.push_str(&format!("=[{listed}]"));
                }
                ValueKind::Text if !value.is_empty() => {
                    names.push('=');
                    names.push_str(value);
                }
                ValueKind::Switch if flag.long != UNSHARE && values.is_on(flag.long) => {
                    names.push_str("=true");
                }
                _ => {}
            }
            let help = if flag.long == UNSHARE {
                format!("{} (default {unshares})", flag.help)
            } else {
                flag.help.to_owned()
            };
            (names, help)
        })
        .collect();
    rows.sort();
    let width = rows
        .iter()
        .map(|(names, _)| names.len() + 3)
        .max()
        .unwrap_or(0)
        .max(20);
    let mut table = String::from("\n");
    for (names, help) in rows {
        // Writing to a string cannot fail.
        let _ignored = writeln!(table, "{names:<width$} {help}");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        switch("json", &["-j"], "Prefer JSON output"),
        switch("quick", &["-q"], "Just the IDs"),
        switch("bzip2", &["--bz2", "-b"], "Compress using bzip2"),
        text("id", &["-i"], "Layer ID"),
        list("name", &["-n"], "Layer name"),
    ];

    fn run(words: &[&str]) -> Result<(Values, Vec<String>), FlagError> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let mut values = Values::default();
        parse(FLAGS, &mut values, &words).map(|rest| (values, rest))
    }

    #[test]
    fn all_spellings_of_a_value_mean_the_same() {
        for words in [
            ["--id=x", "rest"].as_slice(),
            &["--id", "x", "rest"],
            &["-i", "x", "rest"],
            &["-i=x", "rest"],
            &["-i=\"x\"", "--", "rest"],
        ] {
            let (values, rest) = run(words).unwrap();
            assert_eq!(values.text("id"), "x", "{words:?}");
            assert_eq!(rest, ["rest"]);
        }
    }

    #[test]
    fn the_last_value_counts_except_in_lists() {
        let (values, rest) = run(&["-i", "a", "-n", "x", "-i", "b", "-n", "y", "z", "-j"]).unwrap();
        assert_eq!(values.text("id"), "b");
        assert_eq!(values.list("name"), ["x", "y"]);
        assert!(!values.is_on("json"), "flags end at the first word");
        assert_eq!(rest, ["z", "-j"]);
    }

    #[test]
    fn letters_cluster_and_the_last_may_take_a_value() {
        let (values, rest) = run(&["-jqi", "x", "y"]).unwrap();
        assert!(values.is_on("json") && values.is_on("quick"));
        assert_eq!(values.text("id"), "x");
        assert_eq!(rest, ["y"]);
        assert_eq!(run(&["-jz"]).unwrap_err(), FlagError::Unknown("jz".into()));
    }

    #[test]
    fn switches_take_truth_values() {
        let (values, _) = run(&["--json=1", "--quick=F"]).unwrap();
        assert!(values.is_on("json") && !values.is_on("quick"));
        assert_eq!(
            run(&["-j=foo"]).unwrap_err().to_string(),
            "invalid boolean value \"foo\" for  -j: strconv.ParseBool: parsing \"foo\": invalid syntax"
        );
    }

    #[test]
    fn a_second_long_name_is_a_flag_of_its_own() {
        assert!(run(&["--bz2"]).unwrap().0.is_on("bzip2"));
        assert!(run(&["-b"]).unwrap().0.is_on("bzip2"));
    }

    #[test]
    fn errors_read_as_the_go_tool_prints_them() {
        for (word, message) in [
            ("--bogus", "flag provided but not defined: --bogus"),
            ("-x", "flag provided but not defined: -x"),
            ("-i", "flag needs an argument: -i"),
            ("--id", "flag needs an argument: --id"),
            ("-=x", "bad flag syntax: -=x"),
            ("--help", "flag: help requested"),
            ("-h", "flag: help requested"),
        ] {
            assert_eq!(run(&[word]).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_lone_hyphen_and_an_empty_word_are_operands() {
        assert_eq!(run(&["-", "x"]).unwrap().1, ["-", "x"]);
        assert_eq!(run(&["", "x"]).unwrap().1, ["", "x"]);
        assert_eq!(run(&["--", "-j"]).unwrap().1, ["-j"]);
    }
}
