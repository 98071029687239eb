//! The stage that parses the archive.

use std::sync::mpsc::{Receiver, SyncSender};

use layerhold_tar_format::{Event, EventSink, Header, Parser};

use crate::pipeline::block::{Message, SharedBlock};
use crate::pipeline::{ImportError, ImportLimit, ImportOptions};

/// The unpacker's steps for one block.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) block: SharedBlock,
    pub(crate) steps: Vec<Step>,
}

/// One step, in the order of the archive.
#[derive(Debug)]
pub(crate) enum Step {
    Begin(Box<Header>),
    /// Write a part of the block at an offset of the file.
    Write {
        offset: u64,
        start: usize,
        length: usize,
    },
    End,
}

/// Parses the stream, and passes every byte to the sink and every entry to the unpacker. Returns
/// whether it reached the end.
pub(crate) fn parse(
    mut parser: Parser,
    inlet: &Receiver<Message<SharedBlock>>,
    sink: &mut (impl EventSink + ?Sized),
    outlet: &SyncSender<Message<Batch>>,
    options: &ImportOptions,
) -> Result<bool, ImportError> {
    let mut size = Size {
        max: options.max_unpacked_bytes.unwrap_or(u64::MAX),
        archive: 0,
        contents: 0,
    };
    loop {
        let block = match inlet.recv() {
            Ok(Message::Next(block)) => block,
            Ok(Message::End) => break,
            Err(_) => return Ok(false),
        };
        options.cancel.check().map_err(ImportError::Cancelled)?;
        size.add_block(block.filled())?;
        let steps = parse_block(&mut parser, block.filled(), sink, &mut size)?;
        if !steps.is_empty() && outlet.send(Message::Next(Batch { block, steps })).is_err() {
            return Ok(false);
        }
    }
    if let Some(event) = parser.finish().map_err(ImportError::Archive)? {
        sink.event(&event).map_err(ImportError::Record)?;
    }
    // If the unpacker is gone, it has failed and reports its own error.
    Ok(outlet.send(Message::End).is_ok())
}

/// What was unpacked so far. Contents are counted by their headers, before a byte is written.
struct Size {
    max: u64,
    archive: u64,
    contents: u64,
}

impl Size {
    fn add_block(&mut self, block: &[u8]) -> Result<(), ImportError> {
        self.archive = self.archive.saturating_add(block.len() as u64);
        self.check()
    }

    fn add_entry(&mut self, header: &Header) -> Result<(), ImportError> {
        self.contents = self.contents.saturating_add(header.content_size());
        self.check()
    }

    fn check(&self) -> Result<(), ImportError> {
        match self.archive.max(self.contents) > self.max {
            true => Err(ImportError::TooLarge(ImportLimit::UnpackedBytes(self.max))),
            false => Ok(()),
        }
    }
}

fn parse_block(
    parser: &mut Parser,
    block: &[u8],
    sink: &mut (impl EventSink + ?Sized),
    size: &mut Size,
) -> Result<Vec<Step>, ImportError> {
    let mut steps = Vec::new();
    let mut rest = block;
    loop {
        let event = parser.advance(&mut rest).map_err(ImportError::Archive)?;
        let Some(event) = event else {
            return Ok(steps);
        };
        sink.event(&event).map_err(ImportError::Record)?;
        match event {
            Event::Entry { header, .. } => {
                size.add_entry(header)?;
                steps.push(Step::Begin(Box::new(header.clone())));
            }
            // The data is the end of the consumed part.
            Event::Payload { data, offset } => steps.push(Step::Write {
                offset,
                start: block.len() - rest.len() - data.len(),
                length: data.len(),
            }),
            Event::EndOfEntry => steps.push(Step::End),
            _ => {}
        }
    }
}
