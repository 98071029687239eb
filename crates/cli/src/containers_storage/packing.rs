//! Packing a directory on one thread while another one reads the archive.

use std::io::{self, BufWriter, PipeReader, Write};
use std::path::PathBuf;

use layerhold_archive::{PackError, PackOptions, pack};
use layerhold_sys::Dir;
use layerhold_tar_format::WriteError;

/// What went wrong first.
#[derive(Debug)]
pub(super) enum Interrupted<E> {
    /// There is nothing to connect the two by.
    Pipe(io::Error),
    /// The directory cannot be packed.
    Pack(PackError),
    /// The reader failed.
    Read(E),
}

/// Has `read` read the archive of a directory.
pub(super) fn while_packing<T, E>(
    tree: &Dir,
    options: &PackOptions,
    read: impl FnOnce(PipeReader) -> Result<T, E>,
) -> Result<T, Interrupted<E>> {
    let (pipe, packed) = io::pipe().map_err(Interrupted::Pipe)?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(|| {
            // The reader sees an archive without an end when this fails.
            pack(tree, options, BufWriter::new(packed))?
                .flush()
                .map_err(lost)
        });
        let read = read(pipe);
        let packed = packing.join().unwrap_or(Ok(()));
        match (packed, read) {
            // What broke off first is the cause: the other side only saw the end of the stream.
            (Err(error), read) if !is_broken_pipe(&error) || read.is_ok() => {
                Err(Interrupted::Pack(error))
            }
            (_, read) => read.map_err(Interrupted::Read),
        }
    })
}

/// The end of the stream was not taken.
fn lost(error: io::Error) -> PackError {
    PackError::Write {
        entry: PathBuf::new(),
        source: WriteError::Destination(error),
    }
}

/// Whether the reader of the stream was gone.
fn is_broken_pipe(error: &PackError) -> bool {
    let PackError::Write { source, .. } = error else {
        return false;
    };
    matches!(source, WriteError::Destination(error) if error.kind() == io::ErrorKind::BrokenPipe)
}
