//! What differs between two stores after a command.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::command::Command;
use super::pair::Seen;

/// How many characters of a text are shown around the place where it differs.
const SHOWN: usize = 400;

/// Where two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Code,
    Out,
    /// A message of Go's tool has no equal in ours, or only one of the two says something.
    Err,
    /// The bytes of an archive; its members are in `Out`.
    Archive,
    /// A path below the roots.
    State(String),
}

/// One thing that differs.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) part: Part,
    pub(crate) left: String,
    pub(crate) right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equal = self.left.chars().zip(self.right.chars());
        let equal = equal.take_while(|(left, right)| left == right).count();
        let shown = |text: &str| -> String {
            let skipped = equal.saturating_sub(SHOWN / 2);
            text.chars().skip(skipped).take(SHOWN).collect()
        };
        writeln!(f, "{:?}", self.part)?;
        writeln!(f, "   left {:?}", shown(&self.left))?;
        write!(f, "  right {:?}", shown(&self.right))
    }
}

/// Everything that differs. `exact`: ours ran on both sides, and no message may differ.
pub(crate) fn differences(
    command: &Command,
    left: &Seen,
    right: &Seen,
    exact: bool,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differs = |part, left: String, right: String| {
        if left != right {
            found.push(Difference { part, left, right });
        }
    };
    differs(
        Part::Code,
        format!("{:?}", left.code),
        format!("{:?}", right.code),
    );
    let order = match ordering(command) {
        // What is generated differs in any case, and so does what is sorted by it.
        order if !exact || is_keyed(command) => order,
        _ => str::to_owned,
    };
    differs(Part::Out, order(&left.out), order(&right.out));
    // What an archive of our own making says about times is of the second it is made in.
    if !exact {
        differs(
            Part::Archive,
            left.archive.to_string(),
            right.archive.to_string(),
        );
    }
    if exact {
        differs(Part::Err, left.err.clone(), right.err.clone());
    } else if !says_the_same(&left.err, &right.err) {
        differs(Part::Err, left.err.clone(), format!("{} ", right.err));
    }
    let paths: BTreeSet<&String> = left
        .state
        .parts
        .keys()
        .chain(right.state.parts.keys())
        .collect();
    for path in paths {
        let text = |seen: &Seen| seen.state.parts.get(path).cloned();
        let (left, right) = (text(left), text(right));
        let nothing = || "(nothing)".to_owned();
        differs(
            Part::State(path.clone()),
            left.unwrap_or_else(nothing),
            right.unwrap_or_else(nothing),
        );
    }
    found
}

/// How the output is put in order, where Go leaves the order to chance, the directory or generated
/// IDs.
fn ordering(command: &Command) -> fn(&str) -> String {
    match command.name {
        "changes"
            if command
                .flags
                .iter()
                .any(|flag| flag.starts_with("-j") || flag.starts_with("--json")) =>
        {
            sorted_elements
        }
        "exists" => |text| sorted(&by_key(text), &[]),
        "changes" => |text| sorted(text, &[]),
        "layers" if command.has(&["--tree"]) => |text| sorted(text, &['├', '└', '│', '─', ' ']),
        _ if is_keyed(command) => by_key,
        _ => str::to_owned,
    }
}

/// Whether the output is sorted by keys that may be generated IDs.
fn is_keyed(command: &Command) -> bool {
    let names = [
        "metadata",
        "exists",
        "delete",
        "delete-layer",
        "delete-image",
        "delete-container",
    ];
    names.contains(&command.name)
}

fn sorted_elements(text: &str) -> String {
    let list: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let mut elements: Vec<String> = list.iter().map(Value::to_string).collect();
    elements.sort();
    if elements.is_empty() {
        text.to_owned()
    } else {
        elements.join("\n")
    }
}

fn by_key(text: &str) -> String {
    let map: Result<BTreeMap<String, Value>, _> = serde_json::from_str(text);
    map.map_or_else(|_| text.to_owned(), |map| format!("{map:?}"))
}

fn sorted(text: &str, drawing: &[char]) -> String {
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches(drawing))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Whether ours has the last words of each message of Go's tool, in any order.
pub(crate) fn says_the_same(go: &str, ours: &str) -> bool {
    if is_usage(go) && is_usage(ours) {
        return table(go) == table(ours);
    }
    let messages: Vec<&str> = go
        .lines()
        .filter(|line| !line.starts_with("time="))
        .collect();
    let found = messages.iter().all(|message| {
        // It unpacks in a child process, whose exit code does not matter.
        let message = match message.strip_suffix("): exit status 1") {
            Some(message) => message.replacen('(', ": ", 1),
            None => message.trim_end_matches(" exit status 1").to_owned(),
        };
        let words = message.rsplit(": ").next().unwrap_or(&message);
        ours.contains(words)
    });
    found && messages.is_empty() == ours.is_empty()
}

fn is_usage(text: &str) -> bool {
    text.contains("  --graph, -g")
}

/// Flags that 1.43 does not have.
const NEWER: [&str; 4] = ["--image-store", "--transient-store", "--unshare", "--quick"];

/// A help text without the newer flags; the width of the table depends on them.
fn table(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        // Newer spellings and words of older flags.
        .map(|line| line.replace("--read-only, ", ""))
        .map(|line| line.replace("Name to add", "New name"))
        .filter(|line| !NEWER.iter().any(|flag| line.starts_with(flag)))
        .collect()
}
