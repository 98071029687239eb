//! Rebuilds an archive in blocks whose contents another thread can check.

use std::io::BufRead;
use std::ops::Range;

use crate::rebuild::{ContentSource, Rebuild};
use crate::{Checksum, Crc64, RebuildError};

/// Size of a block.
const SIZE: usize = 256 << 10;

/// A part of a rebuilt archive. Only a [`ContentCheck`] gives access to its bytes.
#[derive(Debug, Default)]
pub struct Block {
    data: Vec<u8>,
    length: usize,
    checks: Checks,
}

/// The checks of a block, in order.
pub(crate) type Checks = Vec<Check>;

/// A part of one file's content.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) range: Range<usize>,
    /// If this is the last part: the recorded size and checksum of the file.
    pub(crate) end: Option<Expected>,
}

/// The recorded size and checksum of a file.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) name: Vec<u8>,
    pub(crate) checksum: Checksum,
}

impl<R: BufRead, S: ContentSource> Rebuild<R, S> {
    /// Reads the next part of the archive without checking its contents. Returns whether there was
    /// one.
    ///
    /// A block can be reused, which saves memory. All blocks have to pass one [`ContentCheck`], in
    /// order.
    ///
    /// # Errors
    ///
    /// If the tar-split file is damaged, or a file is missing, cannot be read or has another size.
    pub fn next_block(&mut self, block: &mut Block) -> Result<bool, RebuildError> {
        block.data.resize(SIZE, 0);
        block.checks.clear();
        block.length = self.fill(&mut block.data, Some(&mut block.checks))?;
        Ok(block.length > 0)
    }
}

/// Checks the contents of an archive, block by block.
///
/// ```
/// use layerhold_tar_split::{Block, ContentCheck, Rebuild, Skeleton};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lines = "{\"type\":2,\"payload\":\"dHdvIGJsb2Nrcw==\",\"position\":0}\n";
/// let none = |_: &[u8]| Err(std::io::ErrorKind::NotFound.into());
/// let mut archive = Rebuild::new(Skeleton::from_lines(lines.as_bytes()), none);
/// let (mut block, mut check) = (Block::default(), ContentCheck::default());
/// assert!(archive.next_block(&mut block)?);
/// assert_eq!(check.check(&mut block)?, b"two blocks");
/// assert!(!archive.next_block(&mut block)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ContentCheck {
    crc: Crc64,
}

impl ContentCheck {
    /// Checks a block and returns its bytes.
    ///
    /// # Errors
    ///
    /// [`RebuildError::Checksum`] if the content of a file has changed.
    pub fn check<'b>(&mut self, block: &'b mut Block) -> Result<&'b [u8], RebuildError> {
        for Check { range, end } in block.checks.drain(..) {
            self.crc.update(block.data.get(range).unwrap_or_default());
            let Some(Expected { name, checksum }) = end else {
                continue;
            };
            let actual = std::mem::take(&mut self.crc).checksum();
            if actual != checksum {
                block.length = 0;
                return Err(RebuildError::Checksum {
                    name,
                    expected: checksum,
                    actual,
                });
            }
        }
        Ok(block.bytes())
    }
}

impl Block {
    /// The bytes, even if they are not checked.
    fn bytes(&self) -> &[u8] {
        self.data.get(..self.length).unwrap_or_default()
    }

    /// Returns the bytes of a block that was checked; empty if it was not.
    #[must_use]
    pub fn checked(&self) -> &[u8] {
        match self.checks.is_empty() {
            true => self.bytes(),
            false => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_checked_is_not_given_away() {
        let mut block = Block {
            data: b"abc".to_vec(),
            length: 3,
            checks: vec![Check {
                range: 0..3,
                end: Some(Expected {
                    name: b"f".to_vec(),
                    checksum: Crc64::of(b"abd"),
                }),
            }],
        };
        assert_eq!(block.checked(), b"");
        let error = ContentCheck::default().check(&mut block).unwrap_err();
        assert!(matches!(error, RebuildError::Checksum { .. }));
        assert_eq!(block.checked(), b"");
    }
}
