//! Unpacks an archive from an unknown source, as any user:
//! `unpack_untrusted ARCHIVE DIRECTORY BYTES`.
//!
//! Entries cannot leave the directory, whatever links the archive has: names are resolved by the
//! kernel relative to the open directory. What remains is a bomb, an archive that unpacks to far
//! more than it has, so the import stops after the given number of unpacked bytes.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which reads the file it is given"
)]

use std::error::Error;
use std::fs::File;

use layerhold_archive::layerhold_sys::Dir;
use layerhold_archive::layerhold_tar_format::{Event, EventSink};
use layerhold_archive::{ChownErrors, ImportOptions, UnpackOptions, Unpacker, import};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [archive, directory, bytes] = arguments.as_slice() else {
        return Err("usage: unpack_untrusted ARCHIVE DIRECTORY BYTES".into());
    };
    let root = Dir::create_ambient_all(directory, 0o755)?;
    let mut options = UnpackOptions::new();
    // Only root can give files away; for other users all files are their own.
    options.chown_errors = ChownErrors::Ignore;
    let mut quota = Quota {
        left: bytes.parse()?,
        entries: 100_000,
    };
    let unpacker = Unpacker::new(&root, options)?;
    // `ImportOptions::cancel` lets another thread cancel it.
    let options = ImportOptions::default();
    let imported = import(File::open(archive)?, &mut quota, unpacker, &options)?;
    let (codec, unpacked) = (imported.codec, imported.unpacked);
    println!(
        "{} entries, {} bytes, {codec}",
        unpacked.entries, unpacked.bytes
    );
    Ok(())
}

/// What the archive may still unpack to.
struct Quota {
    left: u64,
    entries: u64,
}

impl EventSink for Quota {
    fn event(&mut self, event: &Event<'_, '_>) -> std::io::Result<()> {
        if let Event::Entry { header, .. } = event {
            // A hole takes no room now, but a copy of the file may.
            let size = u64::try_from(header.size).unwrap_or(0);
            let left = self.left.checked_sub(size);
            self.left =
                left.ok_or_else(|| std::io::Error::other("it unpacks to too many bytes"))?;
            let entries = self.entries.checked_sub(1);
            self.entries =
                entries.ok_or_else(|| std::io::Error::other("it has too many entries"))?;
        }
        Ok(())
    }
}
