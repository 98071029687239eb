//! Arbitrary JSON values, for a record's flags.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use crate::json::write;

/// Any JSON value. Members are sorted by name, as Go writes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// Named values.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// Returns the boolean, if it is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the members, if it is an object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Returns the number, if it is one.
    #[must_use]
    pub const fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

/// Writes the value as compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        write::value(&mut out, self);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// A number: an integer of 64 bits, or else a finite floating-point number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(Repr);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Repr {
    Unsigned(u64),
    /// A negative integer.
    Negative(i64),
    /// Finite, and not an integer in range, except for negative zero.
    Float(f64),
}

/// A float here is never NaN, so equality is reflexive.
impl Eq for Number {}

/// From here on, Go writes a float with an exponent, as JavaScript does.
const EXPONENT_FROM: f64 = 1e21;
/// Below this, Go writes a float with an exponent.
const EXPONENT_BELOW: f64 = 1e-6;

impl Number {
    /// Makes a number of a float; `None` for infinities and NaN, which JSON does not have.
    #[must_use]
    pub fn from_f64(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        // Without a fraction and of moderate size, it reads like an integer.
        let text = float.to_string();
        if let Some(integer) = Self::from_integer_text(&text) {
            return Some(integer);
        }
        Some(Self(Repr::Float(float)))
    }

    /// Returns the number if it is an integer that fits.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Unsigned(number) => number.try_into().ok(),
            Repr::Negative(number) => Some(number),
            Repr::Float(_) => None,
        }
    }

    /// Returns the number if it is an integer that fits.
    #[must_use]
    pub const fn as_u64(self) -> Option<u64> {
        match self.0 {
            Repr::Unsigned(number) => Some(number),
            Repr::Negative(_) | Repr::Float(_) => None,
        }
    }

    /// Returns the nearest float.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest float is what is asked for"
    )]
    pub const fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Unsigned(number) => number as f64,
            Repr::Negative(number) => number as f64,
            Repr::Float(float) => float,
        }
    }

    fn from_integer_text(text: &str) -> Option<Self> {
        if text == "-0" {
            return None;
        }
        let unsigned = text.parse().ok().map(Repr::Unsigned);
        unsigned
            .or_else(|| text.parse().ok().map(Repr::Negative))
            .map(Self)
    }

    /// Parses a JSON number; `None` if it is too large for a float.
    pub(crate) fn from_json_text(text: &str) -> Option<Self> {
        Self::from_integer_text(text).or_else(|| Self::from_f64(text.parse().ok()?))
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self.0 {
            Repr::Unsigned(number) => write::integer(out, number),
            Repr::Negative(number) => write::integer(out, number),
            Repr::Float(float) => out.extend_from_slice(float_text(float).as_bytes()),
        }
    }
}

/// The shortest digits that read back as the same float, in Go's form.
fn float_text(float: f64) -> String {
    let size = float.abs();
    if size == 0.0 || (EXPONENT_BELOW..EXPONENT_FROM).contains(&size) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    // json-iterator writes exponents with at least two digits, as Go does; Go's own JSON writer
    // drops a leading zero.
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(Repr::Unsigned(number))
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(
            number
                .try_into()
                .map_or(Repr::Negative(number), Repr::Unsigned),
        )
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        out.into_iter()
            .try_for_each(|byte| f.write_char(char::from(byte)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_as_go_writes_them() {
        let cases = [
            ("0", "0"),
            ("-0", "-0"),
            ("1.0", "1"),
            ("-1e2", "-100"),
            ("1.50", "1.5"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-07"),
            ("1.25e-10", "1.25e-10"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("-1.5e300", "-1.5e+300"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "18446744073709552000"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9007199254740993", "9007199254740993"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Number::from_json_text(text).unwrap().to_string(),
                expected,
                "{text}"
            );
        }
        assert_eq!(Number::from_json_text("1e999"), None);
        assert_eq!(Number::from_f64(f64::NAN), None);
    }

    #[test]
    fn parts() {
        assert_eq!(Number::from(-5_i64).as_i64(), Some(-5));
        assert_eq!(Number::from(5_i64), Number::from(5_u64));
        assert_eq!(Number::from(u64::MAX).as_i64(), None);
        assert_eq!(Number::from_f64(2.0).and_then(Number::as_u64), Some(2));
        assert_eq!(Value::from(vec!["a", "<"]).to_string(), r#"["a","\u003c"]"#);
    }

    proptest! {
        #[test]
        fn floats_are_read_back(float in any::<f64>()) {
            prop_assume!(float.is_finite());
            let number = Number::from_f64(float).unwrap();
            let text = number.to_string();
            prop_assert_eq!(Number::from_json_text(&text), Some(number), "{}", text);
        }
    }
}
