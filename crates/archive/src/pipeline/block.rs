//! Reusable buffers for passing data between threads.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A pool of buffers for the thread that fills them.
///
/// Their number is limited: [`Pool::take`] waits until a consumer has released one. That bounds the
/// memory of an import, and slows a fast stage down to the speed of a slow one.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Receiver<Vec<u8>>,
    home: SyncSender<Vec<u8>>,
    /// Buffers that may still be allocated.
    unallocated: usize,
    size: usize,
}

/// A filled buffer, which returns to its pool when the last user drops it.
pub(crate) struct Block {
    bytes: Vec<u8>,
    length: usize,
    home: SyncSender<Vec<u8>>,
}

/// A buffer shared by the stages that only read it.
pub(crate) type SharedBlock = Arc<Block>;

impl Pool {
    pub(crate) fn new(count: usize, size: usize) -> Self {
        let (home, free) = sync_channel(count);
        Self {
            free,
            home,
            unallocated: count,
            size,
        }
    }

    /// Returns an empty buffer; waits until one is free.
    pub(crate) fn take(&mut self) -> Block {
        let bytes = match self.free.try_recv() {
            Ok(bytes) => bytes,
            Err(_) if self.unallocated > 0 => {
                self.unallocated -= 1;
                vec![0; self.size]
            }
            // The pool holds a sender itself, so the channel cannot be closed; a new buffer would
            // be right in any case.
            Err(_) => self.free.recv().unwrap_or_else(|_| vec![0; self.size]),
        };
        Block {
            bytes,
            length: 0,
            home: self.home.clone(),
        }
    }
}

impl Block {
    /// The filled part.
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Reads until the buffer is full or the source ends; returns whether it ended.
    pub(crate) fn fill(&mut self, source: &mut (impl Read + ?Sized)) -> io::Result<bool> {
        loop {
            let space = self.bytes.get_mut(self.length..).unwrap_or_default();
            if space.is_empty() {
                return Ok(false);
            }
            match source.read(space) {
                Ok(0) => return Ok(true),
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // If this fails, the pool is gone, and the buffer is not needed.
        layerhold_sys::best_effort(self.home.try_send(std::mem::take(&mut self.bytes)));
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("length", &self.length)
            .finish()
    }
}

/// A message from one stage to the next.
#[derive(Debug)]
pub(crate) enum Message<T> {
    /// Something to work on.
    Next(T),
    /// The stream is complete. A channel that closes without this message was abandoned by a stage
    /// that failed.
    End,
}
