//! The Go tool and ours on twin stores.

use std::collections::HashMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use layerhold_testkit::{GoStore, Ran, TempDir, require_peer, require_root, scratch};

use crate::support::{CONTAINERS_STORAGE, base_tar, upper_tar};

/// What a command did, with everything that differs between any two runs replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Two equal stores.
pub(crate) struct Twin {
    dir: TempDir,
    go: Side,
    ours: Side,
}

struct Side {
    name: &'static str,
    store: GoStore,
    ids: Mutex<HashMap<String, String>>,
}

impl Twin {
    /// `None` where the Go tool is missing.
    pub(crate) fn new() -> Option<Self> {
        require_root()?;
        require_peer("containers-storage")?;
        let dir = scratch();
        fs::write(dir.path().join("a.tar"), base_tar()).unwrap();
        fs::write(dir.path().join("b.tar"), upper_tar()).unwrap();
        fs::write(dir.path().join("junk"), "junk\n").unwrap();
        fs::write(dir.path().join("data"), "some data\n").unwrap();
        let side = |name: &'static str| Side {
            name,
            store: GoStore::below(&dir.path().join(name), "vfs"),
            ids: Mutex::default(),
        };
        let (go, ours) = (side("go"), side("ours"));
        let ours = Side {
            store: ours.store.with_program(CONTAINERS_STORAGE.as_ref()),
            ..ours
        };
        Some(Twin { dir, go, ours })
    }

    /// A twin with two layers, an image and a container in either store.
    pub(crate) fn filled() -> Option<Self> {
        let twin = Twin::new()?;
        twin.same("import-layer --id base --name basename -f @/a.tar");
        twin.same("import-layer --id top -r -f @/b.tar base");
        twin.same("create-layer --id kid top");
        twin.same("create-image --id img --name image -m meta top");
        twin.same("create-container --id ctr -m cmeta img");
        Some(twin)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, side: &Side, words: &[&str], input: &[u8]) -> Done {
        let place = format!("{}/{}", self.dir.path().display(), side.name);
        let words = words.iter().map(|word| {
            word.replace("@/", &format!("{}/", self.dir.path().display()))
                .replace("%/", &format!("{place}/"))
        });
        let ran = side.store.run_with_input(words, input);
        side.done(&ran, self.dir.path().to_str().unwrap())
    }

    /// Runs a command on both.
    pub(crate) fn both(&self, words: &[&str], input: &[u8]) -> (Done, Done) {
        (
            self.run(&self.go, words, input),
            self.run(&self.ours, words, input),
        )
    }

    /// Runs a command on both and checks that codes and results are the same, and that ours has
    /// the words of the Go tool in its errors.
    #[track_caller]
    pub(crate) fn same(&self, line: &str) {
        self.same_with(line, b"");
    }

    /// As [`same`](Self::same), with something on standard input.
    #[track_caller]
    pub(crate) fn same_with(&self, line: &str, input: &[u8]) {
        let words: Vec<&str> = line.split(' ').collect();
        self.same_words(&words, input);
    }

    /// As [`same`](Self::same), for words with spaces in them, or empty ones.
    #[track_caller]
    pub(crate) fn same_words(&self, words: &[&str], input: &[u8]) {
        let (go, ours) = self.both(words, input);
        assert_eq!(
            (go.code, &go.out),
            (ours.code, &ours.out),
            "{words:?}\n{go:?}\n{ours:?}"
        );
        assert_words(&go, &ours);
    }

    /// As [`same`](Self::same), where Go leaves the order of the lines to chance or to the
    /// filesystem.
    #[track_caller]
    pub(crate) fn same_lines(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let (go, ours) = self.both(&words, b"");
        let sorted = |done: &Done| {
            let mut lines: Vec<String> = done.out.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!((go.code, sorted(&go)), (ours.code, sorted(&ours)), "{line}");
        assert_words(&go, &ours);
    }

    /// Checks that the two differ on purpose, and just so. `why` is for who reads the test.
    #[track_caller]
    pub(crate) fn differs(&self, line: &str, why: &str, go: (i32, &str), ours: (i32, &str)) {
        assert!(!why.is_empty());
        let words: Vec<&str> = line.split(' ').collect();
        let (their, our) = self.both(&words, b"");
        let expected = |code, out: &str| (Some(code), out.to_owned());
        assert_eq!((their.code, their.out), expected(go.0, go.1), "Go, {line}");
        assert_eq!(
            (our.code, our.out),
            expected(ours.0, ours.1),
            "ours, {line}"
        );
    }

    /// Runs a command on ours only: what 1.43 of the Go tool does not have, or hangs at.
    pub(crate) fn ours(&self, line: &str) -> Done {
        let words: Vec<&str> = line.split(' ').collect();
        self.ours_words(&words)
    }

    /// As [`ours`](Self::ours), for words with spaces in them.
    pub(crate) fn ours_words(&self, words: &[&str]) -> Done {
        self.run(&self.ours, words, b"")
    }

    /// Runs the programs without the flags that name a store.
    pub(crate) fn bare(&self, words: &[&str]) -> (Done, Done) {
        let run = |side: &Side, program: &str| {
            let mut command = Command::new(program);
            // The name a program is called by is in its messages.
            command.arg0("containers-storage").args(words);
            command.env_remove("STORAGE_DRIVER");
            let ran = layerhold_testkit::run(&mut command);
            side.done(&ran, self.dir.path().to_str().unwrap())
        };
        (
            run(&self.go, "containers-storage"),
            run(&self.ours, CONTAINERS_STORAGE),
        )
    }

    /// The raw output of a command on both.
    pub(crate) fn raw(&self, words: &[&str]) -> (Ran, Ran) {
        (self.go.store.run(words), self.ours.store.run(words))
    }
}

/// Checks that each message of the Go tool has its last words somewhere in ours.
#[track_caller]
fn assert_words(go: &Done, ours: &Done) {
    let messages: Vec<&str> = go
        .err
        .lines()
        .filter(|line| !line.starts_with("time="))
        .collect();
    for message in &messages {
        let words = message.rsplit(": ").next().unwrap_or(message);
        // 1.43 unpacks in a child process, whose exit code does not matter.
        let words = words.trim_end_matches(" exit status 1");
        assert!(
            ours.err.contains(words),
            "{words:?} is missing in {:?}",
            ours.err
        );
    }
    assert_eq!(messages.is_empty(), ours.err.is_empty(), "{go:?}\n{ours:?}");
}

impl Side {
    fn done(&self, ran: &Ran, base: &str) -> Done {
        Done {
            code: ran.code,
            out: self.plain(&String::from_utf8_lossy(&ran.stdout), base),
            err: self.plain(&String::from_utf8_lossy(&ran.stderr), base),
        }
    }

    /// Replaces paths, dates, generated IDs and the name of the program.
    fn plain(&self, text: &str, base: &str) -> String {
        let text = text
            .replace(&format!("{base}/{}", self.name), "<store>")
            .replace(base, "<files>")
            .replace(CONTAINERS_STORAGE, "containers-storage");
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plain = String::new();
        for word in split_words(&text) {
            let is_id = word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
            if is_id {
                let next = format!("<id {}>", ids.len());
                plain.push_str(ids.entry(word.to_owned()).or_insert(next));
            } else if is_date(word) {
                plain.push_str("<date>");
            } else {
                plain.push_str(word);
            }
        }
        plain
    }
}

/// Splits a text into runs of letters, digits and what dates have, and everything between them.
fn split_words(text: &str) -> Vec<&str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let mut words = Vec::new();
    let mut start = 0;
    let mut was_inside = false;
    for (at, c) in text.char_indices() {
        // Dates have colons in them, and digests before their digits.
        let is_inside = inside(c) || (c == ':' && text[start..at].contains('T') && was_inside);
        if is_inside != was_inside {
            words.push(&text[start..at]);
            start = at;
            was_inside = is_inside;
        }
    }
    words.push(&text[start..]);
    words
}

fn is_date(word: &str) -> bool {
    word.len() >= 20 && word.ends_with('Z') && word.as_bytes().get(10) == Some(&b'T')
}
