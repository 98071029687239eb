//! `cargo xtask words`: finds wording that has to be read twice, and comments that are too wide.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::args::Args;
use crate::shell::project;

pub(crate) const HELP: &str = "
Usage: cargo xtask words [PATH...]

Fails if a Rust or Markdown file contains a word or phrase of the list in `xtask/src/words.rs`, or a comment of more than
100 columns that is not a table, code or a link. Prints each place, and what to write instead. Reads the given files and
directories, relative to the project; by default all.
";

/// The parts of the project that are read: everything but hidden files and what is built.
const PARTS: &[&str] = &[
    "CONTRIBUTING.md",
    "README.md",
    "benches",
    "crates",
    "docs",
    "fuzz",
    "xtask",
];

/// Words and phrases to avoid, and what to write instead. Bars are ignored, so that this list does
/// not match itself. A phrase with a capital letter matches exactly, others in any case.
const AVOID: &[(&str, &str)] = &[
    ("who|ever", "name it: a process, a reader, the caller"),
    ("some|body", "name it: a process, a reader, the caller"),
    ("some|one", "name it: a process, a reader, the caller"),
    ("any|body", "name it: any process, any caller"),
    ("every|body", "name them: all processes, all callers"),
    ("no|body", "no process, no caller, no other thread"),
    ("W|ho", "name it: \"A caller that …\""),
    ("those w|ho", "name them: \"callers that …\""),
    ("the one w|ho", "name it: \"the process that …\""),
    ("mean|while", "while … or until …"),
    ("a|new", "again; of records: rebuilt"),
    ("take a|way", "remove, unmount or unlink"),
    ("takes a|way", "removes, unmounts or unlinks"),
    ("taken a|way", "removed, unmounted or unlinked"),
    ("what it st|ands on", "its parents, its lower layers"),
    ("what st|ands on it", "its children, the layers above it"),
    ("is no re|ason", "does not justify, or say what happens"),
    ("for wa|nt of", "because … is missing"),
];

const WIDTH: usize = 100;

pub(crate) fn run(mut args: Args) -> Result {
    let mut paths = Vec::new();
    while let Some(path) = args.word() {
        paths.push(path);
    }
    args.end()?;
    if paths.is_empty() {
        return check();
    }
    check_paths(paths.iter().map(String::as_str))
}

/// Checks the files that have to stay clean.
pub(crate) fn check() -> Result {
    check_paths(PARTS.iter().copied())
}

fn check_paths<'a>(paths: impl Iterator<Item = &'a str>) -> Result {
    let top = project();
    let mut files = Vec::new();
    for path in paths {
        collect(&top.join(path), &mut files)?;
    }
    let mut found = 0;
    for file in &files {
        let text = fs::read_to_string(file).map_err(|error| cannot_read(file, &error))?;
        let rust = file.extension().is_some_and(|extension| extension == "rs");
        let wide = if rust {
            wide_comments(&text)
        } else {
            Vec::new()
        };
        for (line, problem) in avoided(&text).into_iter().chain(wide) {
            let shown = file.strip_prefix(&top).unwrap_or(file).display();
            println!("{shown}:{line}: {problem}");
            found += 1;
        }
    }
    if found == 0 {
        println!("The wording of {} files is clean.", files.len());
        return Ok(());
    }
    Err(format!("{found} places to reword"))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

/// Collects the Rust and Markdown files at and below `path`.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result {
    if path.is_file() {
        if path.extension().is_some_and(|e| e == "rs" || e == "md") {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(|error| cannot_read(path, &error))?;
    let mut below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    below.retain(|path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        !name.starts_with(b".") && name != b"target" && !path.is_symlink()
    });
    below.sort();
    below.iter().try_for_each(|path| collect(path, files))
}

/// The lines with a word or phrase to avoid. A phrase may go over the end of a line.
fn avoided(text: &str) -> Vec<(usize, String)> {
    let words = words(text);
    let mut found = Vec::new();
    for (avoid, instead) in AVOID {
        let avoid = avoid.replace('|', "");
        let phrase: Vec<&str> = avoid.split(' ').collect();
        for window in words.windows(phrase.len()) {
            if phrase.iter().zip(window).all(|(part, word)| word.is(part)) {
                found.push((window[0].line, format!("\"{avoid}\"; instead: {instead}")));
            }
        }
    }
    found.sort();
    found
}

struct Word<'a> {
    line: usize,
    text: &'a str,
    /// Alone between quotes or colons: a name, such as that of a user.
    name: bool,
}

impl Word<'_> {
    fn is(&self, part: &str) -> bool {
        let exact = part.contains(char::is_uppercase);
        !self.name && (self.text == part || !exact && self.text.eq_ignore_ascii_case(part))
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let quote = |end: Option<char>| end.is_some_and(|end| "\"`:".contains(end));
        for text in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
            let start = text.as_ptr() as usize - line.as_ptr() as usize;
            let (before, after) = (&line[..start], &line[start + text.len()..]);
            if !text.is_empty() {
                words.push(Word {
                    line: number + 1,
                    text,
                    name: quote(before.chars().next_back()) && quote(after.chars().next()),
                });
            }
        }
    }
    words
}

/// The comments that are too wide, except for tables, code and links.
fn wide_comments(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut code = false;
    for (number, line) in text.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            code = false;
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        code ^= comment.starts_with("```");
        let free = code
            || comment.starts_with('|')
            || ["](", "]: ", "://"].iter().any(|l| comment.contains(l));
        let width = line.chars().count();
        if width > WIDTH && !free {
            found.push((
                number + 1,
                format!("a comment of {width} columns; wrap at {WIDTH}"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let found = avoided(&text.replace('|', ""));
        found.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn words_to_avoid_are_found_in_comments_and_texts() {
        assert_eq!(
            lines("// Some|body's\nlet a = \"no|body uses it\";\n"),
            [1, 2]
        );
        assert_eq!(
            lines("W|ho waits\nthe one that waits, and w|ho else\n"),
            [1]
        );
        assert_eq!(
            lines("a process; some|one_else = mean|while_true"),
            [0_usize; 0]
        );
    }

    #[test]
    fn phrases_go_over_the_end_of_a_line() {
        assert_eq!(lines("/// It is\n/// no rea|son to stop.\n"), [1]);
        assert_eq!(lines("It takes\nit a|way\n"), [0_usize; 0]);
    }

    #[test]
    fn names_are_left_alone() {
        let text = "`no|body`, \"no|body\" and \"no|body:x:65534\"\n";
        assert_eq!(lines(text), [0_usize; 0]);
    }

    #[test]
    fn wide_comments_are_found_but_for_tables_code_and_links() {
        let wide = "x ".repeat(60);
        let at = |text: String| {
            wide_comments(&text)
                .into_iter()
                .map(|(line, _)| line)
                .collect()
        };
        let found: Vec<usize> = at(format!("fn a() {{\n    /// {wide}\n}}\n// {wide}\n"));
        assert_eq!(found, [2, 4]);
        let found: Vec<usize> = at(format!(
            "//! | {wide}\n//! ```text\n//! {wide}\n//! ```\n// https://{wide}\nlet a = {wide};\n"
        ));
        assert_eq!(found, [0_usize; 0]);
    }
}
