//! Verifies signatures of the kind simple signing (Go: `image/signature/policy_eval_signedby.go`).

use crate::accepted::{AcceptedSignature, UnverifiedImage};
use crate::claim;
use crate::context::Context;
use crate::keyring::Keyring;
use crate::openpgp;
use crate::payload::Payload;
use crate::reason::{KeyError, Reason};
use crate::requirement::SignedBy;

/// Reads the keys of a requirement.
pub(crate) fn load(signed: &SignedBy, context: &Context<'_>) -> Result<Keyring, KeyError> {
    let contents = context.load(&signed.keys)?;
    let keyring = Keyring::read(contents.iter(), context.now);
    match keyring.keys().is_empty() {
        false => Ok(keyring),
        true => Err(KeyError::NoKey),
    }
}

/// Verifies one signature.
pub(crate) fn verify(
    keyring: &Keyring,
    signed: &SignedBy,
    image: &UnverifiedImage<'_>,
    context: &Context<'_>,
    index: usize,
    message: &[u8],
) -> Result<AcceptedSignature, Reason> {
    let contents = openpgp::verify(message, keyring, context.now).map_err(Reason::OpenPgp)?;
    let payload = Payload::parse_simple(&contents).map_err(Reason::Payload)?;
    claim::check(payload, image, &signed.identity, index)
}
