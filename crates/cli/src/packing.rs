//! Packing a directory on one thread while another one reads the archive.

use std::io::{self, BufWriter, PipeReader, PipeWriter, Write};
use std::path::PathBuf;

use layerhold_archive::{PackError, PackOptions, pack};
use layerhold_sys::Dir;
use layerhold_tar_format::WriteError;

/// The first failure.
#[derive(Debug)]
pub(crate) enum Interrupted<E> {
    /// The pipe or thread between them cannot be created.
    Pipe(io::Error),
    /// The directory cannot be packed.
    Pack(PackError),
    /// The reader failed.
    Read(E),
}

/// Runs `read` on the archive of a directory.
pub(crate) fn while_packing<T, E>(
    tree: &Dir,
    options: &PackOptions,
    read: impl FnOnce(PipeReader) -> Result<T, E>,
) -> Result<T, Interrupted<E>> {
    while_writing(|out| pack(tree, options, out), read)
}

/// Runs `read` on an archive while `write` writes it.
pub(crate) fn while_writing<T, E>(
    write: impl FnOnce(BufWriter<PipeWriter>) -> Result<BufWriter<PipeWriter>, PackError> + Send,
    read: impl FnOnce(PipeReader) -> Result<T, E>,
) -> Result<T, Interrupted<E>> {
    let (pipe, packed) = io::pipe().map_err(Interrupted::Pipe)?;
    std::thread::scope(|scope| {
        // If this fails, the reader sees an archive without an end.
        let packing = scope.spawn(|| write(BufWriter::new(packed))?.flush().map_err(lost));
        let read = read(pipe);
        let packed = packing.join().unwrap_or(Ok(()));
        match (packed, read) {
            // The first failure is the cause: the other side only saw the end of the stream.
            (Err(error), read) if !is_broken_pipe(&error) || read.is_ok() => {
                Err(Interrupted::Pack(error))
            }
            (_, read) => read.map_err(Interrupted::Read),
        }
    })
}

/// The end of the stream could not be written.
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
