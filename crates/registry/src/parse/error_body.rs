//! What servers say about their refusals.

use serde::Deserialize;

use super::text::printable;

/// The most errors kept of one answer.
const MOST_ERRORS: usize = 4;

/// The most characters kept of a code and of a message.
const LONGEST_CODE: usize = 64;
const LONGEST_MESSAGE: usize = 300;

/// One error of a server's answer, fit to print.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerError {
    /// The code, such as `MANIFEST_UNKNOWN`. Empty if the server gives none.
    pub code: String,
    /// The text beside it, without control characters.
    pub message: String,
}

/// The form of the distribution API, and the other ones that servers of tokens use.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Option<Vec<Item>>,
    #[serde(flatten)]
    alone: Alone,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Docker Hub says `details`, OAuth 2 `error` and `error_description`.
#[derive(Deserialize)]
struct Alone {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

impl From<Alone> for Item {
    fn from(alone: Alone) -> Self {
        let message = alone.message.or(alone.details);
        Self {
            code: alone.code.or(alone.error),
            message: message.or(alone.error_description),
        }
    }
}

impl Item {
    fn into_error(self) -> Option<ServerError> {
        let code = printable(&self.code.unwrap_or_default(), LONGEST_CODE);
        let message = printable(&self.message.unwrap_or_default(), LONGEST_MESSAGE);
        let says_something = !code.is_empty() || !message.is_empty();
        says_something.then_some(ServerError { code, message })
    }
}

/// Parses the body of a refusal. One that has another form has no errors.
pub(crate) fn parse_error_body(body: &[u8]) -> Vec<ServerError> {
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return Vec::new();
    };
    let errors: Vec<ServerError> = body
        .errors
        .unwrap_or_default()
        .into_iter()
        .filter_map(Item::into_error)
        .take(MOST_ERRORS)
        .collect();
    match errors.is_empty() {
        true => Item::from(body.alone).into_error().into_iter().collect(),
        false => errors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (body, expected) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"no","detail":{"a":1}}]}"#,
                vec![("DENIED", "no")],
            ),
            (
                r#"{"errors":[{"code":"A"},{"message":"b\u001b[1m"},{}]}"#,
                vec![("A", ""), ("", "b[1m")],
            ),
            (
                r#"{"details":"incorrect password"}"#,
                vec![("", "incorrect password")],
            ),
            (
                r#"{"error":"invalid_grant","error_description":"gone"}"#,
                vec![("invalid_grant", "gone")],
            ),
            (r#"{"errors":[]}"#, vec![]),
            (r#"{"errors":null,"message":"m"}"#, vec![("", "m")]),
            (r#"{"errors":"x"}"#, vec![]),
            ("<html>", vec![]),
            ("", vec![]),
        ] {
            let errors = parse_error_body(body.as_bytes());
            let errors: Vec<(&str, &str)> = errors
                .iter()
                .map(|error| (error.code.as_str(), error.message.as_str()))
                .collect();
            assert_eq!(errors, expected, "{body}");
        }
    }

    #[test]
    fn bounds() {
        let many = format!(r#"{{"errors":[{}]}}"#, [r#"{"code":"A"}"#; 9].join(","));
        assert_eq!(parse_error_body(many.as_bytes()).len(), MOST_ERRORS);
        let long = format!(r#"{{"message":"{}"}}"#, "a".repeat(1000));
        let message = &parse_error_body(long.as_bytes())[0].message;
        assert_eq!(message.chars().count(), LONGEST_MESSAGE + 1);
    }
}
