//! Reads the contents of layers: can their tars be rebuilt, and are their files those of the tars?

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use layerhold_driver::LayerError;
use layerhold_ids::{Algorithm, DiffId, Digest, LayerId};
use layerhold_sys::{Cancelled, PathError};
use layerhold_tar_format::EntryKind;
use layerhold_tar_split::{Headers, Rebuild, RebuildError, Skeleton, SkeletonError};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::compare::checksum_of;
use super::damage::{Damage, FileChange};
use super::inspection::Inspection;
use super::layers::unreadable;
use super::report::Finding;
use super::tree::{Entry, is_for_aufs, is_whiteout};
use super::verdict::{Remedy, Verdict};
use crate::catalog::layout::tar_split_name;
use crate::contents::diff::{LayerFiles, open_tar_split, pair_of};
use crate::records::Layer;
use crate::records::kinds::ItemId;

/// Bytes rebuilt at a time.
const PIECE: usize = 256 << 10;
/// After this many differing files of one layer, more are only counted.
const MAX_FILES: usize = 1000;

/// Rebuilds the tar of a layer and compares its digest and size with the record.
pub(super) fn check(inspection: &Inspection<'_>, layer: &Layer) -> Vec<Finding> {
    let id = || ItemId::Layer(layer.id().clone());
    let Some(expected) = layer.diff_id() else {
        return Vec::new();
    };
    let damage = match rebuild(inspection, layer.id(), expected.digest().algorithm()) {
        Ok(None) => return Vec::new(),
        Ok(Some(tar)) => {
            return wrong_digest_or_size(inspection, layer, &expected, tar)
                .into_iter()
                .map(|(damage, remedy)| inspection.finding(id(), damage, Verdict::Damaged(remedy)))
                .collect();
        }
        Err(Failed::Driver(error)) => {
            let (damage, verdict) = unreadable(error);
            return vec![inspection.finding(id(), damage, verdict)];
        }
        Err(Failed::Rebuild(error)) => error,
    };
    match damage {
        RebuildError::SparseMapMissing { .. } => Vec::new(),
        RebuildError::Skeleton(_) => {
            let (damage, verdict) = tar_split(inspection, layer, damage);
            let verdict = match verdict {
                Verdict::Damaged(_) if can_pack(inspection, layer, &expected) => {
                    verdict.repairable()
                }
                other => other,
            };
            vec![inspection.finding(id(), damage, verdict)]
        }
        // It stopped at the first differing file; now every file is compared.
        _ => files(inspection, layer),
    }
}

/// The verdict on a layer whose tar-split file cannot be used. Its files may be intact, so the
/// layer stays in any case.
fn tar_split(inspection: &Inspection<'_>, layer: &Layer, error: RebuildError) -> (Damage, Verdict) {
    match Verdict::of_error(&error) {
        Verdict::Damaged(_) => {
            let verdict = Verdict::Damaged(Remedy::Nothing);
            (Damage::TarSplit(Box::new(error)), verdict)
        }
        verdict => {
            let file = inspection.engine.catalog.layout.layers.path();
            let file = file.join(tar_split_name(layer.id()));
            let error = PathError::new("read", file, io::Error::other(error));
            (Damage::Unknown(Box::new(error.into())), verdict)
        }
    }
}

/// The tar of a layer, read to its end.
pub(super) struct TarDigest {
    pub(super) digest: Digest,
    pub(super) bytes: u64,
}

pub(super) enum Failed {
    Driver(LayerError),
    Rebuild(RebuildError),
}

/// Rebuilds the tar; `None` when there is no tar-split file.
pub(super) fn rebuild(
    inspection: &Inspection<'_>,
    id: &LayerId,
    algorithm: Algorithm,
) -> Result<Option<TarDigest>, Failed> {
    let file = open_tar_split(inspection.engine, &inspection.records.layers, id);
    let Some(file) = file.map_err(|error| Failed::Driver(error.into()))? else {
        return Ok(None);
    };
    let contents = inspection.driver.contents(id).map_err(Failed::Driver)?;
    let mut tar = Rebuild::new(Skeleton::from_gzip(file), LayerFiles { contents });
    let mut hash = Hasher::new(algorithm);
    let mut buffer = vec![0; PIECE];
    let mut bytes = 0u64;
    loop {
        inspection.cancel().check().map_err(stopped)?;
        match tar.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                hash.update(buffer.get(..length).unwrap_or_default());
                bytes = bytes.saturating_add(length as u64);
            }
            Err(error) => return Err(Failed::Rebuild(rebuild_error(error))),
        }
    }
    Ok(hash.finish().map(|digest| TarDigest { digest, bytes }))
}

/// The end of a check that was cancelled. Its findings are dropped.
fn stopped(cancelled: Cancelled) -> Failed {
    Failed::Rebuild(rebuild_error(cancelled.into()))
}

fn rebuild_error(error: io::Error) -> RebuildError {
    error
        .downcast::<RebuildError>()
        .unwrap_or_else(|error| RebuildError::Skeleton(SkeletonError::Input(error)))
}

/// Finds what is wrong with a tar of which every file is as recorded.
fn wrong_digest_or_size(
    inspection: &Inspection<'_>,
    layer: &Layer,
    expected: &DiffId,
    tar: TarDigest,
) -> Option<(Damage, Remedy)> {
    let actual = DiffId::new(tar.digest);
    if actual != *expected {
        // A layer that was imported uncompressed has its digest in the record twice.
        let as_it_came = layer.compressed_digest().map(|digest| digest.into_digest());
        let is_record = layer.compression() == Some(layerhold_archive::Codec::Plain)
            && as_it_came.as_ref() == Some(actual.digest());
        let remedy = if is_record || can_pack(inspection, layer, expected) {
            Remedy::Rebuild
        } else {
            Remedy::Remove
        };
        let expected = expected.clone();
        return Some((Damage::Digest { expected, actual }, remedy));
    }
    let expected = layer.record().diff_size;
    // -1 is an unknown size (Go: layers.go).
    let is_known = expected != -1 && u64::try_from(expected) != Ok(tar.bytes);
    is_known.then_some((
        Damage::Size {
            expected,
            actual: tar.bytes,
        },
        Remedy::Rebuild,
    ))
}

/// Lists the files of a layer that are not what its tar-split file says.
fn files(inspection: &Inspection<'_>, layer: &Layer) -> Vec<Finding> {
    let mut changes = Changes::new(inspection, layer);
    if let Err(error) = each_file(inspection, layer, &mut changes) {
        let (damage, verdict) = match error {
            Failed::Driver(error) => unreadable(error),
            Failed::Rebuild(error) => tar_split(inspection, layer, error),
        };
        let id = ItemId::Layer(layer.id().clone());
        changes
            .findings
            .push(inspection.finding(id, damage, verdict));
    }
    changes.finish()
}

fn each_file(
    inspection: &Inspection<'_>,
    layer: &Layer,
    changes: &mut Changes<'_, '_>,
) -> Result<(), Failed> {
    let file = open_tar_split(inspection.engine, &inspection.records.layers, layer.id());
    let Some(file) = file.map_err(|error| Failed::Driver(error.into()))? else {
        return Ok(());
    };
    let mut contents = inspection
        .driver
        .contents(layer.id())
        .map_err(Failed::Driver)?;
    let mut headers = Headers::new(Skeleton::from_gzip(file));
    let bad = |error: SkeletonError| Failed::Rebuild(error.into());
    while let Some((header, recorded)) = headers.next_header().map_err(bad)? {
        inspection.cancel().check().map_err(stopped)?;
        let is_file = matches!(
            header.kind,
            EntryKind::Regular | EntryKind::GnuSparse | EntryKind::Contiguous
        );
        // A whiteout with content keeps the tar from being rebuilt, as with Go; no content is lost.
        let is_kept = is_file && recorded.size > 0 && !is_whiteout(recorded.name);
        let Some(expected) = recorded.checksum.filter(|_| is_kept) else {
            continue;
        };
        let path = Path::new(OsStr::from_bytes(recorded.name));
        let read = contents.open(path).and_then(|mut file| {
            let failed = |error| PathError::new("read", path, error).into();
            checksum_of(&mut file, inspection.cancel()).map_err(failed)
        });
        let change = match read {
            Ok((actual, length))
                if actual == expected && i64::try_from(length) == Ok(recorded.size) =>
            {
                continue;
            }
            Ok(_) => FileChange::Content,
            Err(error) if error.is_not_found() && is_for_aufs(recorded.name) => continue,
            Err(LayerError::Os(error)) if error.is_not_found() => FileChange::Removed,
            // The layer cannot be read, not only this file.
            Err(error @ LayerError::NotSupported { .. }) => return Err(Failed::Driver(error)),
            Err(error) => {
                let reason = error.to_string();
                let change = FileChange::Unreadable { reason };
                changes.add_as(shown(path), change, Verdict::of_error(&error));
                continue;
            }
        };
        changes.add(shown(path), change);
    }
    Ok(())
}

/// Returns a path of an archive as it is reported.
fn shown(path: &Path) -> PathBuf {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    Path::new("/").join(parts.collect::<PathBuf>())
}

/// Findings about the files of one layer, up to a limit.
pub(super) struct Changes<'a, 'l> {
    inspection: &'a Inspection<'l>,
    id: ItemId,
    pub(super) findings: Vec<Finding>,
    /// The number of files that are not listed.
    more: u64,
    /// The number of files that belong to the owner of the store and should not.
    unowned: u64,
    /// The worst verdict on the files that are not listed.
    worst: Verdict,
}

impl<'a, 'l> Changes<'a, 'l> {
    pub(super) fn new(inspection: &'a Inspection<'l>, layer: &Layer) -> Self {
        Self {
            inspection,
            id: ItemId::Layer(layer.id().clone()),
            findings: Vec::new(),
            more: 0,
            unowned: 0,
            worst: Verdict::Note,
        }
    }

    pub(super) fn add(&mut self, path: PathBuf, change: FileChange) {
        let verdict = Verdict::of_change(&change);
        self.add_as(path, change, verdict);
    }

    pub(super) fn add_as(&mut self, path: PathBuf, change: FileChange, verdict: Verdict) {
        if self.findings.len() >= MAX_FILES {
            self.more += 1;
            self.worst = self.worst.worse(verdict);
            return;
        }
        self.push(Damage::File { path, change }, verdict);
    }

    /// Counts a file that differs only in its owner, in a way that `ignore_chown_errors` explains.
    pub(super) fn add_unowned(&mut self) {
        self.unowned += 1;
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        if self.unowned > 0 {
            let files = self.unowned;
            self.push(Damage::OwnersIgnored { files }, Verdict::Note);
        }
        if self.more > 0 {
            self.push(Damage::MoreFiles { count: self.more }, self.worst);
        }
        self.findings
    }

    /// Adds the reason why the rest was not checked, and returns the findings.
    pub(super) fn and(mut self, (damage, verdict): (Damage, Verdict)) -> Vec<Finding> {
        self.push(damage, verdict);
        self.finish()
    }

    fn push(&mut self, damage: Damage, verdict: Verdict) {
        let finding = self.inspection.finding(self.id.clone(), damage, verdict);
        self.findings.push(finding);
    }
}

/// Reads the entries of a layer's tar from its tar-split file; `None` when that cannot be read.
pub(super) fn entries(
    inspection: &Inspection<'_>,
    id: &LayerId,
    depth: usize,
) -> Option<Vec<Entry>> {
    let file = open_tar_split(inspection.engine, &inspection.records.layers, id);
    let file = file.ok().flatten()?;
    let mut headers = Headers::new(Skeleton::from_gzip(file));
    let mut entries = Vec::new();
    while let Some((header, recorded)) = headers.next_header().ok()? {
        inspection.cancel().check().ok()?;
        entries.extend(Entry::new(header, recorded.checksum, depth));
    }
    Some(entries)
}

/// Tells whether the tar of a layer, packed again from its tree, has the recorded digest. If so,
/// the tar-split file can be rebuilt.
pub(super) fn can_pack(inspection: &Inspection<'_>, layer: &Layer, expected: &DiffId) -> bool {
    let parent = layer
        .parent()
        .and_then(|parent| inspection.layers.get(parent));
    if parent.is_none() && layer.parent().is_some() {
        return false;
    }
    let layer = Arc::new(layer.clone());
    let Ok(pair) = pair_of(inspection.engine, parent.cloned(), layer) else {
        return false;
    };
    let mut hash = Hasher::new(expected.digest().algorithm());
    pair.write(&*inspection.driver, &mut hash).is_ok()
        && hash.finish().as_ref() == Some(expected.digest())
}

/// A hash function of a digest.
enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Unknown,
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
            _ => Self::Unknown,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
            Self::Unknown => {}
        }
    }

    fn finish(self) -> Option<Digest> {
        match self {
            Self::Sha256(hash) => Digest::from_bytes(Algorithm::Sha256, &hash.finalize()),
            Self::Sha384(hash) => Digest::from_bytes(Algorithm::Sha384, &hash.finalize()),
            Self::Sha512(hash) => Digest::from_bytes(Algorithm::Sha512, &hash.finalize()),
            Self::Unknown => None,
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
