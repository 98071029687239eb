//! What the kernel knows about locks, from `/proc/locks`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Long enough for any machine; reached only by a bug.
const HANG: Duration = Duration::from_secs(120);

/// Waits until something is true that another process brings about.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let hang = Instant::now() + HANG;
    while !condition() {
        assert!(Instant::now() < hang, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process or thread waits for a lock on the file: lines with an arrow.
pub(crate) fn is_waited_for(path: &Path) -> bool {
    lines_about(path).iter().any(|line| line.contains("->"))
}

/// Whether a process holds a classic record lock on the file, which is what
/// the Go library takes, of the given type (`READ` or `WRITE`).
pub(crate) fn holds(path: &Path, process: u32, kind: &str) -> bool {
    lines_about(path).iter().any(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.get(1) == Some(&"POSIX")
            && words.get(3) == Some(&kind)
            && words.get(4) == Some(&process.to_string().as_str())
    })
}

fn lines_about(path: &Path) -> Vec<String> {
    let inode = format!(":{} ", std::fs::metadata(path).unwrap().ino());
    let table = std::fs::read_to_string("/proc/locks").unwrap();
    let lines = table.lines().filter(|line| line.contains(&inode));
    lines.map(str::to_owned).collect()
}
