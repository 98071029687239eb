//! The contents of layers.

use std::io::{Result, Write};

use crate::random::Random;
use crate::tar_builder::TarEntry;

/// Contents are made in pieces of this many bytes, each partly random.
const PIECE: usize = 4096;
/// Files of one directory.
const FILES_IN_DIRECTORY: usize = 100;
const TAR_BLOCK: u64 = 512;
/// What is not random: text that shrinks well.
const TEXT: &[u8] = b"A layer of the test kit holds this line again and again.\n";

/// What a layer contains: regular files, in directories of a hundred.
#[derive(Debug, Clone)]
#[must_use]
pub struct Layer {
    files: usize,
    size: u64,
    entropy: u8,
    naming: Option<String>,
}

impl Layer {
    /// `count` files of `size` bytes each.
    pub fn files(count: usize, size: u64) -> Self {
        Self {
            files: count,
            size,
            entropy: 50,
            naming: None,
        }
    }

    /// One file of `size` bytes.
    pub fn file(size: u64) -> Self {
        Self::files(1, size)
    }

    /// Sets how much of the content is random and cannot be compressed: 0 to 100 percent, 50 by
    /// default.
    pub fn entropy(mut self, percent: u8) -> Self {
        self.entropy = percent.min(100);
        self
    }

    /// The layer that tells one platform's image from the others.
    pub(super) fn naming(platform: &str) -> Self {
        Self {
            naming: Some(platform.into()),
            ..Self::files(0, 0)
        }
    }

    /// Writes the tar. `index` is the layer's place in the image.
    pub(super) fn write(&self, out: &mut impl Write, seed: u64, index: usize) -> Result<()> {
        if let Some(name) = &self.naming {
            out.write_all(&TarEntry::file("platform", name).to_bytes())?;
        }
        let mut random = Random::new(seed.wrapping_add((index as u64) << 32));
        for number in 0..self.files {
            let directory = format!("layer{index}/{}", number / FILES_IN_DIRECTORY);
            if number == 0 {
                out.write_all(&TarEntry::dir(format!("layer{index}")).to_bytes())?;
            }
            if number % FILES_IN_DIRECTORY == 0 {
                out.write_all(&TarEntry::dir(&directory).to_bytes())?;
            }
            let name = format!("{directory}/file{number}");
            out.write_all(&TarEntry::file(name, b"").claim_size(self.size).to_bytes())?;
            self.write_content(out, &mut random)?;
        }
        out.write_all(&[0; 2 * TAR_BLOCK as usize])
    }

    fn write_content(&self, out: &mut impl Write, random: &mut Random) -> Result<()> {
        let mut piece: Vec<u8> = TEXT.iter().copied().cycle().take(PIECE).collect();
        let random_part = PIECE * usize::from(self.entropy) / 100;
        let mut left = self.size;
        while left > 0 {
            random.fill(&mut piece[..random_part]);
            let part = left.min(PIECE as u64);
            out.write_all(&piece[..part as usize])?;
            left -= part;
        }
        let padding = self.size.next_multiple_of(TAR_BLOCK) - self.size;
        out.write_all(&[0; TAR_BLOCK as usize][..padding as usize])
    }
}
