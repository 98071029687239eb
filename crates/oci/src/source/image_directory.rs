//! Directories with one image and its signatures, which skopeo calls `dir:`.

use std::path::{Path, PathBuf};

use layerhold_ids::Digest;
use layerhold_sys::Dir;

use super::error::SourceError;
use super::files::{open_below, read_manifest, read_small, read_verified};
use super::found::{Contents, Selection};
use super::resolve::{Documents, FirstDocument, choose_manifest};
use crate::digest::sha256;
use crate::image_directory::{
    MANIFEST_FILE, VERSION_FILE, blob_file, is_known, manifest_file, signature_file,
};
use crate::manifest::{Descriptor, MAX_CONFIG_SIZE, MAX_MANIFEST_SIZE};
use crate::media::MAX_SIGNATURE_SIZE;
use crate::section::Section;

/// The most signatures of one image. Go's library has no limit here, and this one in lookaside
/// directories.
const MAX_SIGNATURES: usize = 128;

/// An opened directory.
#[derive(Debug)]
pub(crate) struct ImageDirectory {
    path: PathBuf,
    directory: Dir,
}

impl ImageDirectory {
    /// Takes a directory that has a `manifest.json`.
    pub(super) fn open(path: &Path, directory: Dir) -> Result<Self, SourceError> {
        let source = ImageDirectory {
            path: path.to_owned(),
            directory,
        };
        let Some(version) = source.file(VERSION_FILE)? else {
            return Ok(source);
        };
        let version = read_small(VERSION_FILE, version, 4096)?;
        let version = String::from_utf8_lossy(&version);
        match is_known(&version) {
            true => Ok(source),
            false => Err(SourceError::Version {
                path: path.to_owned(),
                version: version.into_owned(),
            }),
        }
    }

    /// Whether a directory has the file that such directories begin with.
    pub(super) fn is_one(directory: &Dir) -> Result<bool, SourceError> {
        Ok(directory.exists(MANIFEST_FILE)?)
    }

    pub(super) fn contents(&self, selection: Selection<'_>) -> Result<Contents, SourceError> {
        let bytes = read_manifest(MANIFEST_FILE, self.required(MANIFEST_FILE)?)?;
        let first = FirstDocument {
            digest: sha256(&bytes),
            bytes,
            media_type: String::new(),
        };
        let (top, chosen) = (
            first.digest.clone(),
            choose_manifest(self, first, selection)?,
        );
        let digest = &chosen.document.digest;
        if let Some(wanted) = selection.image
            && ![&top, digest].iter().any(|one| one.as_str() == wanted)
        {
            return Err(SourceError::NoSuchImage {
                wanted: wanted.to_owned(),
                offered: vec![top.to_string()],
            });
        }
        let signatures = match selection.keeps_signatures {
            true => self.signatures((*digest != top).then_some(digest))?,
            false => Vec::new(),
        };
        let mut image = chosen.into_image(self, Vec::new(), selection)?;
        image.signatures = signatures;
        Ok(Contents {
            images: vec![image],
            others: Vec::new(),
        })
    }

    /// Reads signatures, which are numbered without gaps.
    fn signatures(&self, listed: Option<&Digest>) -> Result<Vec<Vec<u8>>, SourceError> {
        let mut signatures = Vec::new();
        for number in 1..=MAX_SIGNATURES + 1 {
            let name = signature_file(listed, number);
            let Some(section) = self.file(&name)? else {
                return Ok(signatures);
            };
            let bytes = read_small(&name, section, MAX_SIGNATURE_SIZE)?;
            signatures.push(checked(&self.path.join(name), &bytes)?);
        }
        Err(SourceError::TooManySignatures {
            path: self.path.clone(),
            limit: MAX_SIGNATURES,
        })
    }

    pub(super) fn blob(&self, digest: &Digest) -> Result<Section, SourceError> {
        self.required(&blob_file(digest))
    }

    fn required(&self, name: &str) -> Result<Section, SourceError> {
        self.file(name)?.ok_or_else(|| SourceError::Missing {
            path: self.path.clone(),
            name: name.to_owned(),
        })
    }

    fn file(&self, name: &str) -> Result<Option<Section>, SourceError> {
        open_below(&self.directory, &[name])
    }
}

/// A signature in the form in which stores keep it, if it is one.
#[cfg(feature = "registry")]
fn checked(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, SourceError> {
    use layerhold_image_policy::Signature;
    let signature = Signature::parse(bytes).map_err(|source| SourceError::Signature {
        path: path.to_owned(),
        source,
    })?;
    Ok(signature.to_blob())
}

#[cfg(not(feature = "registry"))]
fn checked(path: &Path, _bytes: &[u8]) -> Result<Vec<u8>, SourceError> {
    Err(SourceError::NoSignatures {
        path: path.to_owned(),
    })
}

impl Documents for ImageDirectory {
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, SourceError> {
        let section = self.required(&manifest_file(digest))?;
        read_verified(digest, section, MAX_MANIFEST_SIZE)
    }

    fn config(&self, config: &Descriptor) -> Result<Vec<u8>, SourceError> {
        read_verified(&config.digest, self.blob(&config.digest)?, MAX_CONFIG_SIZE)
    }

    fn has(&self, digest: &Digest) -> bool {
        matches!(self.file(&manifest_file(digest)), Ok(Some(_)))
    }
}
