//! What a verified signature claims, compared with the image.

use layerhold_reference::layerhold_ids::{Algorithm, Digest};
use ring::digest::{SHA256, digest};

use crate::accepted::{AcceptedSignature, UnverifiedImage};
use crate::identity::SignedIdentity;
use crate::json::Json;
use crate::payload::Payload;
use crate::reason::Reason;

/// Checks that a signature is for this image.
pub(crate) fn check(
    payload: Payload,
    image: &UnverifiedImage<'_>,
    identity: &SignedIdentity,
    index: usize,
) -> Result<AcceptedSignature, Reason> {
    let found = manifest_digest(image)?;
    if payload.digest != found {
        return Err(Reason::Digest {
            claimed: payload.digest,
            found,
        });
    }
    let claimed = payload.reference;
    let is_accepted = identity.accepts(image.location.reference(), &claimed);
    match claimed.parse() {
        Ok(reference) if is_accepted => Ok(AcceptedSignature {
            index,
            digest: found,
            reference,
        }),
        _ => Err(Reason::Identity { claimed }),
    }
}

/// The digest of the manifest, which is also the one that the image has to have.
///
/// As in Go, only SHA-256 is computed, so that an image by another digest has no valid signatures.
fn manifest_digest(image: &UnverifiedImage<'_>) -> Result<Digest, Reason> {
    if is_signed_schema1(image.manifest) {
        return Err(Reason::Schema1);
    }
    let hash = digest(&SHA256, image.manifest);
    let found = Digest::from_bytes(Algorithm::Sha256, hash.as_ref());
    let found = found.ok_or(Reason::Schema1)?;
    let of_name = image.location.reference().and_then(|name| name.digest());
    match image.digest.or(of_name) {
        Some(expected) if *expected != found => Err(Reason::OtherManifest {
            expected: expected.clone(),
            found,
        }),
        _ => Ok(found),
    }
}

/// Whether a manifest is of docker's schema 1 and has signatures in it. Its digest is that of a
/// part of it (Go: `GuessMIMEType`).
fn is_signed_schema1(manifest: &[u8]) -> bool {
    let Ok(Json::Object(members)) = Json::parse(manifest) else {
        return false;
    };
    let value = |wanted: &str| {
        let mut members = members.iter();
        members.find(|(key, _)| key.eq_ignore_ascii_case(wanted))
    };
    matches!(value("schemaVersion"), Some((_, Json::Number(1.0))))
        && !matches!(value("signatures"), None | Some((_, Json::Null)))
}
