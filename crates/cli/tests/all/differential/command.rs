//! One command line, as both tools are given it.

use std::fmt;

/// A command, in parts that rules can look at.
///
/// `%/` in a word is the directory of the store that the command runs on, `@/` the directory of
/// `files`; a generated ID is written `<id N.M>`: the M-th that the N-th command brought up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Command {
    /// Its place in the sequence that it was made for.
    pub(crate) serial: usize,
    /// Flags before the command word.
    pub(crate) before: Vec<String>,
    /// The usual spelling of the command word.
    pub(crate) name: &'static str,
    /// The spelling that is used.
    pub(crate) spelled: String,
    pub(crate) flags: Vec<String>,
    pub(crate) operands: Vec<String>,
    /// Standard input.
    pub(crate) input: Vec<u8>,
    /// Files that must be there.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// On a shared store: whether Go's tool runs it.
    pub(crate) by_go: bool,
}

impl Command {
    pub(crate) fn words(&self) -> Vec<String> {
        let word = (!self.spelled.is_empty()).then(|| self.spelled.clone());
        let parts = [
            &self.before[..],
            word.as_slice(),
            &self.flags,
            &self.operands,
        ];
        parts.concat()
    }

    /// Whether one of these flags is given, with or without a value.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|flag| {
            let name = flag.split('=').next().unwrap_or_default();
            names.contains(&name)
        })
    }

    /// The values of a flag that is written as two words.
    pub(crate) fn values(&self, names: &[&str]) -> Vec<&str> {
        self.flags
            .windows(2)
            .filter(|pair| names.contains(&pair[0].as_str()))
            .map(|pair| pair[1].as_str())
            .collect()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.words().iter().map(|word| quote(word)).collect();
        write!(f, "[{}] {}", self.serial, words.join(" "))?;
        if !self.input.is_empty() {
            write!(f, " < {}", digest(&self.input))?;
        }
        for (name, content) in &self.files {
            write!(f, "  ({name}: {})", digest(content))?;
        }
        if self.by_go {
            write!(f, "  (by Go's tool)")?;
        }
        Ok(())
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%<>".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("{word:?}")
    }
}

/// Short contents as they are, of archives what is in them, of others the length.
fn digest(content: &[u8]) -> String {
    if let Some(members) = super::members::list(content)
        && !members.is_empty()
    {
        return format!("archive:\n{}", members.replace('\n', "\n        "));
    }
    match std::str::from_utf8(content) {
        Ok(text) if text.len() < 60 => format!("{text:?}"),
        _ => format!("{} bytes", content.len()),
    }
}
