//! The stage that writes the tree.

use std::sync::mpsc::Receiver;

use crate::pipeline::block::Piece;
use crate::pipeline::parse::{Batch, Step};
use crate::pipeline::{Cancel, ImportError};
use crate::unpack::{Summary, UnpackError, Unpacker};

/// Unpacks all entries; `None` if the stream was abandoned.
pub(crate) fn unpack(
    mut unpacker: Unpacker,
    inlet: Receiver<Piece<Batch>>,
    cancel: &Cancel,
) -> Result<Option<Summary>, ImportError> {
    loop {
        match inlet.recv() {
            Ok(Piece::Next(batch)) => {
                if cancel.is_cancelled() {
                    return Err(ImportError::Cancelled);
                }
                carry_out(&mut unpacker, &batch).map_err(ImportError::Unpack)?;
            }
            Ok(Piece::End) => break,
            Err(_) => return Ok(None),
        }
    }
    unpacker.finish().map(Some).map_err(ImportError::Unpack)
}

fn carry_out(unpacker: &mut Unpacker, batch: &Batch) -> Result<(), UnpackError> {
    let bytes = batch.block.filled();
    for step in &batch.steps {
        match step {
            Step::Begin(header) => unpacker.begin(header)?,
            Step::Write {
                offset,
                start,
                length,
            } => {
                let data = bytes.get(*start..*start + *length).unwrap_or_default();
                unpacker.write_at(*offset, data)?;
            }
            Step::End => unpacker.end()?,
        }
    }
    Ok(())
}
