//! `Content-Range` of answers, and `Range` of uploads.

/// The part of a blob that an answer has (RFC 9110, section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub first: u64,
    /// The last byte, not less than the first.
    pub last: u64,
    /// The size of the whole, greater than the last byte, where the server knows it.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Returns the number of bytes of the part; `None` if it does not fit a `u64`.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        (self.last - self.first).checked_add(1)
    }
}

/// Parses `bytes FIRST-LAST/TOTAL`, where the total may be `*`.
///
/// Returns `None` for all else, and for bounds that contradict each other.
#[must_use]
pub fn parse_content_range(value: &str) -> Option<ContentRange> {
    let (unit, rest) = value.trim().split_once(' ')?;
    let (range, total) = rest.trim_start().split_once('/')?;
    let (first, last) = bounds(range)?;
    let total = match total {
        "*" => None,
        total => Some(number(total)?),
    };
    let is_valid = unit.eq_ignore_ascii_case("bytes") && total.is_none_or(|total| last < total);
    is_valid.then_some(ContentRange { first, last, total })
}

/// Parses the `Range` of an unfinished upload, `0-LAST`, and returns the number of bytes that the
/// server has.
///
/// `0-0` stands for nothing: docker's registry sends it for an empty upload. A range that does not
/// begin at 0 is `None`.
#[must_use]
pub fn parse_upload_range(value: &str) -> Option<u64> {
    let value = value.trim();
    let value = value.strip_prefix("bytes=").unwrap_or(value);
    match bounds(value)? {
        (0, 0) => Some(0),
        (0, last) => last.checked_add(1),
        _ => None,
    }
}

fn bounds(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// Digits only: no sign, no blanks.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        for (text, expected) in [
            ("bytes 0-0/1", range(0, 0, Some(1))),
            ("bytes 5-9/10", range(5, 9, Some(10))),
            ("Bytes  5-9/10 ", range(5, 9, Some(10))),
            ("bytes 5-9/*", range(5, 9, None)),
            ("bytes 0-18446744073709551615/*", range(0, u64::MAX, None)),
            ("bytes 5-9/9", None),
            ("bytes 9-5/10", None),
            ("bytes */10", None),
            ("bytes 5-9", None),
            ("bytes=5-9/10", None),
            ("bytes +5-9/10", None),
            ("bytes 5 - 9/10", None),
            ("bytes -9/10", None),
            ("items 5-9/10", None),
            ("bytes 5-18446744073709551616/*", None),
            ("", None),
        ] {
            assert_eq!(parse_content_range(text), expected, "{text:?}");
        }
        assert_eq!(range(5, 9, None).unwrap().length(), Some(5));
        assert_eq!(range(0, u64::MAX, None).unwrap().length(), None);
    }

    #[test]
    fn ranges_of_uploads() {
        for (text, expected) in [
            ("0-0", Some(0)),
            ("0-9", Some(10)),
            ("bytes=0-9", Some(10)),
            (" 0-9 ", Some(10)),
            ("1-9", None),
            ("0-18446744073709551615", None),
            ("0--1", None),
            ("9", None),
            ("", None),
        ] {
            assert_eq!(parse_upload_range(text), expected, "{text:?}");
        }
    }
}
