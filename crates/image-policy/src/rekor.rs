//! The promise of a transparency log that it recorded a signature: a signed entry timestamp
//! (Go: `image/signature/internal/rekor_set.go`).

use crate::base64;
use crate::gojson;
use crate::json::{FormatError, Item, Json, ShapeProblem};
use crate::pem;
use crate::public_key::PublicKey;

/// Why a record of a transparency log is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RekorError {
    /// The record is not JSON, or JSON of another shape.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A value is not base64.
    #[error("{at} is not base64")]
    Base64 {
        /// The key.
        at: &'static str,
    },
    /// None of the keys signed the record.
    #[error("none of the keys of transparency logs signed it")]
    Unsigned,
    /// The record is of another kind.
    #[error("it is of the kind {kind:?} and the version {version:?}")]
    Kind {
        /// The kind.
        kind: String,
        /// The version.
        version: String,
    },
    /// The hash is of another algorithm.
    #[error("it has a hash of the algorithm {name:?}, which should be \"sha256\"")]
    Algorithm {
        /// The algorithm.
        name: String,
    },
    /// The key or certificate of the record is not exactly one PEM block.
    #[error("its key is not exactly one PEM block")]
    Pem,
    /// The record is about another key or certificate.
    #[error("it is about another key or certificate")]
    OtherKey,
    /// The record is about another signature.
    #[error("it is about another signature")]
    OtherSignature,
    /// The record is about another payload.
    #[error("it is about another payload")]
    OtherPayload,
}

/// What was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded<'a> {
    /// The key or certificate, in DER.
    pub(crate) signer: &'a [u8],
    pub(crate) signature: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// Checks that one of the logs recorded a signature, and returns when, in seconds since 1970.
pub(crate) fn verify(
    logs: &[PublicKey],
    record: &[u8],
    recorded: &Recorded<'_>,
) -> Result<i64, RekorError> {
    let json = Json::parse(record)?;
    let root = Item::root(&json);
    let fields = root.fields(&["SignedEntryTimestamp", "Payload"])?;
    let signature = bytes(
        fields.required("SignedEntryTimestamp")?,
        "SignedEntryTimestamp",
    )?;
    let entry = Entry::read(fields.required("Payload")?)?;
    let canonical = entry.canonical();
    let is_signed = |log: &PublicKey| log.has_signed(canonical.as_bytes(), &signature);
    if !logs.iter().any(is_signed) {
        return Err(RekorError::Unsigned);
    }
    check_body(
        &base64::decode(entry.body).ok_or(RekorError::Base64 { at: "body" })?,
        recorded,
    )?;
    Ok(entry.time)
}

/// What the log signs.
struct Entry<'a> {
    body: &'a str,
    time: i64,
    index: i64,
    log: &'a str,
}

impl<'a> Entry<'a> {
    fn read(item: &'a Item<'a>) -> Result<Self, FormatError> {
        let fields = item.fields(&["body", "integratedTime", "logIndex", "logID"])?;
        Ok(Entry {
            body: fields.required("body")?.text()?,
            time: fields.required("integratedTime")?.integer()?,
            index: fields.required("logIndex")?.integer()?,
            log: fields.required("logID")?.text()?,
        })
    }

    /// The entry in the canonical form of RFC 8785, which the log signed.
    fn canonical(&self) -> String {
        format!(
            "{{\"body\":{},\"integratedTime\":{},\"logID\":{},\"logIndex\":{}}}",
            gojson::plain_text(self.body),
            self.time,
            gojson::plain_text(self.log),
            self.index
        )
    }
}

fn check_body(body: &[u8], recorded: &Recorded<'_>) -> Result<(), RekorError> {
    let json = Json::parse(body)?;
    let root = Item::root(&json);
    let root = Loose::new(&root, &["kind", "apiVersion", "spec"])?;
    let (kind, version) = (root.text("kind")?, root.text("apiVersion")?);
    if (kind, version) != ("hashedrekord", "0.0.1") {
        let (kind, version) = (kind.to_owned(), version.to_owned());
        return Err(RekorError::Kind { kind, version });
    }
    let spec = Loose::new(root.get("spec")?, &["data", "signature"])?;
    check_signature(spec.get("signature")?, recorded)?;
    check_hash(spec.get("data")?, recorded.payload)
}

fn check_signature(item: &Item<'_>, recorded: &Recorded<'_>) -> Result<(), RekorError> {
    let signature = Loose::new(item, &["content", "publicKey"])?;
    let key = Loose::new(signature.get("publicKey")?, &["content"])?;
    let key = bytes(key.get("content")?, "publicKey")?;
    if one_block(&key)? != recorded.signer {
        return Err(RekorError::OtherKey);
    }
    match bytes(signature.get("content")?, "signature")? == recorded.signature {
        true => Ok(()),
        false => Err(RekorError::OtherSignature),
    }
}

fn check_hash(item: &Item<'_>, payload: &[u8]) -> Result<(), RekorError> {
    let data = Loose::new(item, &["hash"])?;
    let hash = Loose::new(data.get("hash")?, &["algorithm", "value"])?;
    let name = hash.text("algorithm")?;
    if name != "sha256" {
        let name = name.to_owned();
        return Err(RekorError::Algorithm { name });
    }
    let wanted = ring::digest::digest(&ring::digest::SHA256, payload);
    let found = hash.text("value")?.to_ascii_lowercase();
    match found == hex(wanted.as_ref()) {
        true => Ok(()),
        false => Err(RekorError::OtherPayload),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The contents of a text that is one PEM block and nothing after it.
pub(crate) fn one_block(text: &[u8]) -> Result<Vec<u8>, RekorError> {
    match pem::first(text) {
        Some((block, [])) => Ok(block.contents),
        _ => Err(RekorError::Pem),
    }
}

fn bytes(item: &Item<'_>, at: &'static str) -> Result<Vec<u8>, RekorError> {
    base64::decode(item.text()?).ok_or(RekorError::Base64 { at })
}

/// An object with unknown keys. Go reads such objects without regard to case and takes the last of
/// equal keys; both are refused here, so that no text has two readings.
struct Loose<'a> {
    item: &'a Item<'a>,
    members: Vec<(&'a str, Item<'a>)>,
}

impl<'a> Loose<'a> {
    fn new(item: &'a Item<'a>, known: &[&str]) -> Result<Self, FormatError> {
        let members = item.members()?;
        let is_other_case = |key: &str| {
            let folded = fold(key);
            known
                .iter()
                .any(|name| *name != key && fold(name) == folded)
        };
        match members.iter().find(|(key, _)| is_other_case(key)) {
            Some((key, _)) => {
                let key = (*key).to_owned();
                Err(item.shape(ShapeProblem::Unknown { key }))
            }
            None => Ok(Loose { item, members }),
        }
    }

    fn get(&self, key: &'static str) -> Result<&Item<'a>, FormatError> {
        let found = self.members.iter().find(|(name, _)| *name == key);
        let missing = || self.item.shape(ShapeProblem::Missing { key });
        found.map(|(_, item)| item).ok_or_else(missing)
    }

    fn text(&self, key: &'static str) -> Result<&'a str, FormatError> {
        self.get(key)?.text()
    }
}

/// A key without its case, as Go compares keys: `ſ` and the sign for kelvin are letters too.
fn fold(key: &str) -> String {
    key.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}
