//! Whether an image meets a requirement (Go: `image/signature/policy_eval*.go`).

use std::error::Error;

use crate::accepted::{AcceptedSignature, UnverifiedImage};
use crate::context::Context;
use crate::reason::{KeyError, Reason};
use crate::requirement::{KeyType, Requirement, SignedBy, SigstoreSigned};
use crate::signature::{Signature, SigstoreSignature};
use crate::sigstore::{self, Trust};
#[cfg(feature = "openpgp")]
use crate::simple;

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
    /// This program cannot verify OpenPGP signatures: the feature `openpgp` is off.
    #[cfg(not(feature = "openpgp"))]
    #[error("this program is built without OpenPGP")]
    WithoutOpenPgp,
    /// The keys of the requirement cannot be used.
    #[error("cannot check the signatures")]
    Keys(#[source] KeyError),
    /// The image has signatures of the right kind, and none is accepted.
    #[error("no signature is accepted: {}", list(reasons))]
    Signatures {
        /// The place of each among the signatures of the image, from 0, and what is wrong with it.
        reasons: Vec<(usize, Reason)>,
    },
}

/// Each signature with its reason and the causes of that.
fn list(reasons: &[(usize, Reason)]) -> String {
    let one = |(index, reason): &(usize, Reason)| {
        let mut text = format!("number {}: {reason}", index + 1);
        let mut cause = reason.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    };
    reasons.iter().map(one).collect::<Vec<_>>().join("; ")
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
        context: &Context<'_>,
    ) -> Result<Option<AcceptedSignature>, Refusal> {
        match self {
            Self::InsecureAcceptAnything => Ok(None),
            Self::Reject => Err(Refusal::Rejected),
            Self::SignedBaseLayer(_) => Err(Refusal::SignedBaseLayer),
            Self::SignedBy(signed) => signed_by(signed, image, context).map(Some),
            Self::SigstoreSigned(signed) => sigstore_signed(signed, image, context).map(Some),
        }
    }
}

fn signed_by(
    signed: &SignedBy,
    image: &UnverifiedImage<'_>,
    context: &Context<'_>,
) -> Result<AcceptedSignature, Refusal> {
    let signatures = candidates(image, "simple signing", |signature| match signature {
        Signature::Simple(message) => Some(message),
        Signature::Sigstore(_) => None,
    })?;
    match signed.key_type {
        KeyType::GpgKeys => gpg_signed(signed, image, context, &signatures),
        key_type => Err(Refusal::KeyType { key_type }),
    }
}

#[cfg(feature = "openpgp")]
fn gpg_signed(
    signed: &SignedBy,
    image: &UnverifiedImage<'_>,
    context: &Context<'_>,
    signatures: &[(usize, &Vec<u8>)],
) -> Result<AcceptedSignature, Refusal> {
    let keyring = simple::load(signed, context).map_err(Refusal::Keys)?;
    first_accepted(signatures, |index, message| {
        simple::verify(&keyring, signed, image, context, index, message)
    })
}

#[cfg(not(feature = "openpgp"))]
fn gpg_signed(
    _: &SignedBy,
    _: &UnverifiedImage<'_>,
    _: &Context<'_>,
    _: &[(usize, &Vec<u8>)],
) -> Result<AcceptedSignature, Refusal> {
    Err(Refusal::WithoutOpenPgp)
}

fn sigstore_signed(
    signed: &SigstoreSigned,
    image: &UnverifiedImage<'_>,
    context: &Context<'_>,
) -> Result<AcceptedSignature, Refusal> {
    let signatures = candidates(image, "sigstore", |signature| match signature {
        Signature::Sigstore(parts) => {
            Some(parts).filter(|parts| parts.mime_type == SigstoreSignature::MIME_TYPE)
        }
        Signature::Simple(_) => None,
    })?;
    let trust = Trust::load(signed, context).map_err(Refusal::Keys)?;
    first_accepted(&signatures, |index, signature| {
        sigstore::verify(&trust, signed, image, index, signature)
    })
}

/// The signatures of one kind, with their places. At least one.
fn candidates<'a, T>(
    image: &UnverifiedImage<'a>,
    kind: &'static str,
    of_kind: impl Fn(&'a Signature) -> Option<&'a T>,
) -> Result<Vec<(usize, &'a T)>, Refusal> {
    let all = image.signatures.iter().enumerate();
    let found: Vec<_> = all
        .filter_map(|(index, signature)| Some((index, of_kind(signature)?)))
        .collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Refusal::NoSignature {
            kind,
            others: image.signatures.len(),
        }),
    }
}

fn first_accepted<T>(
    signatures: &[(usize, &T)],
    verify: impl Fn(usize, &T) -> Result<AcceptedSignature, Reason>,
) -> Result<AcceptedSignature, Refusal> {
    let mut reasons = Vec::new();
    for (index, signature) in signatures {
        match verify(*index, signature) {
            Ok(accepted) => return Ok(accepted),
            Err(reason) => reasons.push((*index, reason)),
        }
    }
    Err(Refusal::Signatures { reasons })
}
