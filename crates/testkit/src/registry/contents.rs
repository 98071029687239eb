//! What is in the storage of a registry, read from and written to its files.
//!
//! The layout is that of distribution 2.8, `registry/storage/paths.go`:
//!
//! ```text
//! docker/registry/v2/blobs/sha256/ab/abc…/data
//! docker/registry/v2/repositories/NAME/_layers/sha256/HEX/link
//!                                      _manifests/revisions/sha256/HEX/link
//!                                      _manifests/tags/TAG/current/link
//!                                      _manifests/tags/TAG/index/sha256/HEX/link
//!                                      _uploads/ID/
//! ```
//!
//! A link holds the digest of what it names.

use std::path::{Path, PathBuf};

use crate::image::MadeImage;

#[derive(Debug)]
pub(super) struct Contents {
    root: PathBuf,
}

impl Contents {
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Puts the blobs of `image` into the storage, then the names.
    pub(super) fn add(&self, image: &MadeImage, repository: &str, tag: &str) {
        let repository = self.repository(repository);
        for blob in image.blobs() {
            self.add_blob(&image.blob_file(blob), blob);
            link(&repository.join("_layers"), blob);
        }
        for manifest in image.documents() {
            self.add_blob(&image.blob_file(manifest), manifest);
            link(&repository.join("_manifests/revisions"), manifest);
        }
        let top = &image.descriptor().digest;
        let tag = repository.join("_manifests/tags").join(tag);
        link(&tag.join("index"), top);
        write_link(&tag.join("current"), top);
    }

    fn add_blob(&self, from: &Path, digest: &str) {
        let to = self.blob_file(digest);
        if to.exists() {
            return;
        }
        let directory = to.parent().expect("a blob has a directory");
        std::fs::create_dir_all(directory).expect("the storage is writable");
        if std::fs::hard_link(from, &to).is_err() {
            let copied = std::fs::copy(from, &to);
            copied.unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
    }

    pub(super) fn repositories(&self) -> Vec<String> {
        let top = self.v2().join("repositories");
        let mut found = Vec::new();
        collect_repositories(&top, "", &mut found);
        found.sort();
        found
    }

    pub(super) fn tags(&self, repository: &str) -> Vec<String> {
        let tags = self.repository(repository).join("_manifests/tags");
        let current = |tag: &String| tags.join(tag).join("current/link").exists();
        names(&tags).into_iter().filter(current).collect()
    }

    pub(super) fn tagged(&self, repository: &str, tag: &str) -> Option<String> {
        let tags = self.repository(repository).join("_manifests/tags");
        std::fs::read_to_string(tags.join(tag).join("current/link")).ok()
    }

    pub(super) fn manifests(&self, repository: &str) -> Vec<String> {
        links(&self.repository(repository).join("_manifests/revisions"))
    }

    pub(super) fn layers(&self, repository: &str) -> Vec<String> {
        links(&self.repository(repository).join("_layers"))
    }

    pub(super) fn uploads(&self, repository: &str) -> Vec<String> {
        names(&self.repository(repository).join("_uploads"))
    }

    pub(super) fn blobs(&self) -> Vec<String> {
        let top = self.v2().join("blobs/sha256");
        let below = |two: String| names(&top.join(two));
        let hex = names(&top).into_iter().flat_map(below);
        let digests = hex.map(|hex| format!("sha256:{hex}"));
        digests
            .filter(|digest| self.blob_file(digest).exists())
            .collect()
    }

    pub(super) fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let two = hex.get(..2).unwrap_or(hex);
        self.v2()
            .join("blobs/sha256")
            .join(two)
            .join(hex)
            .join("data")
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.v2().join("repositories").join(name)
    }

    fn v2(&self) -> PathBuf {
        self.root.join("docker/registry/v2")
    }
}

/// A repository's directory has `_layers`, `_manifests` or `_uploads`; other names go deeper.
fn collect_repositories(directory: &Path, name: &str, found: &mut Vec<String>) {
    let below = names(directory);
    if below.iter().any(|entry| entry.starts_with('_')) {
        found.push(name.to_owned());
    }
    for entry in below.iter().filter(|entry| !entry.starts_with('_')) {
        let deeper = if name.is_empty() {
            entry.clone()
        } else {
            format!("{name}/{entry}")
        };
        collect_repositories(&directory.join(entry), &deeper, found);
    }
}

fn link(directory: &Path, digest: &str) {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    write_link(&directory.join("sha256").join(hex), digest);
}

fn write_link(directory: &Path, digest: &str) {
    std::fs::create_dir_all(directory).expect("the storage is writable");
    std::fs::write(directory.join("link"), digest).expect("the storage is writable");
}

/// The digests that have a link; a deleted one leaves its directory behind.
fn links(directory: &Path) -> Vec<String> {
    let directory = directory.join("sha256");
    let linked = |hex: &String| directory.join(hex).join("link").exists();
    let found = names(&directory).into_iter().filter(linked);
    found.map(|hex| format!("sha256:{hex}")).collect()
}

/// The sorted names in a directory; empty when it does not exist.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
