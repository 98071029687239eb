//! Base64 as Go's `encoding/base64` reads it: line breaks are skipped, and bits that are left over
//! need not be zero.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Decodes a text; `None` if it is not base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    ENGINE.decode(digits).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_reads_is_read() {
        for (text, wanted) in [
            ("", Some("")),
            ("YQ==", Some("a")),
            ("YW\r\nI=", Some("ab")),
            ("YQ=\n=", Some("a")),
            ("YR==", Some("a")),
            ("YQ", None),
            ("YQ=", None),
            ("YQ== ", None),
            ("YQ===", None),
            ("YQ==YQ==", None),
            ("Y-==", None),
        ] {
            let wanted = wanted.map(|text| text.as_bytes().to_vec());
            assert_eq!(decode(text), wanted, "{text:?}");
        }
    }
}
