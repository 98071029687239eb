//! Writes gzip in blocks of a fixed size, so that several threads can compress them.
//!
//! The result is one member (RFC 1952), as `pigz` makes it: each block ends at a byte with an empty
//! stored block, and the next one begins with the last 32 KiB before it as its dictionary. Several
//! members would need no dictionaries, but some readers stop after the first member, and the
//! dictionaries keep the result as small as that of one thread.
//!
//! Where a block ends depends on the input alone. So the bytes do not depend on the number of
//! threads.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The bytes that are compressed by one thread at a time. A block of this size costs its thread a
/// few milliseconds, and the marks between blocks a few bytes.
pub(super) const BLOCK: usize = 512 << 10;

/// How far back a match may lie.
const WINDOW: usize = 32 << 10;

/// More than this is not needed to keep all threads busy: blocks that wait beside those in work.
const WAITING: usize = 1;

/// Compresses what is written to it into another writer, on threads of its own if there are to be
/// several.
pub(super) struct GzipWriter<W> {
    writer: W,
    level: Compression,
    threads: usize,
    /// Starts with the first block that is not the last, so that short streams need no threads.
    workers: Option<Workers>,
    /// What the next block will hold.
    input: Vec<u8>,
    /// The end of the block before.
    dictionary: Vec<u8>,
    crc: Crc,
    has_header: bool,
}

impl<W: Write> GzipWriter<W> {
    pub(super) fn new(writer: W, level: Compression, threads: usize) -> Self {
        Self {
            writer,
            level,
            threads,
            workers: None,
            input: Vec::new(),
            dictionary: Vec::new(),
            crc: Crc::new(),
            has_header: false,
        }
    }

    /// Writes the last block and the trailer.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.send(FlushCompress::Finish)?;
        self.drain(0)?;
        self.begin()?;
        let trailer = [
            self.crc.sum().to_le_bytes(),
            self.crc.amount().to_le_bytes(),
        ];
        self.writer.write_all(&trailer.concat())?;
        Ok(self.writer)
    }

    /// Ends the block that was begun.
    fn send(&mut self, end: FlushCompress) -> io::Result<()> {
        let mut input = std::mem::take(&mut self.input);
        let rest = input.len().saturating_sub(WINDOW);
        let last = input.get(rest..).unwrap_or_default().to_vec();
        let dictionary = std::mem::replace(&mut self.dictionary, last);
        let block = Block {
            input,
            dictionary,
            end,
        };
        let is_only = matches!(end, FlushCompress::Finish) && self.workers.is_none();
        if !is_only && self.threads > 1 && self.workers.is_none() {
            self.workers = Workers::start(self.threads, self.level);
        }
        if let Some(workers) = &mut self.workers {
            workers.give(block)?;
            return self.drain(self.threads + WAITING);
        }
        let packed = pack(block, self.level)?;
        input = self.write(packed)?;
        input.clear();
        self.input = input;
        Ok(())
    }

    /// Writes blocks until at most this many are left in work.
    fn drain(&mut self, left: usize) -> io::Result<()> {
        while let Some(packed) = self.workers.as_mut().and_then(|all| all.take(left)) {
            let mut input = self.write(packed?)?;
            input.clear();
            if self.input.capacity() == 0 {
                self.input = input;
            }
        }
        Ok(())
    }

    /// Writes a block, and returns its input for use again.
    fn write(&mut self, packed: Packed) -> io::Result<Vec<u8>> {
        self.begin()?;
        self.crc.combine(&packed.crc);
        self.writer.write_all(&packed.output)?;
        Ok(packed.input)
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.has_header {
            return Ok(());
        }
        self.has_header = true;
        self.writer.write_all(&header(self.level))
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full block may be the last one, so it waits for more.
        if self.input.len() >= BLOCK && !bytes.is_empty() {
            self.send(FlushCompress::Sync)?;
        }
        let space = BLOCK - self.input.len();
        let taken = bytes.get(..space).unwrap_or(bytes);
        self.input.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Ends a block here, so the result depends on where a stream is flushed.
    fn flush(&mut self) -> io::Result<()> {
        if !self.input.is_empty() {
            self.send(FlushCompress::Sync)?;
        }
        self.drain(0)?;
        self.begin()?;
        self.writer.flush()
    }
}

/// The header without name and time. One byte tells how hard the compressor tried (RFC 1952, XFL),
/// the last one that the system is not told.
fn header(level: Compression) -> [u8; 10] {
    let effort = match level.level() {
        9.. => 2,
        0..=1 => 4,
        _ => 0,
    };
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 0xff]
}

/// A part of the stream.
struct Block {
    input: Vec<u8>,
    dictionary: Vec<u8>,
    end: FlushCompress,
}

/// A compressed block.
struct Packed {
    input: Vec<u8>,
    output: Vec<u8>,
    crc: Crc,
}

/// Compresses a block.
///
/// Each has a compressor of its own: one that is reset and used again chooses other matches, by
/// what it compressed before.
fn pack(block: Block, level: Compression) -> io::Result<Packed> {
    let Block {
        input,
        dictionary,
        end,
    } = block;
    let mut crc = Crc::new();
    crc.update(&input);
    let mut compress = Compress::new(level, false);
    if !dictionary.is_empty() {
        let _adler32 = compress.set_dictionary(&dictionary)?;
    }
    // Enough for data that cannot be compressed, so that one call does.
    let mut output = Vec::with_capacity(input.len() + input.len() / 8 + 64);
    loop {
        let done = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = input.get(done..).unwrap_or_default();
        let status = compress.compress_vec(rest, &mut output, end)?;
        let is_flushed = compress.total_in() == input.len() as u64
            && output.len() < output.capacity()
            && matches!(end, FlushCompress::Sync);
        if is_flushed || status == Status::StreamEnd {
            return Ok(Packed { input, output, crc });
        }
        output.reserve(input.len() / 8 + 64);
    }
}

/// Threads that compress blocks. When this is dropped, they end after the few blocks
/// that they were given.
struct Workers {
    blocks: Sender<Job>,
    /// The results in the order of the blocks.
    results: VecDeque<Receiver<io::Result<Packed>>>,
}

struct Job {
    block: Block,
    result: SyncSender<io::Result<Packed>>,
}

impl Workers {
    /// Starts threads, fewer if the system has no more; `None` if it has none.
    fn start(threads: usize, level: Compression) -> Option<Self> {
        let (blocks, jobs) = channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        let mut started = 0;
        for _ in 0..threads {
            let jobs = Arc::clone(&jobs);
            let thread = std::thread::Builder::new().name("gzip".to_owned());
            started += usize::from(thread.spawn(move || work(&jobs, level)).is_ok());
        }
        (started > 0).then(|| Self {
            blocks,
            results: VecDeque::new(),
        })
    }

    /// Gives a block to the next thread that is free.
    fn give(&mut self, block: Block) -> io::Result<()> {
        let (result, receiver) = sync_channel(1);
        let given = self.blocks.send(Job { block, result });
        given.map_err(|_| died())?;
        self.results.push_back(receiver);
        Ok(())
    }

    /// Waits for the oldest block if more than `left` are in work.
    fn take(&mut self, left: usize) -> Option<io::Result<Packed>> {
        if self.results.len() <= left {
            return None;
        }
        let result = self.results.pop_front()?.recv();
        Some(result.unwrap_or_else(|_| Err(died())))
    }
}

fn died() -> io::Error {
    io::Error::other("a thread that compresses has died")
}

fn work(jobs: &Mutex<Receiver<Job>>, level: Compression) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, result }) = next else {
            return;
        };
        // The writer may have been dropped.
        layerhold_sys::best_effort(result.send(pack(block, level)));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Text of numbers, in an order without a pattern.
    fn text(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut text = Vec::with_capacity(length + 8);
        while text.len() < length {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = (state >> 16) % 3000;
            text.extend_from_slice((word * word % 90_001).to_string().as_bytes());
        }
        text.truncate(length);
        text
    }

    fn packed(text: &[u8], level: u32, threads: usize, piece: usize) -> Vec<u8> {
        let mut writer = GzipWriter::new(Vec::new(), Compression::new(level), threads);
        for piece in text.chunks(piece) {
            writer.write_all(piece).unwrap();
            let in_work = writer.workers.as_ref().map_or(0, |all| all.results.len());
            assert!(in_work <= threads + WAITING, "{in_work}");
        }
        writer.finish().unwrap()
    }

    /// Reads one member, and nothing after it.
    #[track_caller]
    fn check(packed: &[u8], expected: &[u8]) {
        let mut reader = flate2::bufread::GzDecoder::new(packed);
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        assert!(back == expected, "{} bytes", expected.len());
        assert_eq!(reader.into_inner(), b"");
    }

    #[test]
    fn the_result_does_not_depend_on_threads_or_on_how_it_is_written() {
        let whole = text(3 * BLOCK + 7);
        for length in [
            0,
            1,
            WINDOW,
            BLOCK - 1,
            BLOCK,
            BLOCK + 1,
            3 * BLOCK,
            whole.len(),
        ] {
            let text = &whole[..length];
            let one = packed(text, 6, 1, BLOCK);
            check(&one, text);
            for (threads, piece) in [(1, 1000), (2, 1000), (3, BLOCK + 1), (3, usize::MAX)] {
                assert!(one == packed(text, 6, threads, piece), "{length} {threads}");
            }
        }
    }

    #[test]
    fn every_level_is_one_member() {
        let text = text(2 * BLOCK + 100);
        for level in 1..=9 {
            check(&packed(&text, level, 2, 100_000), &text);
        }
    }

    #[test]
    fn what_cannot_be_compressed_grows_little() {
        let text: Vec<u8> = text(2 * BLOCK).chunks(9).flat_map(Sha::of).collect();
        let packed = packed(&text, 6, 2, 100_000);
        check(&packed, &text);
        assert!(packed.len() < text.len() + text.len() / 1000);
    }

    /// Bytes without any pattern.
    struct Sha;

    impl Sha {
        fn of(text: &[u8]) -> [u8; 32] {
            use sha2::Digest as _;
            sha2::Sha256::digest(text).into()
        }
    }

    #[test]
    fn blocks_cost_less_than_a_hundredth() {
        let text = text(4 * BLOCK);
        for level in [1, 6, 9] {
            let level = Compression::new(level);
            let mut whole = flate2::write::GzEncoder::new(Vec::new(), level);
            whole.write_all(&text).unwrap();
            let whole = whole.finish().unwrap();
            let blocks = packed(&text, level.level(), 2, BLOCK);
            assert!(
                blocks.len() <= whole.len() + whole.len() / 100,
                "{} {}",
                blocks.len(),
                whole.len()
            );
        }
    }

    #[test]
    fn short_streams_need_no_threads() {
        let text = text(BLOCK);
        let mut writer = GzipWriter::new(Vec::new(), Compression::default(), 3);
        writer.write_all(&text).unwrap();
        assert!(writer.workers.is_none());
        check(&writer.finish().unwrap(), &text);
    }

    #[test]
    fn a_flush_ends_a_block() {
        let text = text(2 * BLOCK);
        for threads in [1, 2] {
            let mut writer = GzipWriter::new(Vec::new(), Compression::default(), threads);
            writer.write_all(&text[..1000]).unwrap();
            writer.flush().unwrap();
            let mut so_far = vec![0; 1000];
            let mut reader = flate2::bufread::GzDecoder::new(&*writer.writer);
            reader.read_exact(&mut so_far).unwrap();
            assert!(so_far == text[..1000]);
            writer.flush().unwrap();
            writer.write_all(&text[1000..]).unwrap();
            writer.flush().unwrap();
            check(&writer.finish().unwrap(), &text);
        }
    }

    /// Takes so many bytes, then fails.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.0.min(bytes.len());
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_error_of_the_writer_is_returned() {
        let text = text(8 * BLOCK);
        for threads in [1, 3] {
            for space in [0, 5, 100_000] {
                let mut writer = GzipWriter::new(Full(space), Compression::fast(), threads);
                let error = writer.write_all(&text).unwrap_err();
                assert_eq!(
                    error.kind(),
                    io::ErrorKind::StorageFull,
                    "{threads} {space}"
                );
            }
        }
    }
}
