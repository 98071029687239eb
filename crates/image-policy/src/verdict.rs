//! Whether an image meets a requirement (Go: `image/signature/policy_eval*.go`).

use layerhold_reference::Reference;
use layerhold_reference::layerhold_ids::Digest;

use crate::context::Context;
use crate::location::ImageLocation;
use crate::requirement::{KeyType, Requirement};
use crate::signature::Signature;

/// An image that nothing is known of yet: what a registry, a store or an archive says it is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UnverifiedImage<'a> {
    /// Where it comes from.
    pub location: &'a ImageLocation,
    /// The bytes of the manifest.
    pub manifest: &'a [u8],
    /// The digest that the manifest has to have, if it is known from a verified index.
    pub digest: Option<&'a Digest>,
    /// The signatures that came with it. The caller bounds their number and their size.
    pub signatures: &'a [Signature],
}

impl<'a> UnverifiedImage<'a> {
    /// An image without signatures.
    #[must_use]
    pub const fn new(location: &'a ImageLocation, manifest: &'a [u8]) -> Self {
        UnverifiedImage {
            location,
            manifest,
            digest: None,
            signatures: &[],
        }
    }

    /// Sets the signatures that came with the image.
    #[must_use]
    pub const fn with_signatures(mut self, signatures: &'a [Signature]) -> Self {
        self.signatures = signatures;
        self
    }

    /// Sets the digest of the manifest, for an image that was chosen from an index. Without it, the
    /// digest in the name counts, if the name has one.
    #[must_use]
    pub const fn with_digest(mut self, digest: &'a Digest) -> Self {
        self.digest = Some(digest);
        self
    }
}

/// A signature that met a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptedSignature {
    /// Its place among the signatures of the image, from 0.
    pub index: usize,
    /// The digest of the manifest that it is for.
    pub digest: Digest,
    /// The name that it claims for the image.
    pub reference: Reference,
}

/// Why an image does not meet a requirement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The requirement is `reject`.
    #[error("all such images are rejected")]
    Rejected,
    /// The requirement is `signedBaseLayer`.
    #[error("requirements of the type signedBaseLayer cannot be checked, and podman cannot either")]
    SignedBaseLayer,
    /// The keys are of a type that cannot be used.
    #[error(
        "keys of the type {} cannot be used, and podman cannot use them either",
        key_type.name()
    )]
    KeyType {
        /// The type.
        key_type: KeyType,
    },
    /// The image has no signature of the kind that is needed.
    #[error("the image has no {kind} signature{}", of_others(*others))]
    NoSignature {
        /// The kind, such as `sigstore`.
        kind: &'static str,
        /// How many signatures and attachments of other kinds it has.
        others: usize,
    },
    /// Signatures of this kind cannot be verified.
    #[error("{kind} signatures cannot be verified")]
    Unsupported {
        /// The kind, such as `sigstore`.
        kind: &'static str,
    },
}

fn of_others(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => ", and one of another kind".to_owned(),
        count => format!(", and {count} of other kinds"),
    }
}

impl Requirement {
    /// Says whether an image meets the requirement, and which signature met it if one is needed.
    ///
    /// Signatures are tried in their order, until one is accepted. What was verified is the
    /// manifest. Whether layers have the digests in it is for the caller to check.
    ///
    /// # Errors
    ///
    /// The image does not meet it, or that cannot be found out.
    pub fn verdict(
        &self,
        image: &UnverifiedImage<'_>,
        _context: &Context<'_>,
    ) -> Result<Option<AcceptedSignature>, Refusal> {
        match self {
            Self::InsecureAcceptAnything => Ok(None),
            Self::Reject => Err(Refusal::Rejected),
            Self::SignedBaseLayer(_) => Err(Refusal::SignedBaseLayer),
            Self::SignedBy(signed_by) => {
                let is_simple = |s: &&Signature| matches!(s, Signature::Simple(_));
                let _some = candidates(image, "simple signing", is_simple)?;
                match signed_by.key_type {
                    KeyType::GpgKeys => Err(Refusal::Unsupported {
                        kind: "simple signing",
                    }),
                    key_type => Err(Refusal::KeyType { key_type }),
                }
            }
            Self::SigstoreSigned(_) => {
                let is_sigstore = |s: &&Signature| matches!(s, Signature::Sigstore(_));
                let _some = candidates(image, "sigstore", is_sigstore)?;
                Err(Refusal::Unsupported { kind: "sigstore" })
            }
        }
    }
}

/// The signatures of one kind, with their places. At least one.
fn candidates<'a>(
    image: &UnverifiedImage<'a>,
    kind: &'static str,
    is_one: impl Fn(&&Signature) -> bool,
) -> Result<Vec<(usize, &'a Signature)>, Refusal> {
    let all = image.signatures.iter().enumerate();
    let found: Vec<_> = all.filter(|(_, signature)| is_one(signature)).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Refusal::NoSignature {
            kind,
            others: image.signatures.len(),
        }),
    }
}
