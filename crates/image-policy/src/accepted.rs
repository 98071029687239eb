//! Images before and signatures after their verification.

use layerhold_reference::Reference;
use layerhold_reference::layerhold_ids::Digest;

use crate::location::ImageLocation;
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
