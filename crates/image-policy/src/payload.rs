//! What a signature says: the payload of both kinds (Go: `image/signature/simple.go`,
//! `image/signature/internal/sigstore_payload.go`).

use layerhold_reference::layerhold_ids::{Digest, DigestError};

use crate::json::{FormatError, Item, Json};

/// The kinds of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Simple,
    Sigstore,
}

impl Kind {
    const fn type_name(self) -> &'static str {
        match self {
            Self::Simple => "atomic container signature",
            Self::Sigstore => "cosign container image signature",
        }
    }
}

/// What the payload of a signature says. Nothing in it is verified.
///
/// It is for programs that show signatures. Verdicts are given by [`Policy`](crate::Policy).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The name of the image, as it is written.
    pub reference: String,
    /// The program that made the signature.
    pub creator: Option<String>,
    /// When the signature was made, in seconds since 1970.
    pub timestamp: Option<i64>,
}

/// Why a text is no payload of a signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The text is not JSON, or JSON of another shape.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The payload is of another type.
    #[error("its type is {found:?}, which should be {expected:?}")]
    Type {
        /// The type in the payload.
        found: String,
        /// The type of such payloads.
        expected: &'static str,
    },
    /// The digest is invalid.
    #[error("its digest is invalid")]
    Digest(#[source] DigestError),
}

impl Payload {
    /// Parses the payload of a signature of the kind simple signing.
    ///
    /// # Errors
    ///
    /// The text is no such payload.
    pub fn parse_simple(json: &[u8]) -> Result<Self, PayloadError> {
        Self::parse(Kind::Simple, json)
    }

    /// Parses the payload of a sigstore signature.
    ///
    /// # Errors
    ///
    /// The text is no such payload.
    pub fn parse_sigstore(json: &[u8]) -> Result<Self, PayloadError> {
        Self::parse(Kind::Sigstore, json)
    }

    fn parse(kind: Kind, json: &[u8]) -> Result<Self, PayloadError> {
        let json = Json::parse(json)?;
        let root = Item::root(&json);
        let fields = root.fields(&["critical", "optional"])?;
        let (creator, timestamp) = optional(kind, fields.required("optional")?)?;
        let (digest, reference) = critical(kind, fields.required("critical")?)?;
        Ok(Payload {
            digest,
            reference,
            creator,
            timestamp,
        })
    }
}

fn critical(kind: Kind, item: &Item<'_>) -> Result<(Digest, String), PayloadError> {
    let fields = item.fields(&["type", "image", "identity"])?;
    let found = fields.required("type")?.text()?.to_owned();
    let expected = kind.type_name();
    if found != expected {
        return Err(PayloadError::Type { found, expected });
    }
    let image = fields.required("image")?;
    let image = image.fields(&["docker-manifest-digest"])?;
    let digest = image.required("docker-manifest-digest")?.text()?;
    let identity = fields.required("identity")?;
    let identity = identity.fields(&["docker-reference"])?;
    let reference = identity.required("docker-reference")?.text()?.to_owned();
    let digest = digest.parse().map_err(PayloadError::Digest)?;
    Ok((digest, reference))
}

/// Reads what may be there or not. Other keys are skipped. cosign writes `null` for nothing.
fn optional(kind: Kind, item: &Item<'_>) -> Result<(Option<String>, Option<i64>), FormatError> {
    let (mut creator, mut timestamp) = (None, None);
    if kind == Kind::Sigstore && matches!(item.value, Json::Null) {
        return Ok((creator, timestamp));
    }
    for (key, item) in item.members()? {
        match (key, item.value) {
            (_, Json::Null) => {}
            ("creator", _) => creator = Some(item.text()?.to_owned()),
            ("timestamp", _) => timestamp = Some(item.integer()?),
            _ => {}
        }
    }
    Ok((creator, timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn json(kind: Kind, digest: &str, optional: &str) -> String {
        let name = kind.type_name();
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"a:1"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{name}"}},"optional":{optional}}}"#
        )
    }

    fn parse(kind: Kind, json: &str) -> Result<Payload, String> {
        Payload::parse(kind, json.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn payloads_of_both_kinds() {
        for (kind, optional, creator, timestamp) in [
            (Kind::Simple, "{}", None, None),
            (
                Kind::Simple,
                r#"{"creator":"c","timestamp":1.5e3,"x":{"a":[1]}}"#,
                Some("c"),
                Some(1500),
            ),
            (Kind::Simple, r#"{"creator":null}"#, None, None),
            (Kind::Sigstore, "null", None, None),
            (Kind::Sigstore, r#"{"timestamp":-1}"#, None, Some(-1)),
        ] {
            let payload = parse(kind, &json(kind, DIGEST, optional)).unwrap();
            let wanted = Payload {
                digest: DIGEST.parse().unwrap(),
                reference: "a:1".into(),
                creator: creator.map(str::to_owned),
                timestamp,
            };
            assert_eq!(payload, wanted, "{optional}");
        }
    }

    #[test]
    fn other_payloads_are_refused() {
        let simple = |optional| json(Kind::Simple, DIGEST, optional);
        for (text, wanted) in [
            (
                simple("null"),
                "optional: it is null, which should be an object",
            ),
            (
                simple(r#"{"timestamp":1.5}"#),
                "optional.timestamp: it is a number, which should be a whole number",
            ),
            (
                simple(r#"{"creator":1}"#),
                "optional.creator: it is a number, which should be a text",
            ),
            (
                simple(r#"{"x":1,"x":1}"#),
                "optional: the key \"x\" is there twice",
            ),
            (
                json(Kind::Simple, "sha256:1", "{}"),
                "its digest is invalid",
            ),
            (
                json(Kind::Sigstore, DIGEST, "{}"),
                "its type is \"cosign container image signature\", which should be \"atomic container signature\"",
            ),
            (
                r#"{"critical":{}}"#.to_owned(),
                "the top level: the key \"optional\" is missing",
            ),
            (
                r#"{"critical":{},"optional":{},"more":1}"#.to_owned(),
                "the top level: the key \"more\" is unknown",
            ),
            (
                r#"{"critical":{},"optional":{}}"#.to_owned(),
                "critical: the key \"type\" is missing",
            ),
        ] {
            assert_eq!(parse(Kind::Simple, &text).unwrap_err(), wanted);
        }
    }
}
