//! One entry of `auths`.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::helper_name::HelperNameError;
use crate::members::{Object, ParseError, string_at};
use crate::secret::Secret;

/// Bits after the last byte are ignored, as in Go.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Why an entry of an authentication file cannot be used. The message never has a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// A value of the entry has the wrong type.
    #[error(transparent)]
    Type(#[from] ParseError),
    /// `auth` is not Base64.
    #[error("its `auth` is not Base64")]
    Base64,
    /// `auth` holds bytes that are not UTF-8.
    #[error("its `auth` is not UTF-8")]
    Encoding,
    /// The name of its helper is malformed.
    #[error(transparent)]
    Helper(#[from] HelperNameError),
}

/// The credentials in the text of an entry. An entry without any is a mark that docker makes if a
/// helper has them.
pub(crate) fn decode(text: &str) -> Result<Option<Credentials>, EntryError> {
    let entry = Object::at(text, 0..text.len(), "the entry")?;
    let field = |name| -> Result<Zeroizing<String>, ParseError> {
        let Some(member) = entry.fields(name).next_back() else {
            return Ok(Zeroizing::default());
        };
        let string = string_at(text, &member.value, name)?;
        Ok(Zeroizing::new(string.unwrap_or_default()))
    };
    let (auth, token) = (field("auth")?, field("identitytoken")?);
    let decoded = decode_auth(&auth)?;
    let (username, password) = match decoded.split_once(':') {
        Some(parts) => parts,
        // docker and podman skip it as well.
        None if !decoded.is_empty() || token.is_empty() => return Ok(None),
        None => ("", ""),
    };
    let (username, password) = (username.to_owned(), password.trim_matches('\0'));
    Ok(match token.is_empty() {
        true if username.is_empty() && password.is_empty() => None,
        true => Some(Credentials::password(username, password)),
        false => Some(Credentials::IdentityToken {
            username,
            token: Secret::new(token.as_str()),
        }),
    })
}

fn decode_auth(auth: &str) -> Result<Zeroizing<String>, EntryError> {
    let text: Zeroizing<String> =
        Zeroizing::new(auth.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    let bytes = BASE64
        .decode(text.as_bytes())
        .map_err(|_| EntryError::Base64)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(EntryError::Encoding)
        }
    }
}

/// The members of an entry, as JSON without braces: names and quoted values.
pub(crate) fn encode(credentials: &Credentials) -> Vec<(&'static str, Zeroizing<String>)> {
    let (username, password, token) = match credentials {
        Credentials::Password { username, password } => (username, password.expose(), None),
        Credentials::IdentityToken { username, token } => (username, "", Some(token.expose())),
    };
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
    let mut members = vec![("auth", Zeroizing::new(format!("\"{}\"", encoded.as_str())))];
    members.extend(token.map(|token| ("identitytoken", quoted(token))));
    members
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> Zeroizing<String> {
    Zeroizing::new(serde_json::to_string(text).expect("every string is a JSON string"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_go_reads_them() {
        for (text, wanted) in [
            (
                "{\"auth\": \"dTpw\"}",
                Some(Credentials::password("u", "p")),
            ),
            (
                "{\"AUTH\": \"dTpw\\n\"}",
                Some(Credentials::password("u", "p")),
            ),
            (
                "{\"auth\": \"dTo6cAAA\"}",
                Some(Credentials::password("u", ":p")),
            ),
            (
                "{\"auth\": \"dTq=\", \"x\": 1}",
                Some(Credentials::password("u", "")),
            ),
            ("{\"auth\": \"dXA=\"}", None),
            ("{\"auth\": \"Og==\"}", None),
            ("{\"auth\": null}", None),
            ("{}", None),
            ("null", None),
            (
                "{\"identitytoken\": \"t\"}",
                Some(Credentials::identity_token("t")),
            ),
            (
                "{\"identitytoken\": \"t\", \"auth\": \"dTo=\"}",
                Some(Credentials::IdentityToken {
                    username: "u".to_owned(),
                    token: Secret::new("t"),
                }),
            ),
            ("{\"identitytoken\": \"t\", \"auth\": \"dXA=\"}", None),
        ] {
            assert_eq!(decode(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_without_contents() {
        let wrong = |member: &str, expected| {
            EntryError::Type(ParseError::Type {
                member: member.to_owned(),
                expected,
            })
        };
        for (text, error) in [
            ("[]", wrong("the entry", "an object")),
            ("{\"auth\": 1}", wrong("auth", "a string")),
            ("{\"auth\": \"d\"}", EntryError::Base64),
            ("{\"auth\": \"dTpw=\"}", EntryError::Base64),
            ("{\"auth\": \"/zr/\"}", EntryError::Encoding),
        ] {
            assert_eq!(decode(text), Err(error), "{text}");
        }
    }
}
