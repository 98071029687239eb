//! OCI image layouts (OCI image specification, `image-layout.md`), as directories or in a tar.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_ids::Digest;
use layerhold_sys::Dir;

use super::{
    FoundImage, FoundLayer, FoundManifest, SourceError, SourceKind, TarIndex, read_manifest,
    read_small,
};
use crate::config::Config;
use crate::digest::digest_of;
use crate::manifest::{Descriptor, Document, MAX_CONFIG_SIZE};
use crate::media;
use crate::platform::Platform;
use crate::section::Section;

/// How deep indices may point at indices. Real ones nest once.
const MAX_DEPTH: usize = 8;

/// An opened layout.
#[derive(Debug)]
pub(crate) struct OciLayout {
    path: PathBuf,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Directory(Dir),
    Tar(TarIndex),
}

/// A document of the layout, and the index it was chosen from.
struct Chosen {
    digest: Digest,
    bytes: Vec<u8>,
    manifest: crate::manifest::Manifest,
    index: Option<(Digest, Vec<u8>)>,
}

impl OciLayout {
    pub(crate) fn from_dir(path: &Path, dir: Dir) -> Result<Self, SourceError> {
        let layout = OciLayout {
            path: path.to_owned(),
            files: Files::Directory(dir),
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
            files: Files::Tar(index),
        })
    }

    pub(crate) fn kind(&self) -> SourceKind {
        match self.files {
            Files::Directory(_) => SourceKind::OciLayout,
            Files::Tar(_) => SourceKind::OciArchive,
        }
    }

    /// Opens a file by its components. Symbolic links are never followed: a layout that has
    /// them could name files of the host.
    fn open(&self, components: &[&str]) -> Result<Option<Section>, SourceError> {
        match &self.files {
            Files::Directory(dir) => open_below(dir, components),
            Files::Tar(index) => Ok(index.open(&components.join("/"))),
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
        let bytes = read_small(digest.as_str(), self.blob(digest)?, limit)?;
        let actual = digest_of(digest.algorithm(), &bytes);
        if actual != *digest {
            return Err(SourceError::DigestMismatch {
                expected: digest.clone(),
                actual,
            });
        }
        Ok(bytes)
    }

    pub(crate) fn images(
        &self,
        wanted: Option<&str>,
        platform: &Platform,
    ) -> Result<Vec<FoundImage>, SourceError> {
        let index = self.open(&["index.json"])?.ok_or(SourceError::Missing {
            path: self.path.clone(),
            name: "index.json".to_owned(),
        })?;
        let bytes = read_manifest("index.json", index)?;
        let entries = match parse("index.json", &bytes, media::OCI_INDEX)? {
            Document::Index(entries) => entries,
            Document::Manifest(_) => Vec::new(),
        };
        if entries.is_empty() {
            return Err(SourceError::Empty {
                path: self.path.clone(),
            });
        }
        let groups = group(entries, wanted)?;
        groups
            .into_iter()
            .map(|(name, entries)| self.image(name, &entries, platform))
            .collect()
    }

    fn image(
        &self,
        name: Option<String>,
        entries: &[Descriptor],
        platform: &Platform,
    ) -> Result<FoundImage, SourceError> {
        let entry = choose(entries, platform)?;
        let chosen = self.resolve(entry, platform)?;
        let config_digest = chosen.manifest.config.digest.clone();
        let config_bytes = self.small_blob(&config_digest, MAX_CONFIG_SIZE)?;
        let config = Config::parse(&config_bytes).map_err(|source| SourceError::Config {
            name: config_digest.to_string(),
            source,
        })?;
        if config.diff_ids.len() != chosen.manifest.layers.len() {
            return Err(SourceError::LayerCount {
                layers: chosen.manifest.layers.len(),
                diff_ids: config.diff_ids.len(),
            });
        }
        let layers = chosen.manifest.layers.iter().map(|layer| FoundLayer {
            digest: layer.digest.clone(),
            size: layer.size,
            at: layer.digest.to_string(),
        });
        Ok(FoundImage {
            names: name.into_iter().collect(),
            layers: layers.collect(),
            manifest: Some(FoundManifest {
                digest: chosen.digest,
                bytes: chosen.bytes,
            }),
            index: chosen.index,
            config_bytes,
            config_digest,
            config,
        })
    }

    /// Follows indices down to a manifest. The topmost index is kept, as skopeo keeps it.
    fn resolve(&self, entry: &Descriptor, platform: &Platform) -> Result<Chosen, SourceError> {
        let mut entry = entry.clone();
        let mut top = None;
        for _ in 0..MAX_DEPTH {
            let digest = entry.digest.clone();
            let bytes = self.small_blob(&digest, crate::manifest::MAX_MANIFEST_SIZE)?;
            match parse(digest.as_str(), &bytes, &entry.media_type)? {
                Document::Manifest(manifest) => {
                    return Ok(Chosen {
                        digest,
                        bytes,
                        manifest,
                        index: top,
                    });
                }
                Document::Index(entries) => {
                    entry = choose(&entries, platform)?.clone();
                    top.get_or_insert((digest, bytes));
                }
            }
        }
        Err(SourceError::TooDeep { limit: MAX_DEPTH })
    }
}

fn parse(name: &str, bytes: &[u8], declared: &str) -> Result<Document, SourceError> {
    Document::parse(bytes, declared).map_err(|source| SourceError::Manifest {
        name: name.to_owned(),
        source,
    })
}

fn open_below(dir: &Dir, components: &[&str]) -> Result<Option<Section>, SourceError> {
    let Some((name, parents)) = components.split_last() else {
        return Ok(None);
    };
    let mut dir = dir.clone();
    for parent in parents {
        match dir.open_dir(parent) {
            Ok(below) => dir = below,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let file = match dir.open_file(name) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata().map_err(|source| SourceError::Read {
        path: dir.path().join(name),
        source,
    })?;
    if !metadata.is_file() {
        return Err(SourceError::Read {
            path: dir.path().join(name),
            source: std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ),
        });
    }
    Ok(Some(Section::new(Arc::new(file), 0, metadata.len())))
}

/// The name an index entry gives its image, in full where the entry has that.
fn name_of(entry: &Descriptor) -> Option<&str> {
    [media::CONTAINERD_NAME, media::REF_NAME]
        .into_iter()
        .find_map(|key| entry.annotations.get(key))
        .map(String::as_str)
        .filter(|name| !name.is_empty())
}

type Group = (Option<String>, Vec<Descriptor>);

/// Puts entries of one name together: they are one image for several platforms.
fn group(entries: Vec<Descriptor>, wanted: Option<&str>) -> Result<Vec<Group>, SourceError> {
    let mut groups: Vec<Group> = Vec::new();
    for entry in entries {
        let name = name_of(&entry).map(str::to_owned);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, entries)) => entries.push(entry),
            None => groups.push((name, vec![entry])),
        }
    }
    let Some(wanted) = wanted else {
        return Ok(groups);
    };
    let offered = groups
        .iter()
        .flat_map(|(name, entries)| match name {
            Some(name) => vec![name.clone()],
            None => entries.iter().map(|e| e.digest.to_string()).collect(),
        })
        .collect();
    let matches = |entry: &Descriptor| {
        entry.digest.to_string() == wanted
            || entry.annotations.get(media::REF_NAME).map(String::as_str) == Some(wanted)
            || name_of(entry) == Some(wanted)
    };
    let found: Vec<Group> = groups
        .into_iter()
        .filter_map(|(name, entries)| {
            let entries: Vec<_> = entries.into_iter().filter(|e| matches(e)).collect();
            (!entries.is_empty()).then_some((name, entries))
        })
        .collect();
    if found.is_empty() {
        return Err(SourceError::NoSuchImage {
            wanted: wanted.to_owned(),
            offered,
        });
    }
    Ok(found)
}

/// Chooses the entry that runs best on `platform`. An entry that names no platform fits any,
/// but only when nothing else does.
fn choose<'a>(
    entries: &'a [Descriptor],
    platform: &Platform,
) -> Result<&'a Descriptor, SourceError> {
    let ranked = entries
        .iter()
        .filter_map(|entry| Some((platform.rank(entry.platform.as_ref()?)?, entry)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry);
    let unnamed = || entries.iter().find(|entry| entry.platform.is_none());
    ranked
        .or_else(unnamed)
        .ok_or_else(|| SourceError::NoSuchPlatform {
            wanted: platform.clone(),
            offered: entries
                .iter()
                .filter_map(|entry| entry.platform.as_ref())
                .map(ToString::to_string)
                .collect(),
        })
}
