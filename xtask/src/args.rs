//! The arguments of a command: flags, options with a value, words, and what follows `--`.

use std::collections::VecDeque;
use std::str::FromStr;

use crate::Result;

/// Arguments that were not taken yet.
#[derive(Debug)]
pub(crate) struct Args {
    words: VecDeque<String>,
    /// What follows `--`, for the program behind the command.
    rest: Vec<String>,
}

impl Args {
    /// The arguments of this process.
    pub(crate) fn of_process() -> Self {
        Self::of(std::env::args().skip(1))
    }

    fn of(words: impl Iterator<Item = String>) -> Self {
        let mut words: VecDeque<String> = words.collect();
        let rest = match words.iter().position(|word| word == "--") {
            Some(at) => words.drain(at..).skip(1).collect(),
            None => Vec::new(),
        };
        Self { words, rest }
    }

    /// Takes the first argument that is not an option.
    pub(crate) fn word(&mut self) -> Option<String> {
        let at = self.words.iter().position(|word| !word.starts_with('-'))?;
        self.words.remove(at)
    }

    /// Whether `--help` was given.
    pub(crate) fn wants_help(&self) -> bool {
        self.words
            .iter()
            .any(|word| word == "--help" || word == "-h")
    }

    /// Takes a flag.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let found = self.words.iter().position(|word| word == name);
        found.and_then(|at| self.words.remove(at)).is_some()
    }

    /// Takes an option's value, given as `--name VALUE` or `--name=VALUE`. Take options before
    /// other arguments.
    pub(crate) fn value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let prefix = format!("{name}=");
        let Some(at) = self
            .words
            .iter()
            .position(|word| word == name || word.starts_with(&prefix))
        else {
            return Ok(None);
        };
        let word = self.words.remove(at).unwrap_or_default();
        let text = match word.strip_prefix(&prefix) {
            Some(value) => value.to_owned(),
            None => self
                .words
                .remove(at)
                .ok_or_else(|| format!("{name} needs a value"))?,
        };
        text.parse()
            .map(Some)
            .map_err(|_| format!("{name} cannot be {text}"))
    }

    /// Takes what follows `--`.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rest)
    }

    /// Fails if arguments are left.
    pub(crate) fn end(self) -> Result {
        match self.words.into_iter().chain(self.rest).next() {
            Some(word) => Err(format!("unexpected argument {word}; see --help")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Args {
        Args::of(text.split(' ').map(str::to_owned))
    }

    #[test]
    fn options_words_and_rest_are_told_apart() {
        let mut args = args("compare --rounds 7 --only=import --quick name -- --rounds 9");
        assert_eq!(args.word().as_deref(), Some("compare"));
        assert_eq!(args.value::<u32>("--rounds"), Ok(Some(7)));
        assert_eq!(
            args.value::<String>("--only"),
            Ok(Some("import".to_owned()))
        );
        assert!(args.flag("--quick"));
        assert!(!args.flag("--quick"));
        assert_eq!(args.word().as_deref(), Some("name"));
        assert_eq!(args.rest(), ["--rounds", "9"]);
        assert_eq!(args.end(), Ok(()));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            args("--rounds x").value::<u32>("--rounds"),
            Err("--rounds cannot be x".to_owned())
        );
        assert_eq!(
            args("--rounds").value::<u32>("--rounds"),
            Err("--rounds needs a value".to_owned())
        );
        assert_eq!(
            args("--wrong").end(),
            Err("unexpected argument --wrong; see --help".to_owned())
        );
    }
}
