use std::io::Read;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use layerhold_sys::{Cancel, Cancelled, no_brief_lock};
use layerhold_tar_format::{EventSink, Parser};

use crate::codec::Codec;
use crate::pipeline::block::{Block, Pool};
use crate::pipeline::digest::{ContentSum, Summer};
use crate::pipeline::{ImportError, ImportOptions, parse, source, unpacking};
use crate::unpack::{Summary, Unpacker};

/// Number and size of the buffers of a compressed stream: 1 MiB together.
const STORED: (usize, usize) = (4, 256 * 1024);
/// Number and size of the buffers of the uncompressed stream: 4 MiB together. Larger ones make
/// fewer and longer writes, which are slower if the page cache allocates large folios on a machine
/// short of contiguous memory.
const CONTENT: (usize, usize) = (16, 256 * 1024);
/// Blocks that may wait between two stages; the pools set the real limit.
const WAITING: usize = 32;

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// How the layer is compressed.
    pub codec: Codec,
    /// Digest and length as stored.
    pub compressed: ContentSum,
    /// Digest and length of the uncompressed archive, including everything after its end marker.
    /// The same as `compressed` if the layer is not compressed.
    pub uncompressed: ContentSum,
    /// What was unpacked.
    pub unpacked: Summary,
}

/// Reads a layer once, to its end. Recognises its compression, hashes it as stored and
/// uncompressed, parses it, passes every byte to `sink` (which may record its structure) and
/// unpacks it.
///
/// The stages run on threads that end before this returns; `sink` is called on the calling thread.
/// Their buffers take about 5 MiB, whatever the size of the layer.
///
/// # Errors
/// See [`ImportError`]. The tree is incomplete then, and `sink` has seen only the beginning.
pub fn import(
    mut reader: impl Read + Send,
    sink: &mut dyn EventSink,
    unpacker: Unpacker,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    no_brief_lock("an archive is read and hashed");
    let mut stored = Pool::new(STORED.0, STORED.1);
    let mut first = stored.take();
    let at_end = first.fill(&mut reader).map_err(ImportError::Read)?;
    let codec = Codec::sniff(first.filled());
    std::thread::scope(|scope| {
        run(
            scope,
            reader,
            (first, at_end),
            stored,
            codec,
            sink,
            unpacker,
            options,
        )
    })
}

/// Starts the stages and waits for all of them.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one call, taken apart once"
)]
fn run<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    reader: impl Read + Send + 'scope,
    first: (Block, bool),
    stored: Pool,
    codec: Codec,
    sink: &mut dyn EventSink,
    unpacker: Unpacker,
    options: &'scope ImportOptions,
) -> Result<Imported, ImportError> {
    let cancel: &'scope Cancel = &options.cancel;
    let content = Pool::new(CONTENT.0, CONTENT.1);
    let (to_parser, from_content) = sync_channel(WAITING);
    let (to_summer, to_sum) = sync_channel(WAITING);
    let (to_unpacker, to_unpack) = sync_channel(WAITING);
    let outlets = vec![to_summer, to_parser];

    let (to_writer, to_write) = sync_channel(unpacking::BODIES_WAITING);
    let writing = spawn(scope, "write", move || unpacking::write(&to_write, cancel))?;
    let unpacking = spawn(scope, "unpack", move || {
        unpacking::unpack(unpacker, &to_unpack, to_writer, options)
    })?;
    let plain = codec == Codec::Plain;
    let known_stored = match plain {
        // Both streams are the same; the other thread hashes it, and this one only counts.
        true => Some([0; 32]),
        false => options.known_compressed,
    };
    let known = options.known_uncompressed;
    let summing = spawn(scope, "hash", move || Ok(source::sum(&to_sum, known)))?;
    let stored_sum = Summer::new(known_stored);
    let (reading, decompressing) = if plain {
        let read = move || source::read(reader, first, content, stored_sum, outlets, cancel);
        (spawn(scope, "read", read)?, None)
    } else {
        let (to_decompressor, to_decompress) = sync_channel(WAITING);
        let decompress = move || source::decompress(codec, to_decompress, content, outlets);
        let decompressing = spawn(scope, "decompress", decompress)?;
        let outlets = vec![to_decompressor];
        let read = move || source::read(reader, first, stored, stored_sum, outlets, cancel);
        (spawn(scope, "read", read)?, Some(decompressing))
    };

    let parsed = parse::parse(
        Parser::with_limits(options.limits),
        &from_content,
        sink,
        &to_unpacker,
        options,
    );
    // Dropping these ends stops stages that still wait to send.
    drop(from_content);
    drop(to_unpacker);

    // If several stages failed, the error of the one furthest upstream is returned: the others may
    // follow from it.
    let stored_sum = join(reading)?;
    decompressing.map_or(Ok(()), join)?;
    let parsed = parsed?;
    let unpacked = join(unpacking);
    let skipped_xattrs = join(writing)?;
    let unpacked = unpacked?;
    let uncompressed = join(summing)?;
    match (parsed, unpacked, stored_sum, uncompressed) {
        (true, Some(mut unpacked), Some(stored_sum), Some(uncompressed)) => {
            unpacked.skipped_xattrs += skipped_xattrs;
            Ok(Imported {
                codec,
                compressed: match plain {
                    true => uncompressed.with_known(options.known_compressed),
                    false => stored_sum,
                },
                uncompressed,
                unpacked,
            })
        }
        // Apart from this one case, a stage stops without an error only because another one has an
        // error, which was returned above.
        _ => Err(ImportError::Cancelled(Cancelled)),
    }
}

type Joined<'scope, T> = ScopedJoinHandle<'scope, Result<T, ImportError>>;

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> Result<T, ImportError> + Send + 'scope,
) -> Result<Joined<'scope, T>, ImportError> {
    Builder::new()
        .name(format!("layer {name}"))
        .spawn_scoped(scope, work)
        .map_err(ImportError::Thread)
}

/// Waits for a stage to end. Only the caller's reader can have caused a panic.
fn join<T>(handle: Joined<'_, T>) -> Result<T, ImportError> {
    handle.join().unwrap_or_else(|panic| resume_unwind(panic))
}
