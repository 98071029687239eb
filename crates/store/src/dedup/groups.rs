//! Groups files that may be equal, and makes them share blocks.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerhold_driver::{Driver, LayerError};
use layerhold_ids::LayerId;
use layerhold_sys::{
    DedupeEnd, Deduped, Dir, OpenOptions, PathError, Stat, dedupe_file, shares_all_blocks,
    stat_file,
};

use super::hash::{FileHash, HashMethod};
use super::lengths::{Lengths, SeenLinks};
use super::tally::Tally;
use super::walk::{FileBatch, Stop, open_below};

/// All groups of files that may be equal.
pub(super) struct Groups<'a> {
    driver: &'a dyn Driver,
    layers: &'a [LayerId],
    method: HashMethod,
    lengths: &'a Lengths,
    tally: &'a Tally,
    links: Mutex<SeenLinks>,
    groups: Mutex<HashMap<Key, Arc<Mutex<Vec<Original>>>>>,
}

/// What the files of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    dev: u64,
    size: u64,
    hash: FileHash,
}

/// A file that equals no other one of its group so far.
#[derive(Debug)]
struct Original {
    layer: usize,
    path: PathBuf,
    /// Its checksum, once the group is too large to compare all of it.
    crc: Option<FileHash>,
}

/// With this many different files of one length, checksums select those that are worth comparing.
const MANY: usize = 8;

/// A file to be made to share blocks.
struct Candidate<'a> {
    dir: &'a Dir,
    name: &'a OsStr,
    file: &'a File,
    size: u64,
}

impl<'a> Groups<'a> {
    pub(super) fn new(
        driver: &'a dyn Driver,
        layers: &'a [LayerId],
        method: HashMethod,
        lengths: &'a Lengths,
        tally: &'a Tally,
    ) -> Self {
        Self {
            driver,
            layers,
            method,
            lengths,
            tally,
            links: Mutex::default(),
            groups: Mutex::default(),
        }
    }

    /// Adds files to their groups, and makes them share blocks with equal files that were added
    /// before.
    pub(super) fn take(&self, mut found: FileBatch<'_>) -> Result<(), Stop> {
        self.lengths.retain_shared(&mut found.files);
        let mut links = lock(&self.links);
        found.files.retain(|(_, stat)| links.is_first(stat));
        drop(links);
        for (name, stat) in &found.files {
            self.tally.cancel.check()?;
            match self.take_file(&found, name, stat) {
                Ok(()) => {}
                Err(LayerError::Os(error)) if error.is_unsupported() => {
                    return Err(Stop::Filesystem(found.dir.path().to_owned()));
                }
                Err(error) => self.tally.failed(error),
            }
        }
        Ok(())
    }

    fn take_file(
        &self,
        found: &FileBatch<'_>,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<(), LayerError> {
        let file = found.dir.open_file(name)?;
        let opened = stat_file(&file)?;
        if !opened.is_same_inode(stat) || !opened.is_file() || opened.size != stat.size {
            // It is being changed, and is left to the next deduplication.
            return Ok(());
        }
        let hash = self
            .method
            .hash(&file, &self.tally.cancel)
            .map_err(reading(found.dir, name))?;
        let key = Key {
            dev: stat.dev,
            size: stat.size,
            hash,
        };
        let group = Arc::clone(lock(&self.groups).entry(key).or_default());
        let candidate = Candidate {
            dir: found.dir,
            name,
            file: &file,
            size: stat.size,
        };
        let mut originals = lock(&group);
        let crc = self.crc_if_many(&mut originals, &candidate)?;
        if !self.share_with_one(&mut originals, &candidate, crc)? {
            originals.push(Original {
                layer: found.layer,
                path: found.path.join(name),
                crc,
            });
        }
        Ok(())
    }

    /// Computes checksums of a whole group and of a candidate for it, if the group is large and its
    /// files have only a length in common.
    fn crc_if_many(
        &self,
        originals: &mut Vec<Original>,
        candidate: &Candidate<'_>,
    ) -> Result<Option<FileHash>, LayerError> {
        if self.method != HashMethod::Size || originals.len() < MANY {
            return Ok(None);
        }
        originals.retain_mut(|original| {
            if original.crc.is_none() {
                let hash = self.open(original).ok();
                original.crc =
                    hash.and_then(|file| HashMethod::Crc64.hash(&file, &self.tally.cancel).ok());
            }
            original.crc.is_some()
        });
        let hash = HashMethod::Crc64.hash(candidate.file, &self.tally.cancel);
        hash.map(Some)
            .map_err(|error| reading(candidate.dir, candidate.name)(error).into())
    }

    /// Shares the blocks of an equal file, and tells whether there is one.
    fn share_with_one(
        &self,
        originals: &mut Vec<Original>,
        candidate: &Candidate<'_>,
        crc: Option<FileHash>,
    ) -> Result<bool, LayerError> {
        let mut position = 0;
        while let Some(original) = originals.get(position) {
            if crc.is_some() && original.crc != crc {
                position += 1;
                continue;
            }
            let Ok(source) = self.open(original) else {
                // It was deleted with its layer.
                originals.swap_remove(position);
                continue;
            };
            if shares_all_blocks(&source, candidate.file) {
                self.tally.was_shared(candidate.size);
                return Ok(true);
            }
            let done = share(&source, candidate)?;
            if done.end == DedupeEnd::Complete {
                // Some filesystems keep small files in their metadata: these are equal, but have no
                // blocks to share.
                if shares_all_blocks(&source, candidate.file) {
                    self.tally.is_shared(done.bytes);
                } else {
                    self.tally.was_shared(done.bytes);
                }
                return Ok(true);
            }
            position += 1;
        }
        Ok(false)
    }

    fn open(&self, original: &Original) -> Result<File, LayerError> {
        let gone = || LayerError::NotRegular {
            path: original.path.clone(),
        };
        let id = self.layers.get(original.layer).ok_or_else(gone)?;
        let tree = self.driver.diff_dir(id)?.ok_or_else(gone)?;
        let parent = original.path.parent().ok_or_else(gone)?;
        let name = original.path.file_name().ok_or_else(gone)?;
        Ok(open_below(&tree, parent)?.open_file(name)?)
    }
}

/// Shares blocks. The target is opened for writing only if the kernel requires it, because a
/// running program cannot be opened for writing.
fn share(source: &File, candidate: &Candidate<'_>) -> Result<Deduped, PathError> {
    match dedupe_file(source, candidate.file, candidate.size) {
        Err(error) if error.is_permission_denied() => {
            let target = candidate
                .dir
                .open_with(candidate.name, OpenOptions::write())?;
            dedupe_file(source, &target, candidate.size)
        }
        done => done,
    }
}

fn reading(dir: &Dir, name: &OsStr) -> impl FnOnce(std::io::Error) -> PathError {
    let path = dir.path().join(name);
    move |error| PathError::new("read", path, error)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
