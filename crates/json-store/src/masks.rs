//! Finding the bytes that structure JSON, 64 at a time.

/// Bytes in a block.
pub(crate) const BLOCK: usize = 64;

/// For each kind of byte a word in which bit `i` tells of byte `i` of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Masks {
    pub(crate) quote: u64,
    pub(crate) backslash: u64,
    /// Brackets of both kinds, and colons.
    pub(crate) structure: u64,
}

/// Classifies a block.
///
/// Written so that the compiler makes vector instructions of the comparisons;
/// naming these instructions would take `unsafe` code.
#[inline]
pub(crate) fn classify(block: &[u8; BLOCK]) -> Masks {
    let backslashes = flags(block, |byte| byte == b'\\');
    // Most blocks have none, and finding that out is cheaper than gathering the bits.
    let any = backslashes.iter().fold(0, |any, flag| any | flag) != 0;
    Masks {
        quote: gather(&flags(block, |byte| byte == b'"')),
        backslash: if any { gather(&backslashes) } else { 0 },
        structure: gather(&flags(block, |byte| {
            // `[` and `{`, and `]` and `}`, differ in this bit only.
            let folded = byte | 0x20;
            (byte == b':') | (folded == b'{') | (folded == b'}')
        })),
    }
}

/// One for each byte that is wanted, zero for the others.
#[inline]
fn flags(block: &[u8; BLOCK], is_wanted: impl Fn(u8) -> bool) -> [u8; BLOCK] {
    block.map(|byte| u8::from(is_wanted(byte)))
}

/// Makes one bit of each flag, the first one lowest.
#[inline]
fn gather(flags: &[u8; BLOCK]) -> u64 {
    let mut mask = 0;
    let (words, _) = flags.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        // The product has the lowest bits of the eight bytes side by side at its top.
        let bits = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (position * 8);
    }
    mask
}

/// What a block inherits from the one before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carry {
    /// All ones inside a string.
    in_string: u64,
    /// One if the last byte was a backslash that escapes the next byte.
    escape: u64,
}

impl Carry {
    /// Whether the text so far ends inside a string.
    pub(crate) fn is_in_string(self) -> bool {
        self.in_string != 0
    }

    /// Tells which bytes of a block are inside strings (an opening quote is, a closing one is not).
    #[inline]
    pub(crate) fn strings(&mut self, masks: &Masks) -> u64 {
        let mut escaped = self.escape;
        self.escape = 0;
        // A backslash that is itself escaped escapes nothing.
        let mut escaping = masks.backslash & !escaped;
        while escaping != 0 {
            let position = escaping.trailing_zeros();
            if position == 63 {
                self.escape = 1;
                break;
            }
            escaped |= 2 << position;
            escaping &= !(3 << position);
        }
        let mut inside = masks.quote & !escaped;
        // Each bit becomes the parity of the quotes up to it.
        inside ^= inside << 1;
        inside ^= inside << 2;
        inside ^= inside << 4;
        inside ^= inside << 8;
        inside ^= inside << 16;
        inside ^= inside << 32;
        inside ^= self.in_string;
        self.in_string = if inside >> 63 == 0 { 0 } else { u64::MAX };
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow(block: &[u8; BLOCK]) -> Masks {
        let mask = |bytes: &[u8]| {
            let bits = block.iter().enumerate();
            bits.fold(0, |mask, (position, byte)| {
                mask | (u64::from(bytes.contains(byte)) << position)
            })
        };
        Masks {
            quote: mask(b"\""),
            backslash: mask(b"\\"),
            structure: mask(b"{}[]:"),
        }
    }

    fn slow_strings(text: &[u8]) -> Vec<bool> {
        let (mut inside, mut escaped) = (false, false);
        let step = |byte: &u8| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => inside = !inside,
                _ => {}
            }
            inside
        };
        text.iter().map(step).collect()
    }

    #[test]
    fn every_byte_in_every_place() {
        for byte in 0..=255_u8 {
            for position in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[position] = byte;
                assert_eq!(classify(&block), slow(&block));
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_way(text in prop::collection::vec(prop::sample::select(&b"\"\\{}[]:,a\x00\xff\x7b"[..]), 256)) {
            let mut carry = Carry::default();
            let mut inside = Vec::new();
            for block in text.as_chunks::<BLOCK>().0 {
                let masks = classify(block);
                prop_assert_eq!(masks, slow(block));
                let bits = carry.strings(&masks);
                inside.extend((0..BLOCK).map(|position| bits >> position & 1 == 1));
            }
            prop_assert_eq!(inside, slow_strings(&text));
        }
    }
}
