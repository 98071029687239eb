//! OCI image layouts (OCI image specification, `image-layout.md`), as directories or in a tar.

use std::path::{Path, PathBuf};

use layerhold_ids::Digest;
use layerhold_sys::Dir;

use super::choose::{self, Group};
use super::docker_archive;
use super::error::SourceError;
use super::files::{open_below, read_manifest, read_verified};
use super::found::{Contents, FoundImage, Selection, SourceKind};
use super::resolve::{Documents, FirstDocument, MAX_DEPTH, find_image};
use super::tar_index::TarIndex;
use crate::manifest::{Descriptor, Document, MAX_CONFIG_SIZE, MAX_MANIFEST_SIZE};
use crate::media;
use crate::section::Section;

/// An opened layout.
#[derive(Debug)]
pub(crate) struct OciLayout {
    path: PathBuf,
    files: LayoutFiles,
}

#[derive(Debug)]
enum LayoutFiles {
    Directory(Dir),
    Tar(TarIndex),
}

impl OciLayout {
    pub(crate) fn from_dir(path: &Path, dir: Dir) -> Result<Self, SourceError> {
        let layout = OciLayout {
            path: path.to_owned(),
            files: LayoutFiles::Directory(dir),
        };
        if layout.open(&["index.json"])?.is_none() {
            return Err(SourceError::Unrecognized {
                path: path.to_owned(),
            });
        }
        Ok(layout)
    }

    pub(crate) fn from_tar(path: &Path, index: TarIndex) -> Result<Self, SourceError> {
        Ok(OciLayout {
            path: path.to_owned(),
            files: LayoutFiles::Tar(index),
        })
    }

    pub(crate) fn kind(&self) -> SourceKind {
        match self.files {
            LayoutFiles::Directory(_) => SourceKind::OciLayout,
            LayoutFiles::Tar(_) => SourceKind::OciArchive,
        }
    }

    /// Opens a file by its components. Symbolic links are never followed: they could lead to files
    /// of the host.
    fn open(&self, components: &[&str]) -> Result<Option<Section>, SourceError> {
        match &self.files {
            LayoutFiles::Directory(dir) => open_below(dir, components),
            LayoutFiles::Tar(index) => Ok(index.open(&components.join("/"))),
        }
    }

    pub(crate) fn blob(&self, digest: &Digest) -> Result<Section, SourceError> {
        let algorithm = digest.algorithm().to_string();
        let components = ["blobs", algorithm.as_str(), digest.hex()];
        self.open(&components)?.ok_or_else(|| SourceError::Missing {
            path: self.path.clone(),
            name: components.join("/"),
        })
    }

    /// Reads a small blob and checks its digest.
    fn small_blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, SourceError> {
        read_verified(digest, self.blob(digest)?, limit)
    }

    pub(crate) fn contents(&self, selection: Selection<'_>) -> Result<Contents, SourceError> {
        let entries = self.entries()?;
        let groups = match selection.image {
            None => choose::groups(entries),
            Some(wanted) => self.wanted(entries, wanted)?,
        };
        let mut contents = Contents::default();
        for group in &groups {
            for entry in choose::candidates(&group.entries, selection, &|digest| self.has(digest))?
            {
                match self.image(group.name.clone(), entry, selection) {
                    Ok(image) => contents.images.push(image),
                    Err(SourceError::Manifest { source, .. })
                        if selection.image.is_none() && source.is_no_image() =>
                    {
                        contents.others.push((entry.digest.clone(), source));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if contents.images.is_empty()
            && let Some((digest, source)) = contents.others.pop()
        {
            let name = digest.to_string();
            return Err(SourceError::Manifest { name, source });
        }
        if !selection.renames {
            self.add_tags(&mut contents.images)?;
            choose::check_names(&contents.images)?;
        }
        Ok(contents)
    }

    /// The entries of `index.json`.
    fn entries(&self) -> Result<Vec<Descriptor>, SourceError> {
        let index = self.open(&["index.json"])?.ok_or(SourceError::Missing {
            path: self.path.clone(),
            name: "index.json".to_owned(),
        })?;
        let bytes = read_manifest("index.json", index)?;
        let entries = Document::parse_layout_index(&bytes).map_err(|source| {
            let name = "index.json".to_owned();
            SourceError::Manifest { name, source }
        })?;
        if entries.is_empty() {
            return Err(SourceError::Empty {
                path: self.path.clone(),
            });
        }
        Ok(entries)
    }

    /// The entries with a name, or the one with a digest, which may be in a nested index.
    fn wanted(&self, entries: Vec<Descriptor>, wanted: &str) -> Result<Vec<Group>, SourceError> {
        if let Ok(digest) = wanted.parse() {
            for entry in &entries {
                if let Some(found) = self.find(entry, &digest, MAX_DEPTH) {
                    return Ok(vec![Group {
                        name: choose::name_of(entry).map(str::to_owned),
                        entries: vec![found],
                    }]);
                }
            }
        }
        choose::called(entries, wanted)
    }

    /// Finds a digest in an entry and, if that is an index, below it. Missing or unreadable indices
    /// are skipped.
    fn find(&self, entry: &Descriptor, digest: &Digest, depth: usize) -> Option<Descriptor> {
        if entry.digest == *digest {
            return Some(entry.clone());
        }
        let is_index = matches!(
            entry.media_type.as_str(),
            media::OCI_INDEX | media::DOCKER_LIST | ""
        );
        let deeper = depth.checked_sub(1).filter(|_| is_index)?;
        let bytes = self.small_blob(&entry.digest, MAX_MANIFEST_SIZE).ok()?;
        let Ok(Document::Index(entries)) = Document::parse(&bytes, &entry.media_type) else {
            return None;
        };
        let mut below = entries.iter();
        below.find_map(|entry| self.find(entry, digest, deeper))
    }

    fn image(
        &self,
        name: Option<String>,
        entry: &Descriptor,
        selection: Selection<'_>,
    ) -> Result<FoundImage, SourceError> {
        let first = FirstDocument {
            bytes: self.manifest(&entry.digest)?,
            digest: entry.digest.clone(),
            media_type: entry.media_type.clone(),
        };
        find_image(self, first, name.into_iter().collect(), selection)
    }

    /// Gives images without names the names in `manifest.json`, if the archive is also a docker
    /// archive.
    fn add_tags(&self, images: &mut [FoundImage]) -> Result<(), SourceError> {
        let LayoutFiles::Tar(index) = &self.files else {
            return Ok(());
        };
        let Some(section) = index.open("manifest.json") else {
            return Ok(());
        };
        let bytes = read_manifest("manifest.json", section)?;
        let items = docker_archive::items(&bytes).map_err(SourceError::DockerManifest)?;
        for image in images.iter_mut().filter(|image| image.names.is_empty()) {
            let digest = &image.config_digest;
            let path = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
            let known = items.iter().filter(|item| item.config == path);
            for item in known {
                image.names.extend(item.names()?);
            }
        }
        Ok(())
    }
}

impl Documents for OciLayout {
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, SourceError> {
        self.small_blob(digest, MAX_MANIFEST_SIZE)
    }

    fn config(&self, config: &Descriptor) -> Result<Vec<u8>, SourceError> {
        self.small_blob(&config.digest, MAX_CONFIG_SIZE)
    }

    fn has(&self, digest: &Digest) -> bool {
        self.blob(digest).is_ok()
    }
}
