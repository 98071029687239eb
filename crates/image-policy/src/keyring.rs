//! Keyrings: which keys may make signatures, by what the keys say of themselves.
//!
//! gpg does the same when Go's library asks it. Where a keyring leaves a doubt, the key may not be
//! used: any revocation counts, and so does the earliest expiry that a key has for one of its
//! users.

use std::fmt;
use std::io::Read;
use std::time::SystemTime;

use pgp::armor::Dearmor;
use pgp::composed::{SignedPublicKey, SignedPublicKeyParser, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::errors::Error;
use pgp::packet::{
    Packet, PacketParser, PublicKey, Signature, SignatureType, SignatureVersion, SubpacketData,
};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, KeyVersion, SignedUser, Tag, VerifyingKey};

use crate::openpgp_signature::{has_ended, has_unknown_critical};

/// The line that begins a keyring in text form.
const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// The largest keyring in text form, after it was decoded.
const MAX_KEYRING: u64 = 16 * 1024 * 1024;
/// The smallest number of bytes that the parameters of an RSA key with 2048 bits take.
const MIN_RSA: usize = 256 + 5;
/// The same for DSA.
const MIN_DSA: usize = 256 + 28 + 256 + 128;

/// Why a key may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// It was revoked.
    Revoked,
    /// It has expired.
    Expired,
    /// It is not for signing.
    NotForSigning,
    /// It is too short, or of an algorithm that is not accepted.
    Weak,
    /// It was made in the future.
    Future,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Revoked => "was revoked",
            Self::Expired => "has expired",
            Self::NotForSigning => "is not for signing",
            Self::Weak => "is too weak",
            Self::Future => "was made in the future",
        })
    }
}

/// The keys of a policy that may make signatures.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    keys: Vec<TrustedKey>,
}

/// A primary key or a subkey.
#[derive(Debug)]
pub(crate) struct TrustedKey {
    key: Box<dyn VerifyingKey>,
    fault: Option<KeyFault>,
}

impl TrustedKey {
    pub(crate) fn key(&self) -> &dyn VerifyingKey {
        &*self.key
    }

    pub(crate) const fn fault(&self) -> Option<KeyFault> {
        self.fault
    }

    pub(crate) fn created(&self) -> SystemTime {
        self.key.created_at().into()
    }

    pub(crate) fn fingerprint(&self) -> String {
        format!("{:X}", self.key.fingerprint())
    }

    /// Whether a signature says that this key made it.
    pub(crate) fn may_have_made(&self, signature: &Signature) -> bool {
        names(signature, &*self.key)
    }
}

impl Keyring {
    /// Reads keyrings, binary or in text form. Keys that cannot be read are left out.
    pub(crate) fn read<'b>(
        keyrings: impl IntoIterator<Item = &'b Vec<u8>>,
        now: SystemTime,
    ) -> Self {
        let keyrings: Vec<Vec<Packet>> = keyrings
            .into_iter()
            .flat_map(|keyring| binary(keyring))
            .filter_map(|keyring| packets(&keyring))
            .collect();
        let revocations = revocations(keyrings.iter().flatten());
        let keys = keyrings.into_iter().flat_map(|packets| {
            let packets = packets.into_iter().map(Ok).peekable();
            SignedPublicKeyParser::from_packets(packets).flatten()
        });
        Keyring {
            keys: keys
                .flat_map(|key| usable(key, &revocations, now))
                .collect(),
        }
    }

    pub(crate) fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }
}

/// The parts of a keyring in binary form.
fn binary(keyring: &[u8]) -> Vec<Vec<u8>> {
    let mut starts: Vec<usize> = Vec::new();
    for (index, window) in keyring.windows(ARMOR.len()).enumerate() {
        if window == ARMOR {
            starts.push(index);
        }
    }
    if starts.is_empty() {
        return vec![keyring.to_vec()];
    }
    let blocks = starts.into_iter().filter_map(|start| {
        let mut block = Vec::new();
        let mut reader = Dearmor::new(keyring.get(start..)?).take(MAX_KEYRING);
        let _length = reader.read_to_end(&mut block).ok()?;
        Some(block)
    });
    blocks.collect()
}

/// The packets of a keyring without those of unknown versions and algorithms; `None` if the keyring
/// is damaged. gpg takes no key from such a keyring either.
fn packets(keyring: &[u8]) -> Option<Vec<Packet>> {
    let mut packets = Vec::new();
    for packet in PacketParser::new(keyring) {
        match packet {
            Ok(packet) => packets.push(packet),
            Err(error) if is_unsupported(&error) => {}
            Err(_) => return None,
        }
    }
    Some(packets)
}

fn is_unsupported(error: &Error) -> bool {
    match error {
        Error::Unsupported { .. } => true,
        Error::InvalidPacketContent { source } => is_unsupported(source),
        _ => false,
    }
}

/// All revocations of primary keys, wherever they stand.
fn revocations<'p>(packets: impl Iterator<Item = &'p Packet>) -> Vec<Signature> {
    let signatures = packets.filter_map(|packet| match packet {
        Packet::Signature(signature) => Some(signature),
        _ => None,
    });
    signatures
        .filter(|signature| signature.typ() == Some(SignatureType::KeyRevocation))
        .cloned()
        .collect()
}

/// The primary key and the subkeys of a key that may make signatures. Without a user that the
/// primary key has signed, there are none.
fn usable(key: SignedPublicKey, revocations: &[Signature], now: SystemTime) -> Vec<TrustedKey> {
    let primary = &key.primary_key;
    let users = key.details.users.iter();
    let mut own: Vec<&Signature> = users
        .filter_map(|user| of_user(primary, user, now))
        .collect();
    if own.is_empty() || primary.version() != KeyVersion::V4 {
        return Vec::new();
    }
    let direct = key.details.direct_signatures.iter();
    own.extend(newest(
        direct.filter(|s| is_good(s, now) && s.verify_key(primary).is_ok()),
    ));
    let is_revoked = !key.details.revocation_signatures.is_empty()
        || revocations
            .iter()
            .any(|revocation| names(revocation, primary));
    let fault = match is_revoked {
        true => Some(KeyFault::Revoked),
        false => key_fault(primary, &own, now),
    };
    let for_signing = newest(own.iter().copied()).is_none_or(|s| allows_signing(s, true));
    let mut keys = vec![TrustedKey {
        key: Box::new(primary.clone()),
        fault: fault.or((!for_signing).then_some(KeyFault::NotForSigning)),
    }];
    let subkeys = key.public_subkeys.iter();
    keys.extend(subkeys.filter_map(|subkey| of_subkey(primary, subkey, fault, now)));
    keys
}

/// The newest signature of the primary key for a user; `None` if the user was revoked.
fn of_user<'k>(
    primary: &PublicKey,
    user: &'k SignedUser,
    now: SystemTime,
) -> Option<&'k Signature> {
    let own = user.signatures.iter().filter(|signature| {
        is_good(signature, now)
            && names(signature, primary)
            && signature
                .verify_certification(primary, Tag::UserId, &user.id)
                .is_ok()
    });
    newest(own).filter(|signature| signature.typ() != Some(SignatureType::CertRevocation))
}

/// A subkey that may make signatures, by the newest signature of the primary key for it.
fn of_subkey(
    primary: &PublicKey,
    subkey: &SignedPublicSubKey,
    fault_of_primary: Option<KeyFault>,
    now: SystemTime,
) -> Option<TrustedKey> {
    let is_revocation = |s: &Signature| s.typ() == Some(SignatureType::SubkeyRevocation);
    let bindings = subkey.signatures.iter().filter(|signature| {
        !is_revocation(signature)
            && is_good(signature, now)
            && signature
                .verify_subkey_binding(primary, &subkey.key)
                .is_ok()
    });
    let binding = newest(bindings)?;
    // The subkey confirms that it belongs to this primary key.
    let confirms = |back: &Signature| {
        back.verify_primary_key_binding(&subkey.key, primary)
            .is_ok()
    };
    if !allows_signing(binding, false) || !binding.embedded_signature().is_some_and(confirms) {
        return None;
    }
    let fault = match subkey.signatures.iter().any(is_revocation) {
        true => Some(KeyFault::Revoked),
        false => key_fault(&subkey.key, &[binding], now),
    };
    Some(TrustedKey {
        key: Box::new(subkey.key.clone()),
        fault: fault_of_primary.or(fault),
    })
}

fn newest<'s>(signatures: impl Iterator<Item = &'s Signature>) -> Option<&'s Signature> {
    signatures.max_by_key(|signature| signature.created())
}

/// Whether a signature on a key counts, if it is one of the key itself. SHA-1 is accepted here,
/// because old keys are signed with it, and a forgery would need a second preimage.
fn is_good(signature: &Signature, now: SystemTime) -> bool {
    let Some(created) = signature.created().map(SystemTime::from) else {
        return false;
    };
    signature.version() == SignatureVersion::V4
        && !matches!(signature.hash_alg(), None | Some(HashAlgorithm::Md5))
        && created <= now
        && !has_ended(created, signature.signature_expiration_time(), now)
        && !has_unknown_critical(signature)
}

/// Whether a signature names this key as the one that made it.
fn names(signature: &Signature, key: &(impl KeyDetails + ?Sized)) -> bool {
    signature.issuer_key_id().contains(&&key.legacy_key_id())
        || signature.issuer_fingerprint().contains(&&key.fingerprint())
}

/// Whether the flags of a key let it sign. A key without flags may sign if it is a primary key.
fn allows_signing(signature: &Signature, is_primary: bool) -> bool {
    let parts = signature.config().into_iter();
    let mut parts = parts.flat_map(|config| config.hashed_subpackets());
    let has_flags = parts.any(|part| matches!(part.data, SubpacketData::KeyFlags(_)));
    match has_flags {
        true => signature.key_flags().sign(),
        false => is_primary,
    }
}

fn key_fault(key: &impl KeyDetails, own: &[&Signature], now: SystemTime) -> Option<KeyFault> {
    let created = SystemTime::from(key.created_at());
    let has_expired = |s: &&Signature| has_ended(created, s.key_expiration_time(), now);
    if is_weak(key) {
        Some(KeyFault::Weak)
    } else if created > now {
        Some(KeyFault::Future)
    } else if own.iter().any(has_expired) {
        Some(KeyFault::Expired)
    } else {
        None
    }
}

fn is_weak(key: &impl KeyDetails) -> bool {
    let length = key.public_params().write_len();
    match key.algorithm() {
        PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::RSASign => length < MIN_RSA,
        PublicKeyAlgorithm::DSA => length < MIN_DSA,
        PublicKeyAlgorithm::ECDSA
        | PublicKeyAlgorithm::EdDSALegacy
        | PublicKeyAlgorithm::Ed25519 => false,
        _ => true,
    }
}
