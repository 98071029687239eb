//! Reads about other processes.

use std::path::Path;

use crate::error::{Context, Result};

/// The IDs of all processes, ascending.
pub(crate) fn processes() -> Result<Vec<u32>> {
    let path = Path::new("/proc");
    let entries = path
        .read_dir()
        .context("read directory", || path.to_owned())?;
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Reads a procfs file; an unreadable one counts as empty.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    #[expect(
        clippy::disallowed_methods,
        reason = "procfs is reached by its fixed path; this is the crate that others go through"
    )]
    std::fs::read(path).unwrap_or_default()
}

/// The kernel's name for a process whose procfs directory is given, 15 bytes at most; empty if the
/// process is gone.
pub(crate) fn command(process: &Path) -> String {
    let name = read(&process.join("comm"));
    String::from_utf8_lossy(&name).trim_end().to_owned()
}
