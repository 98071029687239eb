//! Copying streams in large pieces.

use std::io::{self, Read, Write};

use layerhold_sys::{Cancel, Cancelled};

/// The size of the pieces that are read, hashed, written and reported: large enough to make the
/// cost of calls negligible.
pub(crate) const PIECE: usize = 256 * 1024;

/// Why a copy ended early.
#[derive(Debug)]
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies a stream to its end, unless it is cancelled.
pub(crate) fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    cancel: &Cancel,
) -> Result<(), CopyError> {
    let mut piece = vec![0; PIECE];
    loop {
        let stopped = |cancelled: Cancelled| CopyError::Read(cancelled.into());
        cancel.check().map_err(stopped)?;
        let got = match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        to.write_all(piece.get(..got).unwrap_or_default())
            .map_err(CopyError::Write)?;
    }
}
