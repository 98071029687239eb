use std::io;

use crate::Header;

/// What a [`Parser`](crate::Parser) found, in the order of the archive.
///
/// All `raw` and `data` bytes of all events, put together, are the archive itself, byte for byte.
///
/// For every entry: one `Entry`, any number of `Payload`, one `EndOfEntry`.  After the last entry
/// one `End`, then any number of `Trailing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'p, 'i> {
    /// A header was read completely.
    Entry {
        /// What it says.
        header: &'p Header,
        /// Everything since the previous payload: its padding, extension headers, the header
        /// block and any sparse map.
        raw: &'p [u8],
    },
    /// Stored bytes of the current entry.
    Payload {
        /// The bytes; never empty.
        data: &'i [u8],
        /// Where they belong in the file's content; gaps between them are holes full of zeros.
        offset: u64,
    },
    /// All stored bytes of the entry have been seen; a hole may still be left at its end.
    EndOfEntry,
    /// The archive's end: two zero blocks, or the end of the stream.
    End {
        /// Everything since the previous payload, zero blocks included; may be empty.
        raw: &'p [u8],
    },
    /// Bytes after the two zero blocks, of which Go takes no notice.
    Trailing {
        /// The bytes; never empty.
        data: &'i [u8],
    },
}

/// Sees all events of an archive that somebody else reads through a [`Reader`](crate::Reader).
pub trait EventSink {
    /// Takes notice of one event; an error stops the reader.
    ///
    /// # Errors
    ///
    /// Whatever keeps the sink from recording the event.
    fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()>;
}

/// Records nothing.
impl EventSink for () {
    fn event(&mut self, _event: &Event<'_, '_>) -> io::Result<()> {
        Ok(())
    }
}

impl<S: EventSink + ?Sized> EventSink for &mut S {
    fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()> {
        (**self).event(event)
    }
}

impl<S: EventSink + ?Sized> EventSink for Box<S> {
    fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()> {
        (**self).event(event)
    }
}
