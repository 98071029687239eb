//! When a certificate is valid.
//!
//! The library that verifies chains keeps this to itself, and a certificate that is trusted by
//! itself has no chain.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Tags of DER (ITU-T X.690).
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Tells whether a time, in seconds since 1970, lies in the validity of a certificate (RFC 5280,
/// section 4.1). Nothing else of the certificate is checked; a malformed one is never valid.
pub(crate) fn is_valid_at(certificate: &[u8], seconds: u64) -> bool {
    let now = i64::try_from(seconds).ok();
    let now = now.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let now = now.map(|now| {
        now.to_zoned(TimeZone::UTC)
            .strftime("%Y%m%d%H%M%SZ")
            .to_string()
    });
    match (validity(certificate), now) {
        (Some((first, last)), Some(now)) => first <= now && now <= last,
        _ => false,
    }
}

/// The first and the last second, with four digits for the year.
fn validity(certificate: &[u8]) -> Option<(String, String)> {
    let (certificate, _) = value(certificate, SEQUENCE)?;
    let (rest, _) = value(certificate, SEQUENCE)?;
    let rest = value(rest, VERSION).map_or(rest, |(_, rest)| rest);
    let (_serial, rest) = value(rest, INTEGER)?;
    let (_algorithm, rest) = value(rest, SEQUENCE)?;
    let (_issuer, rest) = value(rest, SEQUENCE)?;
    let (times, _) = value(rest, SEQUENCE)?;
    let (first, rest) = time(times)?;
    let (last, _) = time(rest)?;
    Some((first, last))
}

fn time(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (time, rest) = match value(bytes, GENERALIZED_TIME) {
        Some((time, rest)) => (std::str::from_utf8(time).ok()?.to_owned(), rest),
        None => {
            let (time, rest) = value(bytes, UTC_TIME)?;
            let time = std::str::from_utf8(time).ok()?;
            // Two digits for the year, of 1950 to 2049.
            let century = if time < "5" { "20" } else { "19" };
            (format!("{century}{time}"), rest)
        }
    };
    let digits = time.strip_suffix('Z')?;
    let is_time = digits.len() == 14 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then_some((time, rest))
}

/// Splits off the first value, which must have a tag.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // The length of the length: three bytes are enough for a certificate.
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let number = length
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (number, rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value of DER.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut bytes = vec![tag];
        match u8::try_from(length) {
            Ok(short @ 0..0x80) => bytes.push(short),
            Ok(byte) => bytes.extend([0x81, byte]),
            Err(_) => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        bytes.extend_from_slice(content);
        bytes
    }

    fn certificate(with_version: bool, first: (u8, &str), last: (u8, &str)) -> Vec<u8> {
        let times = [
            der(first.0, first.1.as_bytes()),
            der(last.0, last.1.as_bytes()),
        ]
        .concat();
        let version = der(VERSION, &der(INTEGER, &[2]));
        let body = [
            if with_version { version } else { Vec::new() },
            der(INTEGER, &[1; 20]),
            der(SEQUENCE, &[5, 0]),
            der(SEQUENCE, &[0; 300]),
            der(SEQUENCE, &times),
            der(SEQUENCE, b"subject"),
        ];
        der(SEQUENCE, &der(SEQUENCE, &body.concat()))
    }

    #[test]
    fn times() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let now = u64::try_from(now.as_second()).unwrap();
        let (utc, full) = (UTC_TIME, GENERALIZED_TIME);
        for (first, last, expected) in [
            ((utc, "260101000000Z"), (utc, "270101000000Z"), true),
            ((utc, "261130120000Z"), (utc, "261130120000Z"), true),
            ((utc, "261130120001Z"), (utc, "270101000000Z"), false),
            ((utc, "500101000000Z"), (utc, "261130115959Z"), false),
            ((utc, "991231235959Z"), (full, "20500101000000Z"), true),
            ((full, "20260101000000Z"), (utc, "490101000000Z"), true),
            ((full, "20260101000000Z"), (utc, "500101000000Z"), false),
            ((utc, "260101000000"), (utc, "270101000000Z"), false),
            ((utc, "2601010000Z"), (utc, "270101000000Z"), false),
            ((SEQUENCE, "260101000000Z"), (utc, "270101000000Z"), false),
        ] {
            for with_version in [true, false] {
                let certificate = certificate(with_version, first, last);
                assert_eq!(
                    is_valid_at(&certificate, now),
                    expected,
                    "{first:?} {last:?}"
                );
            }
        }
        assert!(!is_valid_at(b"", now) && !is_valid_at(&[0x30, 0x84, 0, 0, 0, 0], now));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let _is_valid = is_valid_at(&bytes, 0);
        }
    }
}
