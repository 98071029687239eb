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
    let unpacker = Unpacker::new(&root, options)?;
    // `with_cancel` lets another thread stop it.
    let options = ImportOptions::new()
        .with_max_unpacked_bytes(bytes.parse::<u64>()?)
        .with_max_entries(100_000);
    // The sink, here none, sees the structure of the archive.
    let imported = import(File::open(archive)?, &mut (), unpacker, &options)?;
    let (codec, unpacked) = (imported.codec, imported.unpacked);
    println!(
        "{} entries, {} bytes, {codec}",
        unpacked.entries, unpacked.bytes
    );
    Ok(())
}
