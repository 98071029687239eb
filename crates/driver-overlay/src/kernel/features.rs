//! What the kernel supports, tried out once for each run root.
//!
//! Answers are kept as names of files, as Go keeps them (drivers/overlay/overlay.go,
//! `cachedFeatureRecord`): `NAME-true` or `NAME-false`, empty, or with the reason as text. They may
//! be deleted at any time.

use std::io::Write;
use std::path::{Path, PathBuf};

use layerhold_sys::{Create, Dir, OpenOptions, best_effort};

use crate::disk::{FILE_MODE, PRIVATE_MODE};

/// A reason is a sentence. A longer file was not written by this crate.
const LONGEST_REASON: u64 = 64 << 10;

/// The directory of answers, below the run root.
#[derive(Debug, Clone)]
pub(crate) struct FeatureCache {
    path: PathBuf,
}

/// A cached answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    /// With the reason, which may be empty.
    No(String),
}

impl FeatureCache {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its path, below which layers of read-only stores are mounted too.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks an answer up; `None` when there is none that can be read.
    pub(crate) fn get(&self, feature: &str) -> Option<Answer> {
        let dir = Dir::open_ambient(&self.path).ok()?;
        if dir.exists(name(feature, true)).ok()? {
            return Some(Answer::Yes);
        }
        let reason = dir.read_file(name(feature, false), LONGEST_REASON).ok()??;
        Some(Answer::No(String::from_utf8_lossy(&reason).into_owned()))
    }

    /// Keeps an answer. One that cannot be kept is found out again next time.
    pub(crate) fn put(&self, feature: &str, answer: &Answer) {
        let (is_yes, reason) = match answer {
            Answer::Yes => (true, ""),
            Answer::No(reason) => (false, reason.as_str()),
        };
        let Ok(dir) = Dir::create_ambient_all(&self.path, PRIVATE_MODE) else {
            return;
        };
        let options = OpenOptions::write()
            .create(Create::IfMissing)
            .truncate()
            .mode(FILE_MODE);
        if let Ok(mut file) = dir.open_with(name(feature, is_yes), options) {
            best_effort(file.write_all(reason.as_bytes()));
        }
    }

    /// Returns the cached answer, or finds it out and keeps it.
    pub(crate) fn ask(&self, feature: &str, find_out: impl FnOnce() -> Answer) -> Answer {
        self.get(feature).unwrap_or_else(|| {
            let answer = find_out();
            self.put(feature, &answer);
            answer
        })
    }
}

fn name(feature: &str, answer: bool) -> String {
    format!("{feature}-{answer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_as_go_keeps_them() {
        let place = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(place.path().join("overlay"));
        assert_eq!(cache.get("volatile"), None);
        assert_eq!(cache.ask("volatile", || Answer::Yes), Answer::Yes);
        let no = Answer::No("a reason".into());
        assert_eq!(cache.ask("native-diff(nodev)", || no.clone()), no);
        assert_eq!(cache.ask("volatile", || panic!("known")), Answer::Yes);
        assert_eq!(cache.ask("native-diff(nodev)", || panic!("known")), no);
        let dir = Dir::open_ambient(cache.path()).unwrap();
        let content = |name: &str| dir.read_file(name, 100).unwrap();
        assert_eq!(content("volatile-true"), Some(vec![]));
        assert_eq!(
            content("native-diff(nodev)-false"),
            Some(b"a reason".to_vec())
        );
        // An answer whose name no file can have is found out again.
        assert_eq!(cache.ask("metacopy(a/b)", || Answer::Yes), Answer::Yes);
        assert_eq!(cache.get("metacopy(a/b)"), None);
    }
}
