//! Fitting a JSON text to a type by the rules of Go's `encoding/json`.
//!
//! Names of fields match in any case, fields that the type lacks are ignored, and `null` fits every
//! type. Of a repeated field the last value counts; structures and maps are merged. A repeated list
//! is refused, because the result depends on the version of Go.

use std::collections::BTreeMap;

use layerhold::layerhold_schema::{JsonError, JsonText, Timestamp};

use super::shape::{Shape, Typed};

/// Why other tools cannot read a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The bytes are not JSON.
    #[error("it is not JSON")]
    Json(#[from] JsonError),
    /// A value has another type than the readers of such documents expect.
    #[error("{}expected {expected}, found {found}", before(path))]
    Type {
        /// Where in the document: names and positions, like `config.Env[3]`; empty for the document
        /// itself.
        path: String,
        /// The expected type.
        expected: &'static str,
        /// The actual type.
        found: String,
    },
    /// A list is repeated, and tools do not agree on which one counts.
    #[error("{path} is repeated")]
    Twice {
        /// Where in the document.
        path: String,
    },
}

fn before(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!("{path}: "),
    }
}

/// The longest text that a message quotes.
const MAX_SHOWN: usize = 60;

/// Reads a document as `shape`.
pub(crate) fn read(bytes: &[u8], shape: &'static Shape) -> Result<Typed, FieldError> {
    let json = JsonText::parse(bytes)?;
    fit(&json, shape, Typed::Absent)
}

/// Fits a value to a type, over what an earlier field of the same name gave.
fn fit(json: &JsonText<'_>, shape: &'static Shape, before: Typed) -> Result<Typed, FieldError> {
    match (shape, json) {
        (Shape::Other(shape), _) => fit(json, shape, before),
        // `null` empties lists and maps, and leaves everything else as it is.
        (Shape::List(_) | Shape::Map(_) | Shape::Any, JsonText::Null) => Ok(Typed::Absent),
        (_, JsonText::Null) => Ok(before),
        (Shape::Any, _)
        | (Shape::Flag, JsonText::Bool(_))
        | (Shape::Nothing, JsonText::Object(_)) => Ok(Typed::Given),
        (Shape::Text, JsonText::String(text)) => Ok(Typed::Text(text.clone().into_owned())),
        (Shape::Integer, JsonText::Number(text)) => integer(text),
        (Shape::Bytes, JsonText::String(text)) => base64(text),
        // Go takes a list of bytes too.
        (Shape::Bytes, JsonText::Array(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(position, item)| is_byte(item, position))
            .map(|()| Typed::Given),
        (Shape::Time, JsonText::String(text)) => time(text),
        (Shape::Words, JsonText::String(_)) => Ok(Typed::Given),
        (Shape::Words, JsonText::Array(items)) => list(items, &Shape::Text, before),
        (Shape::List(item), JsonText::Array(items)) => list(items, item, before),
        (Shape::Map(value), JsonText::Object(members)) => map(members, value, before),
        (Shape::Record(fields), JsonText::Object(members)) => record(members, fields, before),
        _ => Err(wrong(expected(shape), kind(json).to_owned())),
    }
}

fn list(items: &[JsonText<'_>], shape: &'static Shape, before: Typed) -> Result<Typed, FieldError> {
    if !before.items().is_empty() {
        return Err(FieldError::Twice {
            path: String::new(),
        });
    }
    let fitted = items.iter().enumerate().map(|(position, item)| {
        fit(item, shape, Typed::Absent).map_err(|error| error.inside(&format!("[{position}]")))
    });
    fitted.collect::<Result<_, _>>().map(Typed::List)
}

fn map(
    members: &[(std::borrow::Cow<'_, str>, JsonText<'_>)],
    shape: &'static Shape,
    before: Typed,
) -> Result<Typed, FieldError> {
    let mut fitted = match before {
        Typed::Map(members) => members,
        _ => BTreeMap::new(),
    };
    for (name, value) in members {
        // Values of maps are not merged.
        let value = fit(value, shape, Typed::Absent).map_err(|error| error.inside(&shown(name)))?;
        let _replaced = fitted.insert(name.clone().into_owned(), value);
    }
    Ok(Typed::Map(fitted))
}

fn record(
    members: &[(std::borrow::Cow<'_, str>, JsonText<'_>)],
    fields: &'static [(&'static str, Shape)],
    before: Typed,
) -> Result<Typed, FieldError> {
    let mut fitted = match before {
        Typed::Record(fields) => fields,
        _ => BTreeMap::new(),
    };
    for (name, value) in members {
        let Some((field, shape)) = fields.iter().find(|(field, _)| same_name(field, name)) else {
            continue;
        };
        let earlier = fitted.remove(field).unwrap_or_default();
        let value = fit(value, shape, earlier).map_err(|error| error.inside(field))?;
        if value.is_given() {
            let _none = fitted.insert(field, value);
        }
    }
    Ok(Typed::Record(fitted))
}

/// Whether a name is that of a field, apart from case. Two letters outside ASCII count as `s` and
/// `k` (Go: `foldName` in `encoding/json/fold.go`).
fn same_name(field: &str, name: &str) -> bool {
    let plain = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    field.chars().map(plain).eq(name.chars().map(plain))
}

fn integer(text: &str) -> Result<Typed, FieldError> {
    match text.parse() {
        Ok(number) => Ok(Typed::Integer(number)),
        Err(_) => Err(wrong("an integer", format!("the number {}", short(text)))),
    }
}

fn time(text: &str) -> Result<Typed, FieldError> {
    match text.parse::<Timestamp>() {
        Ok(_) => Ok(Typed::Text(text.to_owned())),
        Err(_) => Err(wrong(
            "a date like 2026-01-02T03:04:05Z",
            format!("{:?}", short(text)),
        )),
    }
}

fn base64(encoded: &str) -> Result<Typed, FieldError> {
    // Go ignores line ends.
    let mut text = encoded
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'));
    let mut length = 0_usize;
    let mut padding = 0_usize;
    let fits = text.all(|byte| {
        length += 1;
        padding += usize::from(byte == b'=');
        byte == b'='
            || padding == 0 && (byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
    });
    if fits && length.is_multiple_of(4) && padding <= 2 {
        Ok(Typed::Text(encoded.to_owned()))
    } else {
        Err(wrong("base64", "other text".to_owned()))
    }
}

fn is_byte(json: &JsonText<'_>, position: usize) -> Result<(), FieldError> {
    match json {
        JsonText::Null => Ok(()),
        JsonText::Number(text) if text.parse::<u8>().is_ok() => Ok(()),
        other => Err(wrong("a byte", kind(other).to_owned()).inside(&format!("[{position}]"))),
    }
}

fn wrong(expected: &'static str, found: String) -> FieldError {
    FieldError::Type {
        path: String::new(),
        expected,
        found,
    }
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "a value",
        Shape::Text => "text",
        Shape::Flag => "true or false",
        Shape::Integer => "an integer",
        Shape::Bytes => "base64",
        Shape::Time => "a date",
        Shape::Words => "a list of texts",
        Shape::List(_) => "a list",
        Shape::Nothing | Shape::Map(_) | Shape::Record(_) => "an object",
        Shape::Other(shape) => expected(shape),
    }
}

fn kind(json: &JsonText<'_>) -> &'static str {
    match json {
        JsonText::Null => "null",
        JsonText::Bool(_) => "a truth value",
        JsonText::Number(_) => "a number",
        JsonText::String(_) => "text",
        JsonText::Array(_) => "a list",
        JsonText::Object(_) => "an object",
        _ => "something else",
    }
}

/// The key of a map as part of a path.
fn shown(name: &str) -> String {
    let is_plain = !name.is_empty()
        && name.len() <= MAX_SHOWN
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    if is_plain {
        name.to_owned()
    } else {
        format!("[{:?}]", short(name))
    }
}

fn short(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_SHOWN).map(|(at, _)| at);
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

impl FieldError {
    /// Puts the name of the enclosing field before the path.
    fn inside(mut self, outer: &str) -> Self {
        if let FieldError::Type { path, .. } | FieldError::Twice { path } = &mut self {
            let dot = if path.is_empty() || path.starts_with('[') {
                ""
            } else {
                "."
            };
            *path = format!("{outer}{dot}{path}");
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::{CONFIG, OCI_MANIFEST};
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let error = read(json.as_bytes(), &CONFIG).unwrap_err();
        let mut text = error.to_string();
        if let FieldError::Json(cause) = &error {
            text = format!("{text} {cause}");
        }
        assert_eq!(text, expected, "{json}");
    }

    #[test]
    fn errors_name_the_field() {
        for (json, expected) in [
            (
                r#"{"config":{"Env":["a","b","c",5]}}"#,
                "config.Env[3]: expected text, found a number",
            ),
            (
                r#"{"CONFIG":{"labels":{"a/b":[]}}}"#,
                "config.Labels.a/b: expected text, found a list",
            ),
            (
                r#"{"config":{"Labels":{"a b\u001b":1}}}"#,
                "config.Labels[\"a b\\u{1b}\"]: expected text, found a number",
            ),
            (
                r#"{"config":{"ExposedPorts":{"80/tcp":1}}}"#,
                "config.ExposedPorts.80/tcp: expected an object, found a number",
            ),
            (
                r#"{"config":{"Healthcheck":{"Interval":1.5}}}"#,
                "config.Healthcheck.Interval: expected an integer, found the number 1.5",
            ),
            (
                r#"{"config":{"StopTimeout":"5"}}"#,
                "config.StopTimeout: expected an integer, found text",
            ),
            (
                r#"{"created":"yesterday"}"#,
                "created: expected a date like 2026-01-02T03:04:05Z, found \"yesterday\"",
            ),
            (
                r#"{"created":5}"#,
                "created: expected a date, found a number",
            ),
            (
                r#"{"history":[{},{"empty_layer":0}]}"#,
                "history[1].empty_layer: expected true or false, found a number",
            ),
            (
                r#"{"rootfs":{"diff_ids":{}}}"#,
                "rootfs.diff_ids: expected a list, found an object",
            ),
            (
                r#"{"size":9223372036854775808}"#,
                "Size: expected an integer, found the number 9223372036854775808",
            ),
            (
                r#"{"container_config":{"Cmd":5}}"#,
                "container_config.Cmd: expected a list of texts, found a number",
            ),
            ("[]", "expected an object, found a list"),
            (
                "{",
                "it is not JSON at byte 1: unexpected end, expected the name of a field",
            ),
            (r#"{"history":[{}],"History":[]}"#, "history is repeated"),
        ] {
            check(json, expected);
        }
    }

    #[test]
    fn what_go_takes_is_taken() {
        for json in [
            "{}",
            "null",
            r#"{"nosuch":[1,{"x":1e400}],"config":null}"#,
            r#"{"config":{"Env":[null],"Labels":{"a":null},"Volumes":{"/v":null,"/w":{"x":1}}}}"#,
            r#"{"created":"2024-01-02T03:04:05.123456789012+02:00","os":"\ud800"}"#,
            r#"{"container_config":{"Cmd":"sh","Entrypoint":["a"],"Shell":null}}"#,
            r#"{"architecture":"a","Architecture":null,"ARCHITECTURE":"b"}"#,
            r#"{"history":null,"history":[{"created":null}]}"#,
            "{\"o\u{17f}\":\"linux\"}",
        ] {
            read(json.as_bytes(), &CONFIG).unwrap();
        }
    }

    #[test]
    fn the_last_value_counts_and_maps_are_merged() {
        let json = br#"{"OS":"one","os":"two","os":null,"config":{"User":"a","Labels":{"a":"1","b":"2"}},"Config":{"Labels":{"b":"3"},"Image":"i"}}"#;
        let config = read(json, &CONFIG).unwrap();
        assert_eq!(config.get("os").text(), "two");
        let run = config.get("config");
        assert_eq!(
            (run.get("User").text(), run.get("Image").text()),
            ("a", "i")
        );
        let labels: Vec<_> = run.get("Labels").text_map().into_iter().collect();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(labels, [pair("a", "1"), pair("b", "3")]);
    }

    #[test]
    fn base64_is_that_of_go() {
        for (text, fits) in [
            ("", true),
            ("e30=", true),
            ("e3\\n0=", true),
            ("YQ==", true),
            ("YWI", false),
            ("Y===", false),
            ("=AAA", false),
            ("e30-", false),
        ] {
            let json = format!(r#"{{"config":{{"data":"{text}"}}}}"#);
            assert_eq!(read(json.as_bytes(), &OCI_MANIFEST).is_ok(), fits, "{text}");
        }
        for (list, fits) in [
            ("[]", true),
            ("[0,null,255]", true),
            ("[256]", false),
            ("[-1]", false),
            ("[\"a\"]", false),
        ] {
            let json = format!(r#"{{"config":{{"data":{list}}}}}"#);
            assert_eq!(read(json.as_bytes(), &OCI_MANIFEST).is_ok(), fits, "{list}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _any = read(&bytes, &CONFIG);
        }
    }
}
