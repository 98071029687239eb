//! The inputs that a target starts with, kept between runs outside of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use super::build::Fuzzer;
use crate::Result;
use crate::shell::{capture, project};

/// The directories of a target.
#[derive(Debug)]
pub(super) struct Corpus {
    pub(super) target: String,
    /// Inputs that reached new code.
    pub(super) kept: PathBuf,
    /// Where the fuzzer writes findings.
    pub(super) artifacts: PathBuf,
}

impl Corpus {
    /// Creates what is missing.
    pub(super) fn open(target: &str) -> Result<Self> {
        let corpus = Self {
            target: target.to_owned(),
            kept: cache()?.join(target),
            artifacts: project().join("fuzz/artifacts").join(target),
        };
        make(&corpus.kept)?;
        make(&corpus.artifacts)?;
        Ok(corpus)
    }

    /// Adds the seeds that code makes, and past findings.
    pub(super) fn add_seeds(&self, fuzzer: &Fuzzer) -> Result {
        capture(fuzzer.command("seeds").arg(&self.target).arg(&self.kept))?;
        let findings = project().join("fuzz/findings").join(&self.target);
        for entry in fs::read_dir(findings).into_iter().flatten().flatten() {
            let to = self.kept.join(entry.file_name());
            fs::copy(entry.path(), &to).map_err(|error| format!("{}: {error}", to.display()))?;
        }
        Ok(())
    }

    /// Keeps the smallest set of inputs that reaches as much as all of them; returns its number.
    pub(super) fn minimise(&self, fuzzer: &Fuzzer) -> Result<usize> {
        let smaller = self.kept.with_extension("smaller");
        erase(&smaller)?;
        make(&smaller)?;
        let mut merge = fuzzer.command(&self.target);
        merge.args([
            "-merge=1",
            "-timeout=20",
            "-rss_limit_mb=2048",
            "-detect_leaks=0",
        ]);
        merge.arg(artifact_prefix(&self.artifacts));
        capture(merge.arg(&smaller).arg(&self.kept))?;
        let count = entries(&smaller)?.len();
        if count > 0 {
            erase(&self.kept)?;
            fs::rename(&smaller, &self.kept)
                .map_err(|error| format!("{}: {error}", self.kept.display()))?;
        }
        Ok(count)
    }
}

/// libFuzzer puts this before the name of a finding.
pub(super) fn artifact_prefix(directory: &Path) -> String {
    format!("-artifact_prefix={}/", directory.display())
}

/// The files of a directory.
pub(super) fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory);
    let entries = entries.map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The directory of all corpora, below the user's cache.
fn cache() -> Result<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("layerhold/fuzz"))
}

fn make(directory: &Path) -> Result {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

fn erase(directory: &Path) -> Result {
    match directory.exists() {
        true => fs::remove_dir_all(directory)
            .map_err(|error| format!("{}: {error}", directory.display())),
        false => Ok(()),
    }
}
