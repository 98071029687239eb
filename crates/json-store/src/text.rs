//! Strings of a JSON text: where they end and what they say.

use memchr::memchr2;

/// A string that was found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// First byte after the opening quote.
    pub(crate) start: usize,
    /// The closing quote.
    pub(crate) end: usize,
    /// Whether there are escapes in it.
    pub(crate) escaped: bool,
}

/// Finds the end of the string whose opening quote is at `quote`.
#[inline]
pub(crate) fn quoted(bytes: &[u8], quote: usize) -> Option<Quoted> {
    let start = quote.checked_add(1)?;
    let (end, escaped) = closing_quote(bytes, start)?;
    Some(Quoted {
        start,
        end,
        escaped,
    })
}

/// The closing quote of a string whose text begins at `position`, and whether
/// there are escapes before it.
fn closing_quote(bytes: &[u8], mut position: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        position += memchr2(b'"', b'\\', bytes.get(position..)?)?;
        if bytes.get(position) == Some(&b'"') {
            return Some((position, escaped));
        }
        escaped = true;
        position += 2;
    }
}

/// Like [`quoted`], but faster for strings of a few bytes, such as names of fields.
#[inline]
pub(crate) fn short_quoted(bytes: &[u8], quote: usize) -> Option<Quoted> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let start = quote.checked_add(1)?;
    let rest = bytes.get(start..)?;
    let (words, _) = rest.get(..rest.len().min(32))?.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = word ^ ONES.wrapping_mul(b'"' as u64);
        let backslashes = word ^ ONES.wrapping_mul(b'\\' as u64);
        // The lowest bit found is that of the first zero byte; higher ones may be wrong.
        let found = ((quotes.wrapping_sub(ONES) & !quotes)
            | (backslashes.wrapping_sub(ONES) & !backslashes))
            & HIGH;
        if found != 0 {
            let end = start + position * 8 + (found.trailing_zeros() / 8) as usize;
            if bytes.get(end) != Some(&b'"') {
                break;
            }
            return Some(Quoted {
                start,
                end,
                escaped: false,
            });
        }
    }
    quoted(bytes, quote)
}

/// The first position from `position` on that is no white space.
#[inline]
pub(crate) fn skip_space(bytes: &[u8], mut position: usize) -> usize {
    // There is none in files that a tool wrote.
    while bytes.get(position).is_some_and(|byte| is_space(*byte)) {
        position += 1;
    }
    position
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The text that a string with escapes stands for; `None` if it is not valid.
pub(crate) fn unescape(mut raw: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    while let Some(at) = memchr::memchr(b'\\', raw) {
        text.push_str(std::str::from_utf8(raw.get(..at)?).ok()?);
        let (character, rest) = escape(raw.get(at + 1..)?)?;
        text.push(character);
        raw = rest;
    }
    text.push_str(std::str::from_utf8(raw).ok()?);
    Some(text)
}

/// Reads what follows a backslash.
fn escape(raw: &[u8]) -> Option<(char, &[u8])> {
    let (kind, rest) = raw.split_first()?;
    let character = match kind {
        b'"' | b'\\' | b'/' => char::from(*kind),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest),
        _ => return None,
    };
    Some((character, rest))
}

fn unicode(raw: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = four_digits(raw)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, rest));
    }
    // Half of a pair; the other half must follow.
    let (second, rest) = four_digits(rest.strip_prefix(b"\\u")?)?;
    let character = char::decode_utf16([first, second]).next()?.ok()?;
    Some((character, rest))
}

fn four_digits(raw: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = raw.split_at_checked(4)?;
    let mut value = 0;
    for digit in digits {
        value = value * 16 + char::from(*digit).to_digit(16)?;
    }
    Some((u16::try_from(value).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strings_end_at_the_first_quote_that_is_not_escaped() {
        let bytes = br#""ab" "a\"b\\" "open"#;
        let find =
            |quote| quoted(bytes, quote).map(|found| (found.start, found.end, found.escaped));
        assert_eq!(find(0), Some((1, 3, false)));
        assert_eq!(find(5), Some((6, 12, true)));
        assert_eq!(find(14), None);
        assert_eq!(find(99), None);
        assert_eq!(quoted(br#""a\"#, 0), None);
    }

    #[test]
    fn escapes_that_are_not_json_are_refused() {
        for raw in [
            "\\",
            "\\x",
            "\\u12",
            "\\u12g4",
            "\\ud800",
            "\\ud800\\u0041",
            "\\udc00",
        ] {
            assert_eq!(unescape(raw.as_bytes()), None, "{raw}");
        }
        assert_eq!(unescape(b"\xff"), None);
        assert_eq!(unescape(b"\\ud83d\\ude00!").as_deref(), Some("\u{1f600}!"));
    }

    proptest! {
        #[test]
        fn short_strings_end_where_long_ones_do(text in "[a\"\\\\!#\\[\\]\u{80}]{0,50}", quote in 0..10_usize) {
            prop_assert_eq!(short_quoted(text.as_bytes(), quote), quoted(text.as_bytes(), quote));
        }

        #[test]
        fn agrees_with_serde(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let found = quoted(json.as_bytes(), 0).unwrap();
            prop_assert_eq!(found.end, json.len() - 1);
            prop_assert_eq!(unescape(&json.as_bytes()[1..found.end]), Some(text));
        }

        #[test]
        fn never_panics(raw: Vec<u8>) {
            if let Some(text) = unescape(&raw) {
                prop_assert!(text.len() <= raw.len());
            }
            let _found = quoted(&raw, 0);
        }
    }
}
