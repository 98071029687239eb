//! Random IDs.

/// Number of leading characters that must not all be decimal digits (Go: pkg/stringid/stringid.go).
const CHECKED_BYTES: usize = 6;
/// The most draws from a source of randomness. A good one needs a second draw once in 282 times.
const MAX_DRAWS: usize = 256;

pub(crate) fn from_random(bytes: [u8; 32]) -> Option<String> {
    let decimal = |byte: &u8| byte >> 4 <= 9 && byte & 0xf <= 9;
    if bytes.iter().take(CHECKED_BYTES).all(decimal) {
        return None;
    }
    Some(hex::encode(bytes))
}

pub(crate) fn generate(mut fill: impl FnMut(&mut [u8])) -> Option<String> {
    (0..MAX_DRAWS).find_map(|_| {
        let mut bytes = [0; 32];
        fill(&mut bytes);
        from_random(bytes)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{LayerId, is_canonical_id};

    #[test]
    fn digits_in_front_are_drawn_again() {
        let mut draws = [[0x12; 32], [0x99; 32], [0xab; 32]].into_iter();
        let id = LayerId::generate(|buffer| buffer.copy_from_slice(&draws.next().unwrap()));
        assert_eq!(id.unwrap(), "ab".repeat(32).as_str());
    }

    #[test]
    fn digits_after_the_short_form_do_not_matter() {
        let mut bytes = [0x11; 32];
        bytes[5] = 0x1a;
        let expected = format!("{}1a{}", "11".repeat(5), "11".repeat(26));
        assert_eq!(LayerId::from_random(bytes).unwrap(), expected.as_str());
        bytes[5] = 0x11;
        bytes[6] = 0x1a;
        assert_eq!(LayerId::from_random(bytes), None);
    }

    #[test]
    fn a_broken_source_ends() {
        let mut calls = 0;
        assert_eq!(LayerId::generate(|_| calls += 1), None);
        assert_eq!(calls, super::MAX_DRAWS);
    }

    proptest! {
        #[test]
        fn generated_ids_are_canonical_and_no_number(bytes: [u8; 32]) {
            if let Some(id) = LayerId::from_random(bytes) {
                prop_assert!(is_canonical_id(id.as_str()));
                prop_assert!(id.short().parse::<i64>().is_err());
            }
        }
    }
}
