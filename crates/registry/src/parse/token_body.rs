//! Answers of token servers.

use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

/// The least time that a token is taken to be valid (Go: `minimumTokenLifetimeSeconds`).
const SHORTEST_LIFE: u64 = 60;

/// The longest time, so that sums of times stay in range.
const LONGEST_LIFE: u64 = 365 * 24 * 60 * 60;

/// A token that a registry accepts for a while.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: Zeroizing<String>,
    pub(crate) life: Duration,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<i64>,
}

/// Parses an answer: `token`, else `access_token`; `None` if there is neither, or one that is no
/// text of a header.
pub(crate) fn parse_token_body(body: &[u8]) -> Option<Token> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let (token, other) = (body.token, body.access_token);
    let (token, other) = (token.map(Zeroizing::new), other.map(Zeroizing::new));
    let text = token.filter(|text| !text.is_empty()).or(other)?;
    let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let seconds = u64::try_from(body.expires_in.unwrap_or(0)).unwrap_or(0);
    let life = Duration::from_secs(seconds.clamp(SHORTEST_LIFE, LONGEST_LIFE));
    is_token.then_some(Token { text, life })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (body, expected) in [
            (r#"{"token":"a"}"#, Some(("a", 60))),
            (r#"{"access_token":"b","expires_in":300}"#, Some(("b", 300))),
            (r#"{"token":"","access_token":"b"}"#, Some(("b", 60))),
            (
                r#"{"token":"a","access_token":"b","expires_in":5}"#,
                Some(("a", 60)),
            ),
            (
                r#"{"token":"a","expires_in":-5,"issued_at":"x"}"#,
                Some(("a", 60)),
            ),
            (
                r#"{"token":"a","expires_in":9223372036854775807}"#,
                Some(("a", LONGEST_LIFE)),
            ),
            (r#"{"token":"a\nb"}"#, None),
            (r#"{"token":""}"#, None),
            (r#"{}"#, None),
            ("a", None),
        ] {
            let token = parse_token_body(body.as_bytes());
            let token = token
                .as_ref()
                .map(|token| (token.text.as_str(), token.life.as_secs()));
            assert_eq!(token, expected, "{body}");
        }
    }
}
