//! Questions about OpenPGP signatures.

use std::time::{Duration, SystemTime};

use pgp::packet::{Signature, SubpacketData};

/// Whether a signature has a critical part that is not understood here.
pub(crate) fn has_unknown_critical(signature: &Signature) -> bool {
    let parts = signature.config().into_iter();
    let mut parts = parts.flat_map(|config| config.hashed_subpackets());
    parts.any(|part| {
        part.is_critical
            && matches!(
                part.data,
                SubpacketData::Experimental(..)
                    | SubpacketData::Other(..)
                    | SubpacketData::Notation(_)
                    | SubpacketData::SignatureTarget(..)
            )
    })
}

/// Whether a span of time is over. A span of no length never is.
pub(crate) fn has_ended(
    start: SystemTime,
    length: Option<pgp::types::Duration>,
    now: SystemTime,
) -> bool {
    let length = length.map(Duration::from).unwrap_or_default();
    let end = start.checked_add(length);
    !length.is_zero() && end.is_none_or(|end| end <= now)
}
