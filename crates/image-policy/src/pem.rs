//! PEM blocks (Go: `encoding/pem`). Text around blocks is skipped, and blocks with headers are not
//! read.

use crate::base64;

/// A block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// What is in it, such as `CERTIFICATE`.
    pub(crate) label: &'a str,
    pub(crate) contents: Vec<u8>,
}

/// The first block, and what comes after the line that ends it. `None` if there is no block, or
/// the first one is damaged.
pub(crate) fn first(text: &[u8]) -> Option<(Block<'_>, &[u8])> {
    let mut rest = text;
    let label = loop {
        let (line, after) = next_line(rest)?;
        rest = after;
        if let Some(label) = between(line, b"-----BEGIN ") {
            break label;
        }
    };
    let mut digits = String::new();
    loop {
        let (line, after) = next_line(rest)?;
        rest = after;
        if line.starts_with(b"-----") {
            let contents = base64::decode(&digits)?;
            let ends_block = between(line, b"-----END ") == Some(label);
            return ends_block.then_some((Block { label, contents }, rest));
        }
        digits.extend(std::str::from_utf8(line).ok()?.split([' ', '\t']));
    }
}

/// All blocks. `None` if there is anything else after the first, or one is damaged.
pub(crate) fn all(text: &[u8]) -> Option<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        let (block, after) = first(rest)?;
        blocks.push(block);
        rest = after;
    }
    Some(blocks)
}

/// The text of a line between its beginning and five hyphens.
fn between<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a str> {
    let label = line.strip_prefix(start)?.strip_suffix(b"-----")?;
    std::str::from_utf8(label).ok()
}

/// The first line without white space at its end, and what follows it. `None` at the end.
fn next_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (text.get(..end)?, text.get(end + 1..)?),
        None => (text, &[][..]),
    };
    Some((line.trim_ascii_end(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let text = b"text\n-----BEGIN A B-----\r\nYW\r\n J j\t\r\n-----END A B-----  \nrest";
        let (block, rest) = first(text).unwrap();
        assert_eq!((block.label, block.contents), ("A B", b"abc".to_vec()));
        assert_eq!(rest, b"rest");
        assert_eq!(all(text), None);
        let two = b"-----BEGIN A-----\nYQ==\n-----END A-----\n-----BEGIN B-----\n-----END B-----";
        let labels: Vec<_> = all(two).unwrap().iter().map(|block| block.label).collect();
        assert_eq!(labels, ["A", "B"]);
        assert_eq!(all(b" \n"), Some(vec![]));
    }

    #[test]
    fn damaged_blocks() {
        for text in [
            "",
            "-----BEGIN A-----",
            "-----BEGIN A-----\nYQ==\n",
            "-----BEGIN A-----\nYQ==\n-----END B-----\n",
            "-----BEGIN A-----\nYQ=\n-----END A-----\n",
            "-----BEGIN A-----\nK: v\n\nYQ==\n-----END A-----\n",
            "-----BEGIN A-----\nYQ==\n-----END A-----x\n",
            "-----BEGIN A----\nYQ==\n-----END A-----\n",
            "x-----BEGIN A-----\nYQ==\n-----END A-----\n",
            "-----BEGIN A-----\n\u{e9}\n-----END A-----\n",
        ] {
            assert_eq!(first(text.as_bytes()), None, "{text:?}");
        }
    }
}
