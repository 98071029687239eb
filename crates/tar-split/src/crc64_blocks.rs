//! CRC-64 of long data without tables, shifts or special instructions.
//!
//! The polynomial means x^64 = x^4 + x^3 + x + 1. In this arithmetic, squaring only doubles the
//! exponents, so squaring nine times gives x^32768 = x^2048 + x^1536 + x^512 + 1. In lines of 512
//! bits: instead of keeping a line, it can be added to the lines 60, 61, 63 and 64 after it. Whole
//! lines are added to whole lines, which every vector unit can do, until only the last 64 are left.

/// Size of 64 lines, the distance that a line is carried at most.
pub(crate) const BLOCK: usize = 4096;

const LINE_WORDS: usize = 8;
const GROUP_LINES: usize = 4;
const GROUP: usize = GROUP_LINES * LINE_WORDS * size_of::<u64>();
pub(crate) const GROUPS: usize = BLOCK / GROUP;

type Line = [u64; LINE_WORDS];
/// Lines that are computed together: they need two neighbouring groups of earlier ones.
pub(crate) type Group = [Line; GROUP_LINES];

const NOTHING: Group = [[0; LINE_WORDS]; GROUP_LINES];

/// Processes all data but its last block, and returns words that replace the data and that block:
/// with them, a register of 0 gets the same value. `register` is the one before the data.
#[inline(never)]
pub(crate) fn shorten(
    register: u64,
    blocks: &[[u8; BLOCK]],
    last: &[u8; BLOCK],
) -> [Group; GROUPS] {
    let mut lines = carry(register, blocks);
    let (input, _) = last.as_chunks::<GROUP>();
    let mut rest = lines.as_mut_slice();
    for input in input {
        let Some((oldest, behind)) = std::mem::take(&mut rest).split_first_mut() else {
            break;
        };
        // After the last of the earlier lines, nothing is carried this far.
        let later = behind.first().unwrap_or(&NOTHING);
        *oldest = sum(words(input), carried(oldest, later));
        rest = behind;
    }
    if blocks.is_empty() {
        lines[0][0][0] ^= register;
    }
    lines
}

/// Computes the last 64 lines of some blocks, including what earlier lines add to them.
fn carry(register: u64, blocks: &[[u8; BLOCK]]) -> [Group; GROUPS] {
    let mut lines = [NOTHING; GROUPS];
    let mut register = register;
    for block in blocks {
        let (input, _) = block.as_chunks::<GROUP>();
        let mut rest = lines.as_mut_slice();
        let mut first = NOTHING;
        for (index, input) in input.iter().enumerate() {
            let Some((oldest, behind)) = std::mem::take(&mut rest).split_first_mut() else {
                break;
            };
            let mut input = words(input);
            input[0][0] ^= std::mem::take(&mut register);
            let later = behind.first().unwrap_or(&first);
            *oldest = sum(input, carried(oldest, later));
            if index == 0 {
                first = *oldest;
            }
            rest = behind;
        }
    }
    lines
}

/// The sum that a group gets from the groups sixteen and fifteen before it.
#[inline(always)]
fn carried(oldest: &Group, later: &Group) -> Group {
    let ([a, b, c, d], [e, f, g, h]) = (oldest, later);
    [
        add(add(*a, b), &add(*d, e)),
        add(add(*b, c), &add(*e, f)),
        add(add(*c, d), &add(*f, g)),
        add(add(*d, e), &add(*g, h)),
    ]
}

#[inline(always)]
fn sum(mut group: Group, other: Group) -> Group {
    for (line, other) in group.iter_mut().zip(&other) {
        *line = add(*line, other);
    }
    group
}

#[inline(always)]
fn add(mut line: Line, other: &Line) -> Line {
    for (word, other) in line.iter_mut().zip(other) {
        *word ^= other;
    }
    line
}

#[inline(always)]
fn words(bytes: &[u8; GROUP]) -> Group {
    let mut group = NOTHING;
    let (bytes, _) = bytes.as_chunks();
    for (word, bytes) in group.as_flattened_mut().iter_mut().zip(bytes) {
        *word = u64::from_le_bytes(*bytes);
    }
    group
}
