//! Runs work with a current directory of its own.

use std::thread::Builder;

use rustix::thread::UnshareFlags;

use crate::directory::dir::Dir;
use crate::error::{Context, Result};

/// Runs `work` with `dir` as its current directory.
///
/// Some system calls resolve names only relative to the current directory, which all threads of a
/// process share. A thread that first stops sharing it can change its own without affecting the
/// others.
pub(crate) fn in_directory<T: Send>(dir: &Dir, work: impl FnOnce() -> T + Send) -> Result<T> {
    let body = || {
        leave_shared_directory()
            .and_then(|()| rustix::process::fchdir(dir))
            .context("enter directory", || dir.path().to_owned())?;
        Ok(work())
    };
    std::thread::scope(|scope| {
        let thread = Builder::new()
            .name("in-directory".into())
            .spawn_scoped(scope, body)
            .context("start a thread in", || dir.path().to_owned())?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[expect(
    unsafe_code,
    reason = "rustix marks the whole call unsafe because of flags that are not used here"
)]
fn leave_shared_directory() -> rustix::io::Result<()> {
    // SAFETY: the danger of this call is a descriptor table of one's own (CLONE_FILES). This flag
    // covers root, current directory and umask only.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current() -> std::path::PathBuf {
        std::env::current_dir().unwrap()
    }

    #[test]
    fn only_the_work_sees_the_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let real = scratch.path().canonicalize().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let before = current();
        let (inside, outside) = in_directory(&dir, || {
            let other = std::thread::scope(|scope| scope.spawn(current).join().unwrap());
            (current(), other)
        })
        .unwrap();
        // A thread started inside shares its directory.
        assert_eq!((inside, outside), (real.clone(), real));
        assert_eq!(current(), before);
    }
}
