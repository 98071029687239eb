//! `cargo xtask references`: checks that the files and tests named in the documentation exist.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::args::Args;
use crate::shell::project;

pub(crate) const HELP: &str = "
Usage: cargo xtask references

Fails if a page in `docs/` names a Rust file that does not exist, or if `docs/differences.md` names a test that does not
exist. Prints each of them with its page and line.
";

pub(crate) fn run(args: Args) -> Result {
    args.end()?;
    check()
}

pub(crate) fn check() -> Result {
    let top = project();
    let mut missing = 0;
    for page in pages(&top.join("docs"))? {
        let text = fs::read_to_string(&page)
            .map_err(|error| format!("cannot read {}: {error}", page.display()))?;
        let has_tests = page.ends_with("docs/differences.md");
        for (number, line) in text.lines().enumerate() {
            for name in quoted(line) {
                let exists = match file(name) {
                    Some(path) => top.join(path).is_file(),
                    None => !has_tests || test_exists(&top, name),
                };
                if !exists {
                    let page = page.strip_prefix(&top).unwrap_or(&page).display();
                    println!("{page}:{}: {name} does not exist", number + 1);
                    missing += 1;
                }
            }
        }
    }
    match missing {
        0 => Ok(()),
        _ => Err(format!("{missing} files or tests are missing")),
    }
}

fn pages(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)
        .map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
    let mut pages = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            pages.extend(self::pages(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// The texts between backquotes in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The path of a file in this project, if `name` is one. `x.rs` stands for any file.
fn file(name: &str) -> Option<&str> {
    let is_file = (name.starts_with("crates/") || name.starts_with("xtask/"))
        && name.ends_with(".rs")
        && !name.ends_with("/x.rs")
        && !name.contains('<');
    is_file.then_some(name)
}

/// Whether the test called `CRATE/MODULE::NAME` or the module `CRATE/MODULE` exists. True for texts
/// of any other form.
fn test_exists(top: &Path, name: &str) -> bool {
    let (path, test) = name.split_once("::").unwrap_or((name, ""));
    let Some((package, module)) = path.split_once('/') else {
        return true;
    };
    let directory = top.join("crates").join(package);
    let is_package = package.starts_with(|c: char| c.is_ascii_lowercase()) && directory.is_dir();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_/".contains(c);
    if !is_package || module == "x" || !module.chars().all(plain) {
        return true;
    }
    let tests = match package {
        "drivertest" => directory.join("src/cases"),
        _ if module.starts_with("src/") => directory,
        _ => directory.join("tests/all"),
    };
    let file = tests.join(format!("{module}.rs"));
    let folder = fs::read_dir(tests.join(module)).into_iter().flatten();
    let files = folder.flatten().map(|entry| entry.path()).chain([file]);
    let mut texts = files.filter_map(|file| fs::read_to_string(file).ok());
    texts.any(|text| text.contains(&format!("fn {test}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_tests_are_found() {
        let names: Vec<_> = quoted("a `b` c `d`").collect();
        assert_eq!(names, ["b", "d"]);
        assert_eq!(file("crates/ids/src/id.rs"), Some("crates/ids/src/id.rs"));
        assert_eq!(file("layers.go"), None);
        let top = project();
        assert!(test_exists(&top, "ids/src/id::refused_texts"));
        assert!(!test_exists(&top, "ids/src/id::no_such_test"));
        assert!(!test_exists(&top, "ids/src/no_such_module"));
        assert!(test_exists(&top, "docker.io/library"));
        assert!(test_exists(&top, "/etc/passwd"));
    }
}
