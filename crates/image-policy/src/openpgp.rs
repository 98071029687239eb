//! OpenPGP messages as gpg makes them for simple signing (Go: `image/signature/mechanism*.go`).
//!
//! A message is a literal with one signature, compressed or not. Everything else is refused.

use std::io::Read;
use std::time::SystemTime;

use pgp::composed::Message;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    DataMode, PacketParser, PacketTrait, Signature, SignatureType, SignatureVersion,
};
use pgp::types::Tag;

use crate::keyring::{KeyFault, Keyring, TrustedKey};
use crate::openpgp_signature::{has_ended, has_unknown_critical};

/// The largest message, after decompression. Usual ones have less than a thousand bytes.
const MAX_MESSAGE: u64 = 1024 * 1024;

/// Why an OpenPGP message is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenPgpError {
    /// The bytes are no OpenPGP message, or a damaged one.
    #[error("it is no valid OpenPGP message")]
    Message,
    /// The message is too long.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// The message is not a binary literal with one signature.
    #[error("it is not bytes with exactly one signature")]
    Shape,
    /// The signature is of an old or unknown version, or of a wrong kind.
    #[error("the OpenPGP signature is of the wrong version or kind")]
    Kind,
    /// The hash of the signature is too weak, or unknown.
    #[error("the OpenPGP signature uses the hash {name}, which is not accepted")]
    Hash {
        /// The hash.
        name: String,
    },
    /// The signature has a critical part that is not understood.
    #[error("the OpenPGP signature has a critical part that is not understood")]
    Critical,
    /// The signature has no time, or is from the future, or older than its key.
    #[error("the OpenPGP signature has an impossible time")]
    Time,
    /// The signature has expired.
    #[error("the OpenPGP signature has expired")]
    Expired,
    /// None of the keys made the signature.
    #[error("none of the keys of the policy made it")]
    UnknownKey,
    /// The key that made the signature may not be used.
    #[error("the key {fingerprint} made it, which {fault}")]
    Key {
        /// The fingerprint of the key.
        fingerprint: String,
        /// What is wrong with the key.
        fault: KeyFault,
    },
}

/// Verifies a message, and returns what is signed.
pub(crate) fn verify(
    message: &[u8],
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Vec<u8>, OpenPgpError> {
    let unpacked = decompressed(message)?;
    let message = unpacked.as_deref().unwrap_or(message);
    match tags(message)?.as_slice() {
        [Tag::OnePassSignature, Tag::LiteralData, Tag::Signature] => {}
        [Tag::Signature, Tag::LiteralData] => {}
        _ => return Err(OpenPgpError::Shape),
    }
    let mut message = Message::from_bytes(message).map_err(|_| OpenPgpError::Message)?;
    check_mode(&message)?;
    let contents = read_bounded(&mut message)?;
    let Message::Signed { reader, .. } = &message else {
        return Err(OpenPgpError::Shape);
    };
    let signature = reader.signature(0).ok_or(OpenPgpError::Shape)?;
    let created = check_signature(signature, now)?;
    let made_it =
        |key: &&TrustedKey| key.may_have_made(signature) && message.verify(key.key()).is_ok();
    let key = keyring.keys().iter().find(made_it);
    let key = key.ok_or(OpenPgpError::UnknownKey)?;
    match key.fault() {
        Some(fault) => Err(OpenPgpError::Key {
            fingerprint: key.fingerprint(),
            fault,
        }),
        None if created < key.created() => Err(OpenPgpError::Time),
        None => Ok(contents),
    }
}

/// The contents of a compressed message; `None` if it is not compressed.
fn decompressed(message: &[u8]) -> Result<Option<Vec<u8>>, OpenPgpError> {
    if message.len() as u64 > MAX_MESSAGE {
        return Err(OpenPgpError::TooLong { limit: MAX_MESSAGE });
    }
    if tags(message)? != [Tag::CompressedData] {
        return Ok(None);
    }
    match Message::from_bytes(message).map_err(|_| OpenPgpError::Message)? {
        Message::Compressed { reader, .. } => {
            let mut reader = reader.decompress().map_err(|_| OpenPgpError::Message)?;
            read_bounded(&mut reader).map(Some)
        }
        _ => Err(OpenPgpError::Shape),
    }
}

/// The kinds of all packets, in their order.
fn tags(message: &[u8]) -> Result<Vec<Tag>, OpenPgpError> {
    let packets = PacketParser::new(message);
    let tags = packets.map(|packet| packet.map(|packet| packet.tag()));
    tags.collect::<Result<_, _>>()
        .map_err(|_| OpenPgpError::Message)
}

fn read_bounded(reader: &mut impl Read) -> Result<Vec<u8>, OpenPgpError> {
    let mut contents = Vec::new();
    let length = reader
        .take(MAX_MESSAGE + 1)
        .read_to_end(&mut contents)
        .map_err(|_| OpenPgpError::Message)?;
    match length as u64 > MAX_MESSAGE {
        true => Err(OpenPgpError::TooLong { limit: MAX_MESSAGE }),
        false => Ok(contents),
    }
}

fn check_mode(message: &Message<'_>) -> Result<(), OpenPgpError> {
    let mode = match message {
        Message::Signed { reader, .. } => match reader.get_ref() {
            Message::Literal { reader, .. } => Some(reader.data_header().mode()),
            _ => None,
        },
        _ => None,
    };
    match mode {
        Some(DataMode::Binary) => Ok(()),
        _ => Err(OpenPgpError::Shape),
    }
}

/// Checks all of a signature but the key, and returns when it was made.
fn check_signature(signature: &Signature, now: SystemTime) -> Result<SystemTime, OpenPgpError> {
    let is_binary = signature.typ() == Some(SignatureType::Binary);
    if signature.version() != SignatureVersion::V4 || !is_binary {
        return Err(OpenPgpError::Kind);
    }
    check_hash(signature)?;
    if has_unknown_critical(signature) {
        return Err(OpenPgpError::Critical);
    }
    let created = signature.created().ok_or(OpenPgpError::Time)?.into();
    if created > now {
        return Err(OpenPgpError::Time);
    }
    match has_ended(created, signature.signature_expiration_time(), now) {
        true => Err(OpenPgpError::Expired),
        false => Ok(created),
    }
}

fn check_hash(signature: &Signature) -> Result<(), OpenPgpError> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512,
        ) => Ok(()),
        other => Err(OpenPgpError::Hash {
            name: other.map_or_else(|| "unknown".to_owned(), |hash| hash.to_string()),
        }),
    }
}
