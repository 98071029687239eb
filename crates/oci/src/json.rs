//! Reading JSON objects.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads a JSON object. Unlike Go, the reader of structures also takes an array in place of an
/// object, which nobody writes and other tools would read as something else.
pub(crate) fn object<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        // It is known to fail; this gives the error that says how.
        serde_json::from_slice::<Map<String, Value>>(bytes)?;
    }
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Sample {
        #[serde(default)]
        a: u8,
    }

    #[test]
    fn only_objects_are_objects() {
        assert_eq!(object::<Sample>(b" {\"a\":1}").unwrap(), Sample { a: 1 });
        for text in ["[]", "[1]", "null", "1", "", "\"a\""] {
            assert!(object::<Sample>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
