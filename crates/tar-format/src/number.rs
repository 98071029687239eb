//! Numbers in tar headers: octal, GNU base-256 and the decimal numbers of PAX records, read as in
//! Go (archive/tar/strconv.go).

/// Reads a decimal number with an optional sign, as Go's `strconv.ParseInt` does.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads a number field: base-256 if its first bit is set, octal otherwise.
pub(crate) fn parse_numeric(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => parse_base256(field),
        _ => parse_octal(field),
    }
}

/// Reads an octal field, padded on either side with spaces and NULs; an empty field is 0.
pub(crate) fn parse_octal(field: &[u8]) -> Option<i64> {
    let is_padding = |b: &u8| *b == b' ' || *b == 0;
    let start = field
        .iter()
        .position(|b| !is_padding(b))
        .unwrap_or(field.len());
    let mut value: u64 = 0;
    let mut rest = field.get(start..)?.iter();
    for &byte in rest.by_ref() {
        match byte {
            b'0'..=b'7' => {
                value = value.checked_mul(8)?.checked_add(u64::from(byte - b'0'))?;
            }
            // Everything after a NUL is ignored, even digits.
            0 => return Some(value.cast_signed()),
            b' ' => break,
            _ => return None,
        }
    }
    // After a space only padding may follow; Go trims it before it parses.
    rest.all(is_padding).then_some(value.cast_signed())
}

/// Reads a two's-complement big-endian number; its first bit only marks the encoding.
fn parse_base256(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    let inversion: u8 = if first & 0x40 != 0 { 0xff } else { 0 };
    let mut value: u64 = 0;
    for (index, &byte) in field.iter().enumerate() {
        let mut byte = byte ^ inversion;
        if index == 0 {
            byte &= 0x7f;
        }
        if value >> 56 != 0 {
            return None;
        }
        value = value << 8 | u64::from(byte);
    }
    if value >> 63 != 0 {
        return None;
    }
    let value = value.cast_signed();
    Some(if inversion == 0 { value } else { !value })
}

/// Whether a number fits into an octal field of `width` bytes, the last of which is NUL.
pub(crate) fn fits_octal(width: usize, value: i64) -> bool {
    let bits = (width.saturating_sub(1)) * 3;
    value >= 0 && (bits >= 63 || value < 1 << bits)
}

/// Writes `value` with leading zeros and a final NUL; returns false if it does not fit.
pub(crate) fn write_octal(field: &mut [u8], value: i64) -> bool {
    if !fits_octal(field.len(), value) {
        write_octal(field, 0);
        return false;
    }
    let mut rest = value;
    for (back, byte) in field.iter_mut().rev().enumerate() {
        if back == 0 {
            *byte = 0;
            continue;
        }
        *byte = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(field: &[u8], expected: Option<i64>) {
        assert_eq!(parse_numeric(field), expected, "{field:?}");
    }

    #[test]
    fn octal_fields() {
        check(b"0000000\0", Some(0));
        check(b" \x0000123 \0", Some(0o123));
        check(b"0123456\0", Some(0o123_456));
        check(b"12 \0", Some(0o12));
        check(b"1\x002zz", Some(1));
        check(b"", Some(0));
        check(b"\0\0\0", Some(0));
        check(b"12 3", None);
        check(b"12 \x003", None);
        check(b"8", None);
        check(b"+1", None);
        check(b"-1", None);
        check(b"777777777777777777777777", None);
    }

    #[test]
    fn base256_fields() {
        check(b"\x80", Some(0));
        check(b"\xff", Some(-1));
        check(b"\xff\xff", Some(-1));
        check(b"\xbf", Some((1 << 6) - 1));
        check(b"\xc0", Some(-1 << 6));
        check(
            b"\x80\0\0\0\0\0\0\x07\x76\xa2\x22\xeb\x8a\x72\x61",
            Some(537_795_476_381_659_745),
        );
        check(
            b"\x80\0\0\0\x07\x76\xa2\x22\xeb\x8a\x72\x61",
            Some(537_795_476_381_659_745),
        );
        check(b"\xf7\xff\xff\xff\xff\xff\xff\xff", Some(-(1 << 59) - 1));
        check(b"\x80\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0", None);
        check(
            b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
            None,
        );
    }

    #[test]
    fn octal_limits() {
        assert!(fits_octal(8, 0o7_777_777));
        assert!(!fits_octal(8, 0o10_000_000));
        assert!(fits_octal(12, 0o77_777_777_777));
        assert!(!fits_octal(12, 0o100_000_000_000));
        assert!(!fits_octal(12, -1));
        let mut field = [0xaa; 8];
        assert!(!write_octal(&mut field, -1));
        assert_eq!(&field, b"0000000\0");
    }

    proptest! {
        #[test]
        fn octal_round_trips(value in 0..0o77_777_777_777i64) {
            let mut field = [0; 12];
            prop_assert!(write_octal(&mut field, value));
            prop_assert_eq!(parse_octal(&field), Some(value));
        }

        #[test]
        fn no_field_panics(field in proptest::collection::vec(any::<u8>(), 0..24)) {
            parse_numeric(&field);
        }
    }
}
