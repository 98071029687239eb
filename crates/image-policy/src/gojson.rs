//! Text in JSON as Go's `encoding/json` writes it.

/// Returns the text in quotes. `<`, `>` and `&` are escaped, and so are the two characters that end
/// lines in JavaScript.
pub(crate) fn text(text: &str) -> String {
    plain_text(text)
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// Returns the text in quotes, with the fewest escapes, as RFC 8785 wants it.
pub(crate) fn plain_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
