//! Signatures as Go's library stores them (Go: `image/internal/signature`).

use std::collections::BTreeMap;

use crate::base64;
use crate::gojson;
use crate::json::{FormatError, Item, Json};

const SIMPLE: &str = "simple-signing";
const SIGSTORE: &str = "sigstore-json";

/// A signature of an image. Nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// Simple signing: an OpenPGP message that contains the payload.
    Simple(Vec<u8>),
    /// Sigstore: a payload, and annotations that contain the signature and its proofs.
    Sigstore(SigstoreSignature),
}

/// A signature in the format of sigstore, as it is in the manifest of a sigstore attachment.
/// Nothing in it is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SigstoreSignature {
    /// The media type of the payload. Only [`MIME_TYPE`](Self::MIME_TYPE) is a signature; other
    /// attachments are something else.
    pub mime_type: String,
    /// What is signed.
    pub payload: Vec<u8>,
    /// The annotations: signature, certificates, record of the transparency log, and others.
    pub annotations: BTreeMap<String, String>,
}

impl SigstoreSignature {
    /// The media type of a payload that is signed.
    pub const MIME_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
    /// The annotation with the signature in base64.
    pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
    /// The annotation with the record of the transparency log (Rekor), in JSON.
    pub const REKOR_SET: &str = "dev.sigstore.cosign/bundle";
    /// The annotation with the certificate of the signer, in PEM format.
    pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
    /// The annotation with the certificates above that of the signer, in PEM format.
    pub const CHAIN: &str = "dev.sigstore.cosign/chain";

    /// Makes a signature of the layer of an attachment: its media type, its contents and its
    /// annotations.
    #[must_use]
    pub fn new(
        mime_type: impl Into<String>,
        payload: impl Into<Vec<u8>>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        SigstoreSignature {
            mime_type: mime_type.into(),
            payload: payload.into(),
            annotations,
        }
    }
}

/// Why stored bytes are not a signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There are no bytes.
    #[error("cannot read a signature: it is empty")]
    Empty,
    /// The first byte begins no known format.
    #[error("cannot read a signature that begins with the byte {byte:#04x}")]
    Start {
        /// The byte.
        byte: u8,
    },
    /// The name of the format does not end, or is no plain text.
    #[error("cannot read a signature: the name of its format is damaged")]
    FormatName,
    /// The format is unknown.
    #[error("cannot read a signature of the format {name:?}")]
    Format {
        /// The name of the format.
        name: String,
    },
    /// The JSON of a sigstore signature is invalid.
    #[error("cannot read a sigstore signature")]
    Sigstore(#[source] FormatError),
    /// The payload of a sigstore signature is not base64.
    #[error("cannot read a sigstore signature: its payload is not base64")]
    Payload,
}

impl Signature {
    /// Parses a signature in the form in which stores and lookaside servers keep it, such as the
    /// item `signatures` of an image.
    ///
    /// An OpenPGP message stands for itself. Everything else is a zero byte, the name of the
    /// format, a line break, and the signature.
    ///
    /// # Errors
    ///
    /// The bytes have an unknown format, or are damaged.
    pub fn parse(blob: &[u8]) -> Result<Self, SignatureError> {
        match blob {
            [] => Err(SignatureError::Empty),
            [0, rest @ ..] => named(rest),
            [first, ..] if is_openpgp(*first) => Ok(Self::Simple(blob.to_owned())),
            [byte, ..] => Err(SignatureError::Start { byte: *byte }),
        }
    }

    /// Returns the bytes that [`parse`](Self::parse) reads, equal to those that Go writes.
    #[must_use]
    pub fn to_blob(&self) -> Vec<u8> {
        match self {
            Self::Simple(message) => message.clone(),
            Self::Sigstore(signature) => {
                let mut blob = format!("\0{SIGSTORE}\n").into_bytes();
                blob.extend(sigstore_json(signature).into_bytes());
                blob
            }
        }
    }
}

/// Whether an OpenPGP message may begin with this byte: packets with compressed data, a one-pass
/// signature, or a signature, in both forms of headers. 0x3d is Go's, and no packet.
const fn is_openpgp(byte: u8) -> bool {
    matches!(byte, 0xa0..=0xa3 | 0xc8 | 0x90..=0x92 | 0x3d | 0xc4 | 0x88..=0x8b | 0xc2)
}

fn named(blob: &[u8]) -> Result<Signature, SignatureError> {
    let end = blob.iter().position(|byte| *byte == b'\n');
    let (name, rest) = end
        .and_then(|end| Some((blob.get(..end)?, blob.get(end + 1..)?)))
        .ok_or(SignatureError::FormatName)?;
    let is_plain = name.iter().all(|byte| (0x20..0x7f).contains(byte));
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|_| is_plain)
        .ok_or(SignatureError::FormatName)?;
    match name {
        SIMPLE => Ok(Signature::Simple(rest.to_owned())),
        SIGSTORE => sigstore(rest).map(Signature::Sigstore),
        _ => {
            let name = name.to_owned();
            Err(SignatureError::Format { name })
        }
    }
}

fn sigstore(json: &[u8]) -> Result<SigstoreSignature, SignatureError> {
    let json = Json::parse(json).map_err(SignatureError::Sigstore)?;
    let mut signature = SigstoreSignature::default();
    let root = Item::root(&json);
    for (key, item) in root.members().map_err(SignatureError::Sigstore)? {
        if matches!(item.value, Json::Null) {
            continue;
        }
        let text = || item.text().map_err(SignatureError::Sigstore);
        match key {
            "mimeType" => signature.mime_type = text()?.to_owned(),
            "payload" => {
                signature.payload = base64::decode(text()?).ok_or(SignatureError::Payload)?;
            }
            "annotations" => {
                signature.annotations = annotations(&item).map_err(SignatureError::Sigstore)?;
            }
            _ => {}
        }
    }
    Ok(signature)
}

fn annotations(item: &Item<'_>) -> Result<BTreeMap<String, String>, FormatError> {
    let members = item.members()?;
    members
        .iter()
        .map(|(key, item)| Ok(((*key).to_owned(), item.text()?.to_owned())))
        .collect()
}

fn sigstore_json(signature: &SigstoreSignature) -> String {
    let annotations: Vec<String> = signature
        .annotations
        .iter()
        .map(|(key, value)| format!("{}:{}", gojson::text(key), gojson::text(value)))
        .collect();
    format!(
        "{{\"mimeType\":{},\"payload\":\"{}\",\"annotations\":{}}}",
        gojson::text(&signature.mime_type),
        base64::encode(&signature.payload),
        match annotations.is_empty() {
            true => "null".to_owned(),
            false => format!("{{{}}}", annotations.join(",")),
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sigstore(payload: &str, annotations: &[(&str, &str)]) -> Signature {
        let annotations = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Signature::Sigstore(SigstoreSignature::new("t", payload, annotations.collect()))
    }

    #[test]
    fn openpgp_messages_stand_for_themselves() {
        let starts = [0x88, 0x8b, 0x90, 0x92, 0xa0, 0xa3, 0xc2, 0xc4, 0xc8, 0x3d];
        for byte in starts {
            let signature = Signature::parse(&[byte, 1, 2]).unwrap();
            assert_eq!(signature, Signature::Simple(vec![byte, 1, 2]));
            assert_eq!(signature.to_blob(), [byte, 1, 2]);
        }
        for byte in [0x01, b'-', b'{', 0x8c, 0x93, 0xa4, 0xc3, 0xff] {
            let error = Signature::parse(&[byte, 1]).unwrap_err();
            assert!(matches!(error, SignatureError::Start { byte: b } if b == byte));
        }
    }

    #[test]
    fn formats_have_names() {
        let simple = Signature::parse(b"\0simple-signing\nx").unwrap();
        assert_eq!(simple, Signature::Simple(b"x".to_vec()));
        assert!(matches!(
            Signature::parse(b"").unwrap_err(),
            SignatureError::Empty
        ));
        for blob in ["\0simple-signing", "\0", "\0é\nx", "\0\x7f\nx"] {
            let error = Signature::parse(blob.as_bytes()).unwrap_err();
            assert!(matches!(error, SignatureError::FormatName), "{blob:?}");
        }
        let error = Signature::parse(b"\0new\nx").unwrap_err();
        assert!(matches!(error, SignatureError::Format { name } if name == "new"));
    }

    #[test]
    fn sigstore_signatures_are_printed_as_go_prints_them() {
        for (signature, wanted) in [
            (
                sigstore("<p>", &[("b", "2"), ("a", "<&>\n\u{2028}é\u{8}\u{1}")]),
                "{\"mimeType\":\"t\",\"payload\":\"PHA+\",\"annotations\":{\"a\":\"\\u003c\\u0026\\u003e\\n\\u2028é\\b\\u0001\",\"b\":\"2\"}}",
            ),
            (
                sigstore("", &[]),
                "{\"mimeType\":\"t\",\"payload\":\"\",\"annotations\":null}",
            ),
        ] {
            let blob = signature.to_blob();
            let wanted = format!("\0sigstore-json\n{wanted}");
            assert_eq!(String::from_utf8(blob.clone()).unwrap(), wanted);
            assert_eq!(Signature::parse(&blob).unwrap(), signature);
        }
    }

    #[test]
    fn unknown_fields_and_null_are_skipped() {
        let blob = b"\0sigstore-json\n {\"mimeType\":\"t\",\"payload\":null,\"new\":[1]} ";
        assert_eq!(Signature::parse(blob).unwrap(), sigstore("", &[]));
    }

    #[test]
    fn damaged_sigstore_signatures() {
        for (json, wanted) in [
            ("", "cannot parse the JSON"),
            ("{}x", "cannot parse the JSON"),
            (
                "[]",
                "the top level: it is a list, which should be an object",
            ),
            (
                "{\"payload\":1}",
                "payload: it is a number, which should be a text",
            ),
            (
                "{\"annotations\":{\"a\":1}}",
                "annotations.a: it is a number, which should be a text",
            ),
            (
                "{\"payload\":\"\",\"payload\":\"\"}",
                "the top level: the key \"payload\" is there twice",
            ),
        ] {
            let blob = format!("\0sigstore-json\n{json}");
            match Signature::parse(blob.as_bytes()).unwrap_err() {
                SignatureError::Sigstore(error) => assert_eq!(error.to_string(), wanted),
                error => panic!("{error:?}"),
            }
        }
        let error = Signature::parse(b"\0sigstore-json\n{\"payload\":\"?\"}").unwrap_err();
        assert!(matches!(error, SignatureError::Payload));
    }
}
