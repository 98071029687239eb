//! The stages that read and decompress the layer.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender};

use layerhold_sys::Cancel;

use crate::codec::{Codec, decompressor_from_buffered};
use crate::pipeline::ImportError;
use crate::pipeline::block::{Block, Message, Pool, SharedBlock};
use crate::pipeline::digest::{ContentSum, Summer};

/// The receivers of a stage's output.
pub(crate) type Outlets = Vec<SyncSender<Message<SharedBlock>>>;

/// Sends a block to all receivers; returns whether all of them still exist.
fn send_to_all(outlets: &Outlets, block: Block) -> bool {
    let block = SharedBlock::new(block);
    outlets.iter().all(|outlet| {
        outlet
            .send(Message::Next(SharedBlock::clone(&block)))
            .is_ok()
    })
}

fn end(outlets: &Outlets) {
    for outlet in outlets {
        // A receiver that is gone has failed and reports its own error.
        layerhold_sys::best_effort(outlet.send(Message::End));
    }
}

/// Reads the source to its end, beginning with a block that is filled already, and hashes it on the
/// way; returns `None` if a receiver is gone.
pub(crate) fn read(
    mut source: impl Read,
    first: (Block, bool),
    mut pool: Pool,
    mut summer: Summer,
    outlets: Outlets,
    cancel: &Cancel,
) -> Result<Option<ContentSum>, ImportError> {
    let (mut block, mut at_end) = first;
    loop {
        cancel.check().map_err(ImportError::Cancelled)?;
        summer.update(block.filled());
        if !block.filled().is_empty() && !send_to_all(&outlets, block) {
            return Ok(None);
        }
        if at_end {
            break;
        }
        block = pool.take();
        at_end = block.fill(&mut source).map_err(ImportError::Read)?;
    }
    end(&outlets);
    Ok(Some(summer.finish()))
}

/// Hashes all blocks; returns `None` if the stream was abandoned.
pub(crate) fn sum(
    inlet: &Receiver<Message<SharedBlock>>,
    known: Option<[u8; 32]>,
) -> Option<ContentSum> {
    let mut summer = Summer::new(known);
    loop {
        match inlet.recv().ok()? {
            Message::Next(block) => summer.update(block.filled()),
            Message::End => return Some(summer.finish()),
        }
    }
}

/// Decompresses the stream.
pub(crate) fn decompress(
    codec: Codec,
    inlet: Receiver<Message<SharedBlock>>,
    mut pool: Pool,
    outlets: Outlets,
) -> Result<(), ImportError> {
    let mut input = Input::new(inlet);
    let decompressed = decompress_to(codec, &mut input, &mut pool, &outlets);
    // The previous stage failed, and reports its own error.
    if !input.abandoned && decompressed? {
        end(&outlets);
    }
    Ok(())
}

/// Returns whether all output found a receiver.
fn decompress_to(
    codec: Codec,
    input: &mut Input,
    pool: &mut Pool,
    outlets: &Outlets,
) -> Result<bool, ImportError> {
    let mut content = decompressor_from_buffered(codec, input).map_err(ImportError::Codec)?;
    loop {
        let mut block = pool.take();
        let at_end = block
            .fill(&mut content)
            .map_err(|source| ImportError::Decompress { codec, source })?;
        if !block.filled().is_empty() && !send_to_all(outlets, block) {
            return Ok(false);
        }
        if at_end {
            return Ok(true);
        }
    }
}

/// The compressed stream as a reader.
struct Input {
    inlet: Receiver<Message<SharedBlock>>,
    block: Option<SharedBlock>,
    position: usize,
    ended: bool,
    /// The previous stage failed.
    abandoned: bool,
}

impl Input {
    fn new(inlet: Receiver<Message<SharedBlock>>) -> Self {
        Self {
            inlet,
            block: None,
            position: 0,
            ended: false,
            abandoned: false,
        }
    }

    fn rest(&self) -> &[u8] {
        let filled = self.block.as_ref().map(|block| block.filled());
        filled
            .and_then(|filled| filled.get(self.position..))
            .unwrap_or_default()
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest().is_empty() && !self.ended {
            self.block = None;
            self.position = 0;
            match self.inlet.recv() {
                Ok(Message::Next(block)) => self.block = Some(block),
                Ok(Message::End) => self.ended = true,
                Err(_) => {
                    self.abandoned = true;
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount;
    }
}

impl Read for Input {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let count = available.read(target)?;
        self.consume(count);
        Ok(count)
    }
}
