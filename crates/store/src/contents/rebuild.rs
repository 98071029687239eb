//! Rebuilds the tar of a layer on two threads: one reads the files, the caller's verifies
//! checksums.

use std::fs::File;
use std::io;
use std::io::{BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use layerhold_sys::best_effort;
use layerhold_tar_split::{Block, ContentCheck, ContentSource, Rebuild, RebuildError, Skeleton};

/// The blocks that may be queued.
const MAX_QUEUED: usize = 3;

/// A tar being rebuilt. Dropping it stops the other thread at its next block.
pub(crate) struct Rebuilt {
    /// `None` marks the end. A thread that panicked sends none.
    blocks: Receiver<Result<Option<Block>, RebuildError>>,
    empty: SyncSender<Block>,
    check: ContentCheck,
    block: Block,
    /// The bytes of the block that were read.
    taken: usize,
    is_over: bool,
}

impl Rebuilt {
    /// Starts rebuilding.
    pub(crate) fn start(
        tar_split: File,
        source: impl ContentSource + Send + 'static,
    ) -> io::Result<Self> {
        let (send, blocks) = sync_channel(MAX_QUEUED);
        let (empty, to_fill) = sync_channel::<Block>(MAX_QUEUED + 2);
        let read = move || {
            let mut archive = Rebuild::new(Skeleton::from_gzip(tar_split), source);
            loop {
                let mut block = to_fill.try_recv().unwrap_or_default();
                let read = archive.next_block(&mut block);
                let is_last = !matches!(read, Ok(true));
                let sent = send.send(read.map(|is_block| is_block.then_some(block)));
                if is_last || sent.is_err() {
                    return;
                }
            }
        };
        drop(
            std::thread::Builder::new()
                .name("layer diff".to_owned())
                .spawn(read)?,
        );
        Ok(Self {
            blocks,
            empty,
            check: ContentCheck::default(),
            block: Block::default(),
            taken: 0,
            is_over: false,
        })
    }

    /// Takes the next block.
    fn advance(&mut self) -> io::Result<()> {
        self.taken = 0;
        let used = std::mem::take(&mut self.block);
        // This fails if the thread has ended, which then needs no more blocks.
        best_effort(self.empty.try_send(used));
        let next = self.blocks.recv();
        self.is_over = !matches!(next, Ok(Ok(Some(_))));
        let next =
            next.map_err(|_| io::Error::other("the thread that reads the files has died"))?;
        if let Some(mut block) = next.map_err(io::Error::from)? {
            if let Err(error) = self.check.check(&mut block) {
                self.is_over = true;
                return Err(error.into());
            }
            self.block = block;
        }
        Ok(())
    }
}

impl BufRead for Rebuilt {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.is_over && self.taken >= self.block.checked().len() {
            self.advance()?;
        }
        Ok(self.block.checked().get(self.taken..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.taken = self.taken.saturating_add(amount);
    }
}

impl Read for Rebuilt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}
