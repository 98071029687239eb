//! Signatures beside the images of registries: in lookaside directories and servers, and as
//! attachments in the registry itself (Go: `image/docker/docker_image_src.go` and
//! `docker_image_dest.go`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use layerhold_ids::Digest;
use layerhold_image_policy::{Signature, SignatureError, SigstoreSignature};
use layerhold_reference::Reference;
use layerhold_registries_conf::{Lookaside, LookasideError, MAX_LOOKASIDE_SIGNATURES, RegistriesD};
use layerhold_registry::{Problem, RegistryError, TagOrDigest};
use layerhold_sys::{Dir, Durability, PathError, publish};
use serde_json::{Value, json};

use crate::digest::sha256;
use crate::manifest::{Descriptor, Document, Manifest, ManifestError, ManifestKind};
use crate::media::{self, MAX_SIGNATURE_SIZE};
use crate::registries::Connection;

/// Signatures that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignaturesError {
    /// `registries.d` has no usable place for them.
    #[error(transparent)]
    Place(#[from] LookasideError),
    /// The registry or a lookaside server refuses.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A signature is in no known form.
    #[error("cannot use the signature {place}")]
    Form {
        /// The file, the address, or the digest of the attachment.
        place: String,
        /// What is wrong.
        source: SignatureError,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// There are more signatures than any image has.
    #[error(
        "cannot read the signatures in {place}: there are more than {MAX_LOOKASIDE_SIGNATURES}"
    )]
    TooMany {
        /// The directory or server.
        place: String,
    },
    /// The manifest of the attachments cannot be used.
    #[error("cannot use the attached signatures {tag}")]
    Attachments {
        /// Their tag.
        tag: String,
        /// What is wrong.
        source: ManifestError,
    },
    /// The tag of the attachments names something else.
    #[error("cannot use the attached signatures {tag}: they are no OCI manifest")]
    NoAttachments {
        /// Their tag.
        tag: String,
    },
    /// The configuration has no place for signatures of the image.
    #[error("cannot keep signatures of {reference}: no directory for them is known")]
    Nowhere {
        /// The image.
        reference: Box<Reference>,
    },
    /// Sigstore's signatures are in the registry, and the configuration does not use those.
    #[error(
        "cannot attach sigstore signatures to {reference}: set `use-sigstore-attachments: true` for it in registries.d"
    )]
    AttachmentsOff {
        /// The image.
        reference: Box<Reference>,
    },
}

/// The signatures of the images of one place.
pub(crate) struct SignatureStorage<'a> {
    pub(crate) conf: &'a RegistriesD,
    pub(crate) connection: &'a Connection,
    /// The image there.
    pub(crate) reference: &'a Reference,
}

impl SignatureStorage<'_> {
    /// Reads all signatures of a manifest.
    pub(crate) fn read(&self, manifest: &Digest) -> Result<Vec<Signature>, SignaturesError> {
        let mut signatures = match self.conf.read_from(self.reference)? {
            Some(lookaside) => self.lookaside(&lookaside, manifest)?,
            None => Vec::new(),
        };
        if self.conf.uses_attachments(self.reference) {
            signatures.extend(self.attachments(manifest)?);
        }
        Ok(signatures)
    }

    /// Reads signatures that are numbered without gaps.
    fn lookaside(
        &self,
        lookaside: &Lookaside,
        manifest: &Digest,
    ) -> Result<Vec<Signature>, SignaturesError> {
        let mut signatures = Vec::new();
        for index in 0..=MAX_LOOKASIDE_SIGNATURES {
            let place = lookaside.signature(manifest, index);
            let Some((bytes, place)) = self.file(&place)? else {
                return Ok(signatures);
            };
            let signature = Signature::parse(&bytes);
            signatures.push(signature.map_err(|source| SignaturesError::Form { place, source })?);
        }
        let place = match lookaside {
            Lookaside::Path(path) => path.display().to_string(),
            Lookaside::Url(url) => url.to_string(),
            _ => String::new(),
        };
        Err(SignaturesError::TooMany { place })
    }

    /// Reads a file of a lookaside place; `None` if it does not exist.
    fn file(&self, place: &Lookaside) -> Result<Option<(Vec<u8>, String)>, SignaturesError> {
        let (bytes, place) = match place {
            Lookaside::Path(path) => (read_file(path)?, path.display().to_string()),
            Lookaside::Url(url) => {
                let read = self
                    .connection
                    .client
                    .small_file(&url.expose(), MAX_SIGNATURE_SIZE)?;
                (read, url.to_string())
            }
            _ => (None, String::new()),
        };
        Ok(bytes.map(|bytes| (bytes, place)))
    }

    /// Reads the signatures that are attached to the manifest in the registry.
    fn attachments(&self, manifest: &Digest) -> Result<Vec<Signature>, SignaturesError> {
        let Some(attached) = self.attached(manifest)? else {
            return Ok(Vec::new());
        };
        let mut signatures = Vec::new();
        for layer in attached.layers {
            let blob = self
                .connection
                .repository
                .blob(&layer.digest, Some(layer.size))?;
            let payload = blob.read_all(MAX_SIGNATURE_SIZE)?;
            let signature = SigstoreSignature::new(layer.media_type, payload, layer.annotations);
            signatures.push(Signature::Sigstore(signature));
        }
        Ok(signatures)
    }

    /// The manifest whose layers are the signatures of another one.
    fn attached(&self, manifest: &Digest) -> Result<Option<Manifest>, SignaturesError> {
        let tag = tag_of(manifest);
        let name = match TagOrDigest::tag(&tag) {
            Ok(name) => name,
            Err(_) => return Ok(None),
        };
        let repository = &self.connection.repository;
        let found = match repository.manifest(&name, &[media::OCI_MANIFEST]) {
            Ok(found) => found,
            Err(error) if is_unknown(error.problem()) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let document = Document::parse(&found.bytes, media::OCI_MANIFEST);
        match document.map_err(|source| SignaturesError::Attachments {
            tag: tag.clone(),
            source,
        })? {
            Document::Manifest(manifest) => Ok(Some(*manifest)),
            Document::Index(_) => Err(SignaturesError::NoAttachments { tag }),
        }
    }

    /// Fails if signatures cannot be written.
    pub(crate) fn check_writable(&self, signatures: &[Signature]) -> Result<(), SignaturesError> {
        let is_sigstore = |one: &Signature| matches!(one, Signature::Sigstore(_));
        if signatures.iter().any(is_sigstore) && !self.conf.uses_attachments(self.reference) {
            return Err(SignaturesError::AttachmentsOff {
                reference: Box::new(self.reference.clone()),
            });
        }
        if !signatures.iter().all(is_sigstore) {
            self.directory()?;
        }
        Ok(())
    }

    fn directory(&self) -> Result<PathBuf, SignaturesError> {
        let directory = self.conf.write_to(self.reference)?;
        directory.ok_or_else(|| SignaturesError::Nowhere {
            reference: Box::new(self.reference.clone()),
        })
    }

    /// Writes the signatures of a manifest: those of sigstore into the registry, where they are
    /// added to others; the rest into the lookaside directory, where they replace others.
    pub(crate) fn write(
        &self,
        manifest: &Digest,
        signatures: &[Signature],
    ) -> Result<(), SignaturesError> {
        let mut attached = Vec::new();
        let mut files = Vec::new();
        for signature in signatures {
            match signature {
                Signature::Sigstore(signature) => attached.push(signature),
                other => files.push(other.to_blob()),
            }
        }
        if !attached.is_empty() {
            self.attach(manifest, &attached)?;
        }
        if !files.is_empty() {
            write_files(&Lookaside::Path(self.directory()?), manifest, &files)?;
        }
        Ok(())
    }

    fn attach(
        &self,
        manifest: &Digest,
        signatures: &[&SigstoreSignature],
    ) -> Result<(), SignaturesError> {
        let repository = &self.connection.repository;
        let mut layers = match self.attached(manifest)? {
            Some(attached) => attached.layers,
            None => Vec::new(),
        };
        for signature in signatures {
            let layer = descriptor(
                &signature.mime_type,
                &signature.payload,
                signature.annotations.clone(),
            );
            if layers.contains(&layer) {
                continue;
            }
            repository.upload(&layer.digest, &signature.payload, &mut |_| ())?;
            layers.push(layer);
        }
        let config = configuration(&layers);
        let described = descriptor(media::OCI_CONFIG, &config, BTreeMap::new());
        repository.upload(&described.digest, &config, &mut |_| ())?;
        let bytes = Manifest {
            kind: ManifestKind::Oci,
            media_type: media::OCI_MANIFEST.to_owned(),
            artifact_type: String::new(),
            config: described,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
        .to_json();
        if let Ok(name) = TagOrDigest::tag(&tag_of(manifest)) {
            repository.put_manifest(&name, media::OCI_MANIFEST, &bytes)?;
        }
        Ok(())
    }
}

/// The tag of the attachments of a manifest (Go: `sigstoreAttachmentTag`).
fn tag_of(manifest: &Digest) -> String {
    format!("{}.sig", manifest.as_str().replacen(':', "-", 1))
}

fn is_unknown(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::ManifestUnknown(_) | Problem::NameUnknown(_)
    )
}

fn descriptor(media_type: &str, bytes: &[u8], annotations: BTreeMap<String, String>) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: sha256(bytes),
        size: bytes.len() as u64,
        platform: None,
        annotations,
        urls: Vec::new(),
    }
}

/// The configuration of attachments: an image of these layers and nothing else, with the fields
/// that Go writes.
fn configuration(layers: &[Descriptor]) -> Vec<u8> {
    let diff_ids: Vec<Value> = layers
        .iter()
        .map(|layer| layer.digest.as_str().into())
        .collect();
    let config = json!({
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    config.to_string().into_bytes()
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, PathError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    match Dir::open_ambient(parent) {
        Ok(directory) => directory.read_file(name, MAX_SIGNATURE_SIZE),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes signatures that are numbered without gaps, and removes those behind them.
fn write_files(
    lookaside: &Lookaside,
    manifest: &Digest,
    signatures: &[Vec<u8>],
) -> Result<(), PathError> {
    for (index, signature) in signatures.iter().enumerate() {
        if let Some((parent, name)) = place(&lookaside.signature(manifest, index)) {
            let directory = Dir::create_ambient_all(parent, 0o755)?;
            publish(&directory, name, 0o644, &[signature], Durability::Durable)?;
        }
    }
    for index in signatures.len()..=MAX_LOOKASIDE_SIGNATURES {
        let Some((parent, name)) = place(&lookaside.signature(manifest, index)) else {
            break;
        };
        match Dir::open_ambient(parent)?.remove_file(name) {
            Ok(_) => {}
            Err(error) if error.is_not_found() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The directory and the name of a file with a signature.
fn place(lookaside: &Lookaside) -> Option<(PathBuf, std::ffi::OsString)> {
    let Lookaside::Path(path) = lookaside else {
        return None;
    };
    Some((path.parent()?.to_owned(), path.file_name()?.to_owned()))
}
