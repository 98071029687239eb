use std::fmt;

use crate::crc64_blocks::{BLOCK, shorten};

/// A CRC-64/GO-ISO checksum in tar-split's form: big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum(pub [u8; 8]);

impl Checksum {
    /// The checksum of empty data.
    pub const EMPTY: Self = Self([0; 8]);
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

/// Computes CRC-64/GO-ISO (Go: hash/crc64, table `ISO`), ten gigabytes per second and more.
///
/// ```
/// use layerhold_tar_split::Crc64;
/// let mut crc = Crc64::new();
/// crc.update(b"12345");
/// crc.update(b"6789");
/// assert_eq!(crc.checksum().to_string(), "b90956c775a41001");
/// ```
#[derive(Clone, Debug)]
pub struct Crc64 {
    /// The register, inverted, lowest power of x in the highest bit.
    state: u64,
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

const WORD: usize = 8;

/// The block algorithm pays off from this number of blocks.
const LEAST_BLOCKS: usize = 3;

impl Crc64 {
    /// Begins with empty data.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: !0 }
    }

    /// Adds bytes.
    pub fn update(&mut self, data: &[u8]) {
        let mut state = self.state;
        let (blocks, mut rest) = data.as_chunks::<BLOCK>();
        match blocks.split_last() {
            Some((last, earlier)) if earlier.len() + 1 >= LEAST_BLOCKS => {
                let left = shorten(state, earlier, last);
                state = 0;
                for word in left.as_flattened().as_flattened() {
                    state = times_x64(state ^ word);
                }
            }
            _ => rest = data,
        }
        let (words, bytes) = rest.as_chunks::<WORD>();
        for word in words {
            state = times_x64(state ^ u64::from_le_bytes(*word));
        }
        for &byte in bytes {
            state = times_x8(state ^ u64::from(byte));
        }
        self.state = state;
    }

    /// The checksum of all bytes added so far.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        Checksum((!self.state).to_be_bytes())
    }

    /// The checksum of one piece of data.
    #[must_use]
    pub fn of(data: &[u8]) -> Checksum {
        let mut crc = Self::new();
        crc.update(data);
        crc.checksum()
    }
}

// The polynomial is x^64 + x^4 + x^3 + x + 1, so multiplying by x^64 is multiplying by x^4 + x^3 +
// x + 1: a few shifts, no table.

/// Multiplies by x^64 and reduces.
#[inline(always)]
fn times_x64(state: u64) -> u64 {
    let folded = state ^ state << 63 ^ state << 61 ^ state << 60;
    folded ^ folded >> 1 ^ folded >> 3 ^ folded >> 4
}

/// Multiplies by x^8 and reduces.
#[inline(always)]
fn times_x8(state: u64) -> u64 {
    let out = state << 56;
    state >> 8 ^ out ^ out >> 1 ^ out >> 3 ^ out >> 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, bit by bit.
    fn reference(data: &[u8]) -> u64 {
        const POLYNOMIAL: u64 = 0xd800_0000_0000_0000;
        let mut state = !0u64;
        for &byte in data {
            state ^= u64::from(byte);
            for _ in 0..8 {
                state = if state & 1 == 1 {
                    state >> 1 ^ POLYNOMIAL
                } else {
                    state >> 1
                };
            }
        }
        !state
    }

    #[test]
    fn the_vectors_of_go() {
        for (data, expected) in [
            ("", 0),
            ("a", 0x3420_0000_0000_0000),
            ("ab", 0x36c4_2000_0000_0000),
            ("abc", 0x3776_c420_0000_0000),
            ("123456789", 0xb909_56c7_75a4_1001),
        ] {
            assert_eq!(
                u64::from_be_bytes(Crc64::of(data.as_bytes()).0),
                expected,
                "{data}"
            );
        }
    }

    /// Pseudo-random bytes.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(length)
        .collect()
    }

    #[test]
    fn long_data_equals_the_definition_around_the_limits_of_blocks() {
        let data = noise(40 * BLOCK);
        for blocks in [1, 2, 3, 4, 5, 16, 17, 39] {
            for more in [0, 1, 7, 8, 9, 63, 64, 255, 256, 2047, BLOCK - 1] {
                let data = &data[..blocks * BLOCK + more];
                let mut crc = Crc64::new();
                let (start, rest) = data.split_at(more);
                crc.update(start);
                crc.update(rest);
                assert_eq!(
                    u64::from_be_bytes(crc.checksum().0),
                    reference(data),
                    "{blocks} blocks and {more} bytes"
                );
                assert_eq!(Crc64::of(data), crc.checksum());
            }
        }
    }

    proptest! {
        #[test]
        fn equals_the_definition_however_it_is_cut(
            data in proptest::collection::vec(any::<u8>(), 0..700),
            cuts in proptest::collection::vec(0usize..700, 0..4),
        ) {
            let mut crc = Crc64::new();
            let mut rest = data.as_slice();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                crc.update(piece);
                rest = tail;
            }
            crc.update(rest);
            prop_assert_eq!(u64::from_be_bytes(crc.checksum().0), reference(&data));
        }
    }
}
