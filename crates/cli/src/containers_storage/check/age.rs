//! Times as Go writes them: `24h`, `1h30m`, `0`.

use std::time::Duration;

/// A text that is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("time: invalid duration {text:?}")]
pub(super) struct AgeError {
    text: String,
}

/// Units and their length in nanoseconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Reads a duration as Go's `time.ParseDuration` does. A negative one counts as zero.
pub(super) fn parse(text: &str) -> Result<Duration, AgeError> {
    let wrong = || AgeError {
        text: text.to_owned(),
    };
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(wrong)?;
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let (_, length) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        nanoseconds += number * length;
        rest = after;
    }
    if is_negative {
        return Ok(Duration::ZERO);
    }
    Duration::try_from_secs_f64(nanoseconds / 1e9).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, seconds) in [
            ("24h", 86_400.0),
            ("0", 0.0),
            ("1h30m", 5400.0),
            ("1.5s", 1.5),
            ("+10ms", 0.01),
            ("-5m", 0.0),
            (".5h", 1800.0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "-", "5", "h", "1d", "1h5", "1..5s", "x"] {
            let error = parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("time: invalid duration {text:?}"));
        }
    }
}
