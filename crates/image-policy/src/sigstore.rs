//! Verifies sigstore signatures (Go: `image/signature/policy_eval_sigstore.go`).

use std::time::UNIX_EPOCH;

use rustls_pki_types::CertificateDer;

use crate::accepted::{AcceptedSignature, UnverifiedImage};
use crate::base64;
use crate::certificate::{self, CertificateError, Leaf, Root};
use crate::claim;
use crate::context::Context;
use crate::payload::Payload;
use crate::public_key::{PublicKey, PublicKeyError};
use crate::reason::{KeyError, Reason};
use crate::rekor::{self, Recorded};
use crate::requirement::{Fulcio, Material, Pki, PkiSubject, Signers, SigstoreSigned};
use crate::signature::SigstoreSignature;

/// The signers of a requirement, with their keys.
pub(crate) enum Trust<'a> {
    Keys {
        keys: Vec<PublicKey>,
        logs: Option<Vec<PublicKey>>,
    },
    Fulcio {
        fulcio: &'a Fulcio,
        roots: Vec<Root>,
        logs: Vec<PublicKey>,
    },
    Pki {
        subject: &'a PkiSubject,
        roots: Vec<Root>,
        intermediates: Vec<CertificateDer<'static>>,
        now: i64,
    },
}

impl<'a> Trust<'a> {
    pub(crate) fn load(
        signed: &'a SigstoreSigned,
        context: &Context<'_>,
    ) -> Result<Self, KeyError> {
        Ok(match &signed.signers {
            Signers::Keys { keys, rekor } => Self::Keys {
                keys: public_keys(keys, context)?,
                logs: rekor
                    .as_ref()
                    .map(|keys| log_keys(keys, context))
                    .transpose()?,
            },
            Signers::Fulcio { fulcio, rekor } => Self::Fulcio {
                fulcio,
                roots: roots(&fulcio.ca, context)?,
                logs: log_keys(rekor, context)?,
            },
            Signers::Pki(pki) => Self::Pki {
                subject: &pki.subject,
                roots: roots(&pki.roots, context)?,
                intermediates: intermediates(pki, context)?,
                now: seconds(context),
            },
        })
    }

    /// The keys that may have made this signature, one of which has to have made it.
    fn signers(&self, signature: &Untrusted<'_>) -> Result<Vec<PublicKey>, Reason> {
        match self {
            Self::Keys { keys, logs: None } => Ok(keys.clone()),
            Self::Keys {
                keys,
                logs: Some(logs),
            } => recorded_key(keys, logs, signature).map(|key| vec![key]),
            Self::Fulcio {
                fulcio,
                roots,
                logs,
            } => fulcio_key(fulcio, roots, logs, signature).map(|key| vec![key]),
            Self::Pki {
                subject,
                roots,
                intermediates,
                now,
            } => {
                let leaf = signature.leaf()?;
                let checked = leaf
                    .check_path(roots, intermediates, *now)
                    .and_then(|()| check_subject(&leaf, subject))
                    .and_then(|()| leaf.key());
                checked.map(|key| vec![key]).map_err(Reason::Certificate)
            }
        }
    }
}

/// Verifies one signature.
pub(crate) fn verify(
    trust: &Trust<'_>,
    signed: &SigstoreSigned,
    image: &UnverifiedImage<'_>,
    index: usize,
    signature: &SigstoreSignature,
) -> Result<AcceptedSignature, Reason> {
    let untrusted = Untrusted::new(signature)?;
    let signers = trust.signers(&untrusted)?;
    let payload = signature.payload.as_slice();
    let has_signed = |key: &PublicKey| key.has_signed(payload, &untrusted.signature);
    if !signers.iter().any(has_signed) {
        return Err(Reason::Unsigned);
    }
    let payload = Payload::parse_sigstore(payload).map_err(Reason::Payload)?;
    claim::check(payload, image, &signed.identity, index)
}

/// A signature with its parts.
struct Untrusted<'a> {
    parts: &'a SigstoreSignature,
    signature: Vec<u8>,
}

impl<'a> Untrusted<'a> {
    fn new(parts: &'a SigstoreSignature) -> Result<Self, Reason> {
        let text = annotation(parts, SigstoreSignature::SIGNATURE)?;
        Ok(Untrusted {
            parts,
            signature: base64::decode(text).ok_or(Reason::Base64)?,
        })
    }

    fn leaf(&self) -> Result<Leaf, Reason> {
        let text = annotation(self.parts, SigstoreSignature::CERTIFICATE)?;
        let chain = self.parts.annotations.get(SigstoreSignature::CHAIN);
        Leaf::read(text, chain.map(String::as_str)).map_err(Reason::Certificate)
    }

    /// The time at which a log recorded that this signer made the signature.
    fn recorded(&self, logs: &[PublicKey], signer: &[u8]) -> Result<i64, Reason> {
        let record = annotation(self.parts, SigstoreSignature::REKOR_SET)?;
        let recorded = Recorded {
            signer,
            signature: &self.signature,
            payload: &self.parts.payload,
        };
        rekor::verify(logs, record.as_bytes(), &recorded).map_err(Reason::Rekor)
    }
}

fn annotation<'a>(parts: &'a SigstoreSignature, key: &'static str) -> Result<&'a str, Reason> {
    let value = parts.annotations.get(key).map(String::as_str);
    value.ok_or(Reason::NoAnnotation { key })
}

/// The one of the keys that the record of the log is about.
fn recorded_key(
    keys: &[PublicKey],
    logs: &[PublicKey],
    signature: &Untrusted<'_>,
) -> Result<PublicKey, Reason> {
    let mut last = Reason::Unsigned;
    for key in keys {
        match signature.recorded(logs, key.der()) {
            Ok(_) => return Ok(key.clone()),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

fn fulcio_key(
    fulcio: &Fulcio,
    roots: &[Root],
    logs: &[PublicKey],
    signature: &Untrusted<'_>,
) -> Result<PublicKey, Reason> {
    let text = annotation(signature.parts, SigstoreSignature::CERTIFICATE)?;
    let signer = rekor::one_block(text.as_bytes()).map_err(Reason::Rekor)?;
    let time = signature.recorded(logs, &signer)?;
    let leaf = signature.leaf()?;
    let checked = leaf
        .check_path(roots, &[], time)
        .and_then(|()| leaf.check_issuer(&fulcio.oidc_issuer))
        .and_then(|()| leaf.check_email(&fulcio.subject_email))
        .and_then(|()| leaf.key());
    checked.map_err(Reason::Certificate)
}

fn check_subject(leaf: &Leaf, subject: &PkiSubject) -> Result<(), CertificateError> {
    match subject {
        PkiSubject::Email(email) => leaf.check_email(email),
        PkiSubject::Hostname(hostname) => leaf.check_hostname(hostname),
        PkiSubject::Both { email, hostname } => leaf
            .check_email(email)
            .and_then(|()| leaf.check_hostname(hostname)),
    }
}

fn public_keys(material: &Material, context: &Context<'_>) -> Result<Vec<PublicKey>, KeyError> {
    let contents = context.load(material)?;
    let key = |(index, text): (usize, &Vec<u8>)| {
        let key = PublicKey::from_pem(text);
        key.map_err(|source| KeyError::PublicKey { index, source })
    };
    let keys: Vec<PublicKey> = contents
        .iter()
        .enumerate()
        .map(key)
        .collect::<Result<_, _>>()?;
    match keys.is_empty() {
        false => Ok(keys),
        true => Err(KeyError::NoKey),
    }
}

fn log_keys(material: &Material, context: &Context<'_>) -> Result<Vec<PublicKey>, KeyError> {
    let keys = public_keys(material, context)?;
    match keys.iter().position(|key| !key.is_ecdsa()) {
        None => Ok(keys),
        Some(index) => Err(KeyError::PublicKey {
            index,
            source: PublicKeyError::NotEcdsa,
        }),
    }
}

fn roots(material: &Material, context: &Context<'_>) -> Result<Vec<Root>, KeyError> {
    let contents = context.load(material)?;
    let roots: Vec<Root> = contents
        .iter()
        .flat_map(|text| certificate::roots(text))
        .collect();
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(KeyError::NoRoot),
    }
}

fn intermediates(
    pki: &Pki,
    context: &Context<'_>,
) -> Result<Vec<CertificateDer<'static>>, KeyError> {
    let mut found = Vec::new();
    if let Some(material) = &pki.intermediates {
        for text in context.load(material)?.iter() {
            found.extend(certificate::list(text).ok_or(KeyError::Intermediates)?);
        }
    }
    Ok(found)
}

/// The present in seconds since 1970; before 1970, a time at which nothing is valid.
fn seconds(context: &Context<'_>) -> i64 {
    let since = context.now.duration_since(UNIX_EPOCH);
    since.map_or(-1, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
