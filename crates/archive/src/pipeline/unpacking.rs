//! The stages that write the tree.
//!
//! Creating an entry costs the kernel about as much as filling a file, so these are two stages: the
//! first goes through the entries in order and creates them by name, the second writes the files
//! that the first has opened. Their order is visible only to a hard link, which gives a file
//! attributes that its own entry would then overwrite. So the first stage waits for the second
//! before it creates a hard link.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use layerhold_sys::Cancel;
use layerhold_tar_format::EntryKind;

use crate::pipeline::block::{Message, SharedBlock};
use crate::pipeline::parse::{Batch, Step};
use crate::pipeline::{ImportError, ImportLimit, ImportOptions};
use crate::unpack::{OpenFile, Summary, UnpackError, Unpacker};

/// Open files in one message.
const FILES: usize = 16;
/// Messages that may wait; with [`FILES`] this limits the open descriptors.
pub(crate) const BODIES_WAITING: usize = 4;

/// A message with file contents to write.
#[derive(Debug)]
pub(crate) enum Bodies {
    Write {
        block: SharedBlock,
        steps: Vec<Body>,
    },
    /// Answer once everything before this is done.
    Sync(SyncSender<()>),
}

/// One step for a file.
#[derive(Debug)]
pub(crate) enum Body {
    Open(OpenFile),
    Write {
        offset: u64,
        start: usize,
        length: usize,
    },
    End,
}

/// Creates all entries; returns `None` if the stream was abandoned or the other stage is gone.
pub(crate) fn unpack(
    unpacker: Unpacker,
    inlet: &Receiver<Message<Batch>>,
    outlet: SyncSender<Bodies>,
    options: &ImportOptions,
) -> Result<Option<Summary>, ImportError> {
    let mut names = Names {
        max_entries: options.max_entries.unwrap_or(u64::MAX),
        unpacker,
        outlet,
        steps: Vec::new(),
        files: 0,
        has_file: false,
        is_synced: true,
    };
    loop {
        match inlet.recv() {
            Ok(Message::Next(batch)) => {
                options.cancel.check().map_err(ImportError::Cancelled)?;
                if names.carry_out(batch)?.is_none() {
                    return Ok(None);
                }
            }
            Ok(Message::End) => break,
            Err(_) => return Ok(None),
        }
    }
    let Names { unpacker, .. } = names;
    unpacker.finish().map(Some).map_err(ImportError::Unpack)
}

struct Names {
    max_entries: u64,
    unpacker: Unpacker,
    outlet: SyncSender<Bodies>,
    steps: Vec<Body>,
    files: usize,
    /// The current entry has a file, which the other stage has or will get.
    has_file: bool,
    /// Nothing was sent since the last wait.
    is_synced: bool,
}

/// `None` if the other stage has failed.
type Handed = Option<()>;

impl Names {
    fn carry_out(&mut self, batch: Batch) -> Result<Handed, ImportError> {
        let Batch { block, steps } = batch;
        for step in steps {
            match step {
                Step::Begin(header) => {
                    if self.files >= FILES && self.hand_over(&block).is_none() {
                        return Ok(None);
                    }
                    let is_link = header.kind == EntryKind::HardLink;
                    if is_link && self.wait(&block).is_none() {
                        return Ok(None);
                    }
                    self.unpacker.begin(&header).map_err(ImportError::Unpack)?;
                    if self.unpacker.entries() > self.max_entries {
                        let limit = ImportLimit::Entries(self.max_entries);
                        return Err(ImportError::TooLarge(limit));
                    }
                    let file = self.unpacker.take_file();
                    self.has_file = file.is_some();
                    if let Some(file) = file {
                        self.files += 1;
                        self.steps.push(Body::Open(file));
                    }
                }
                Step::Write {
                    offset,
                    start,
                    length,
                } if self.has_file => self.steps.push(Body::Write {
                    offset,
                    start,
                    length,
                }),
                Step::End if self.has_file => self.steps.push(Body::End),
                Step::Write { .. } | Step::End => {}
            }
        }
        Ok(self.hand_over(&block))
    }

    fn hand_over(&mut self, block: &SharedBlock) -> Handed {
        if self.steps.is_empty() {
            return Some(());
        }
        self.files = 0;
        self.is_synced = false;
        let bodies = Bodies::Write {
            block: SharedBlock::clone(block),
            steps: std::mem::take(&mut self.steps),
        };
        self.outlet.send(bodies).ok()
    }

    fn wait(&mut self, block: &SharedBlock) -> Handed {
        self.hand_over(block)?;
        if !self.is_synced {
            let (done, is_done) = sync_channel(1);
            self.outlet.send(Bodies::Sync(done)).ok()?;
            is_done.recv().ok()?;
            self.is_synced = true;
        }
        Some(())
    }
}

/// Writes all received files; returns how many extended attributes were skipped.
pub(crate) fn write(inlet: &Receiver<Bodies>, cancel: &Cancel) -> Result<u64, ImportError> {
    let mut current = None;
    let mut skipped = 0;
    // The other stage closes the channel when it is done or has failed.
    while let Ok(bodies) = inlet.recv() {
        cancel.check().map_err(ImportError::Cancelled)?;
        match bodies {
            Bodies::Sync(done) => layerhold_sys::best_effort(done.send(())),
            Bodies::Write { block, steps } => {
                for step in steps {
                    skipped += write_step(&mut current, step, block.filled())
                        .map_err(ImportError::Unpack)?;
                }
            }
        }
    }
    Ok(skipped)
}

fn write_step(
    current: &mut Option<OpenFile>,
    step: Body,
    bytes: &[u8],
) -> Result<u64, UnpackError> {
    match (step, &current) {
        (Body::Open(file), _) => *current = Some(file),
        (
            Body::Write {
                offset,
                start,
                length,
            },
            Some(file),
        ) => {
            let data = bytes.get(start..start + length).unwrap_or_default();
            file.write_at(offset, data)?;
        }
        (Body::End, Some(_)) => return current.take().map_or(Ok(0), OpenFile::finish),
        (Body::Write { .. } | Body::End, None) => {}
    }
    Ok(0)
}
