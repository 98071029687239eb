//! OCI image layouts, as directories or in a tar.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use layerhold::Store;
use layerhold_archive::Codec;
use layerhold_ids::Digest;
use layerhold_sys::{Dir, Durability, best_effort, publish, stat_ambient};
use layerhold_tar_format::EntryKind;
use serde_json::{Value, json};

use super::blobs::{BlobFiles, BlobWriter, Blobs, LayerJob, remove_new_directory};
use super::docker_archive::Tar;
use super::error::SaveError;
use super::options::{SaveOptions, WrittenImage};
use crate::copy::{CopyError, PIECE, copy};
use crate::digest::sha256;
use crate::manifest::ManifestKind;
use crate::media;
use crate::progress::Reporter;
use crate::stored::StoredImage;
use crate::written::{Blob, manifest};

/// The target of a layout.
pub(super) trait Target: Blobs {
    /// Writes the index and the marker file. Nothing refers to a blob before that.
    fn finish(self, entries: Vec<Value>) -> Result<(), SaveError>;
}

pub(super) fn write<T: Target>(
    store: &Store,
    images: &[StoredImage],
    mut target: T,
    options: &SaveOptions,
    progress: &Reporter<'_>,
) -> Result<Vec<WrittenImage>, SaveError> {
    let mut written = Vec::new();
    let mut entries = Vec::new();
    let mut writer = BlobWriter::new(store, options, progress);
    for image in images {
        let blobs = writer.write(image, &mut target)?;
        let labels = options.compression.labels();
        let manifest = manifest(image, &blobs, ManifestKind::Oci, labels);
        let digest = sha256(&manifest);
        if !target.has(&digest) {
            target.add(&digest, &manifest)?;
        }
        let names = image.names_of(&digest);
        entries.extend(index_entries(&names, &digest, manifest.len()));
        written.push(WrittenImage {
            id: image.id.clone(),
            names,
            digest: Some(digest),
            lost_signatures: image.signatures.len(),
        });
    }
    progress.check()?;
    target.finish(entries)?;
    Ok(written)
}

/// One entry for each name, or one without a name.
fn index_entries(names: &[String], digest: &Digest, size: usize) -> Vec<Value> {
    let entry = |name: Option<&String>| {
        let mut entry = json!({
            "mediaType": media::OCI_MANIFEST,
            "digest": digest.as_str(),
            "size": size,
        });
        if let (Some(name), Some(fields)) = (name, entry.as_object_mut()) {
            fields.insert("annotations".to_owned(), json!({ media::REF_NAME: name }));
        }
        entry
    };
    if names.is_empty() {
        vec![entry(None)]
    } else {
        names.iter().map(|name| entry(Some(name))).collect()
    }
}

fn index_json(entries: &[Value]) -> Vec<u8> {
    json!({ "schemaVersion": 2, "manifests": entries })
        .to_string()
        .into_bytes()
}

/// A layout in a directory.
pub(super) struct Directory {
    root: Dir,
    /// Entries of other images in an existing layout.
    others: Vec<Value>,
    unfinished: Unfinished,
}

/// What is removed again when saving fails.
struct Unfinished {
    path: PathBuf,
    root: Dir,
    blobs: BlobFiles,
    is_new: New,
    is_finished: bool,
}

/// What was not there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum New {
    Blobs,
    /// The layout in an existing directory.
    Layout,
    /// The directory too.
    Directory,
}

/// The largest index of an existing layout that is read.
const MAX_INDEX: u64 = crate::manifest::MAX_MANIFEST_SIZE;

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, SaveError> {
        let mut is_new = match stat_ambient(path)? {
            None => New::Directory,
            Some(_) => New::Blobs,
        };
        let root = Dir::create_ambient_all(path, 0o755)?;
        let others = match root.read_file("index.json", MAX_INDEX)? {
            Some(bytes) => {
                let index: Value =
                    serde_json::from_slice(&bytes).map_err(|source| SaveError::Index {
                        path: path.to_owned(),
                        source,
                    })?;
                index
                    .get("manifests")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default()
            }
            None if has_other_files(&root)? => {
                return Err(SaveError::NotALayout {
                    path: path.to_owned(),
                });
            }
            None => {
                if is_new == New::Blobs {
                    is_new = New::Layout;
                }
                Vec::new()
            }
        };
        let blobs = root
            .ensure_dir("blobs", 0o755)?
            .ensure_dir("sha256", 0o755)?;
        let unfinished = Unfinished {
            path: path.to_owned(),
            root: root.clone(),
            blobs: BlobFiles::new(blobs),
            is_new,
            is_finished: false,
        };
        Ok(Directory {
            root,
            others,
            unfinished,
        })
    }
}

/// Whether the directory has files that are not of a layout. A save that was killed leaves blobs
/// without an index.
fn has_other_files(root: &Dir) -> Result<bool, SaveError> {
    for entry in root.entries()? {
        let name = entry?.name;
        if name != "blobs" && name != "oci-layout" {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        self.blobs.remove_added();
        if self.is_new == New::Blobs {
            return;
        }
        best_effort(self.root.remove_file("oci-layout"));
        // Directories that hold something else stay.
        best_effort(
            self.root
                .open_dir("blobs")
                .and_then(|blobs| blobs.remove_empty_dir("sha256")),
        );
        best_effort(self.root.remove_empty_dir("blobs"));
        if self.is_new == New::Directory {
            remove_new_directory(&self.path);
        }
    }
}

impl Blobs for Directory {
    fn has(&self, digest: &Digest) -> bool {
        self.unfinished.blobs.has(digest)
    }

    fn add(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), SaveError> {
        self.unfinished.blobs.add(digest, bytes)
    }

    fn add_layer(&mut self, job: LayerJob<'_>) -> Result<Blob, SaveError> {
        self.unfinished.blobs.add_layer(job)
    }
}

impl Target for Directory {
    fn finish(mut self, entries: Vec<Value>) -> Result<(), SaveError> {
        let name = |entry: &Value| {
            entry
                .pointer("/annotations/org.opencontainers.image.ref.name")
                .cloned()
        };
        let replaced: Vec<_> = entries.iter().filter_map(name).collect();
        let mut all: Vec<Value> = self
            .others
            .into_iter()
            .filter(|entry| name(entry).is_none_or(|name| !replaced.contains(&name)))
            .filter(|entry| !entries.contains(entry))
            .collect();
        all.extend(entries);
        self.unfinished.blobs.sync()?;
        let parts: [(&str, Vec<u8>); 2] = [
            ("oci-layout", media::OCI_LAYOUT_VERSION.into()),
            ("index.json", index_json(&all)),
        ];
        for (file, bytes) in parts {
            publish(&self.root, file, 0o644, &[&bytes], Durability::Durable)?;
        }
        self.unfinished.is_finished = true;
        Ok(())
    }
}

/// A layout in a tar.
pub(super) struct Archive<'a> {
    path: &'a Path,
    tar: Tar<'a>,
    present: BTreeSet<Digest>,
    begun: bool,
}

impl<'a> Archive<'a> {
    pub(super) fn new(path: &'a Path, target: &'a mut dyn Write) -> Self {
        Archive {
            path,
            tar: Tar::new(path, target),
            present: BTreeSet::new(),
            begun: false,
        }
    }

    /// Begins a blob. The directories come before the first one.
    fn begin(&mut self, digest: &Digest, size: u64) -> Result<(), SaveError> {
        if !self.begun {
            self.begun = true;
            for directory in ["blobs/", "blobs/sha256/"] {
                self.tar.begin(EntryKind::Directory, directory, 0o755, 0)?;
            }
        }
        self.present.insert(digest.clone());
        let name = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
        self.tar.begin(EntryKind::Regular, &name, 0o644, size)
    }

    /// Copies a blob from a temporary file in `scratch`.
    fn copy(&mut self, blob: &Blob, mut file: File, job: &LayerJob<'_>) -> Result<(), SaveError> {
        self.begin(&blob.digest, blob.size)?;
        let scratch = &job.options.scratch;
        copy(&mut file, &mut self.tar, job.progress.cancel()).map_err(|failed| {
            let (path, source) = match failed {
                CopyError::Read(source) => (scratch.as_path(), source),
                CopyError::Write(source) => (self.path, source),
            };
            SaveError::Write {
                path: path.to_owned(),
                source,
            }
        })?;
        self.tar.end()
    }
}

impl Blobs for Archive<'_> {
    fn has(&self, digest: &Digest) -> bool {
        self.present.contains(digest)
    }

    fn add(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), SaveError> {
        self.begin(digest, bytes.len() as u64)?;
        self.tar
            .write_all(bytes)
            .map_err(|source| SaveError::Write {
                path: self.path.to_owned(),
                source,
            })?;
        self.tar.end()
    }

    /// The digest and size of a plain layer are known before it is read, so it is written directly.
    /// A compressed one is first written to a temporary file.
    fn add_layer(&mut self, job: LayerJob<'_>) -> Result<Blob, SaveError> {
        if let (Codec::Plain, Some(size)) = (job.codec, job.layer.size) {
            self.begin(job.layer.diff_id.digest(), size)?;
            let blob = job.write(&mut self.tar)?;
            self.tar.end()?;
            return Ok(blob);
        }
        let error = |source| SaveError::Write {
            path: job.options.scratch.clone(),
            source,
        };
        let file = tempfile::tempfile_in(&job.options.scratch).map_err(error)?;
        let mut writer = BufWriter::with_capacity(PIECE, file);
        let blob = job.write(&mut writer)?;
        let mut file = writer.into_inner().map_err(|e| error(e.into_error()))?;
        file.rewind().map_err(error)?;
        if !self.present.contains(&blob.digest) {
            self.copy(&blob, file, &job)?;
        }
        Ok(blob)
    }
}

impl Target for Archive<'_> {
    fn finish(mut self, entries: Vec<Value>) -> Result<(), SaveError> {
        self.tar.add("index.json", 0o644, &index_json(&entries))?;
        self.tar
            .add("oci-layout", 0o644, media::OCI_LAYOUT_VERSION.as_bytes())?;
        self.tar.finish()
    }
}
