use std::io;

use crate::Header;

/// A part of the archive that a [`Parser`](crate::Parser) has parsed, in order.
///
/// The `raw` and `data` bytes of all events together are the archive, byte for byte.
///
/// For every entry: one `Entry`, any number of `Payload`, one `EndOfEntry`. After the last entry
/// one `End`, then any number of `Trailing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'p, 'i> {
    /// A complete header.
    Entry {
        /// The parsed header.
        header: &'p Header,
        /// All bytes since the previous payload: its padding, extension headers, the header block
        /// and any sparse map.
        raw: &'p [u8],
    },
    /// Stored bytes of the current entry.
    Payload {
        /// The bytes, never empty.
        data: &'i [u8],
        /// Their offset in the file's content; gaps are holes, which read as zeros.
        offset: u64,
    },
    /// All stored bytes of the entry have been returned; it may still end in a hole.
    EndOfEntry,
    /// The end of the archive: two zero blocks, or the end of the stream.
    End {
        /// All bytes since the previous payload, including zero blocks; may be empty.
        raw: &'p [u8],
    },
    /// Bytes after the two zero blocks, which Go ignores.
    Trailing {
        /// The bytes, never empty.
        data: &'i [u8],
    },
}

/// Receives all events of an archive that a [`Reader`](crate::Reader) reads.
pub trait EventSink {
    /// Receives one event; an error stops the reader.
    ///
    /// # Errors
    ///
    /// If the sink cannot handle the event.
    fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()>;
}

/// Ignores all events.
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
