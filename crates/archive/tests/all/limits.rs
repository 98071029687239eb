//! Limits of what a layer may unpack to.

use std::io;

use layerhold_archive::layerhold_tar_format::{Event, EventSink};
use layerhold_archive::{
    Codec, ImportError, ImportLimit, ImportOptions, Imported, UnpackOptions, Unpacker, compressor,
    import,
};
use layerhold_testkit::{TarBuilder, TarEntry};

use crate::support::UnpackDir;

/// An entry that does not need root to unpack.
fn own(entry: TarEntry) -> TarEntry {
    let user = layerhold_sys::effective_user().into();
    entry.owner(user, layerhold_sys::effective_group().into())
}

fn run(layer: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    run_in(&UnpackDir::new(), layer, &mut (), options)
}

fn run_in(
    place: &UnpackDir,
    layer: &[u8],
    sink: &mut dyn EventSink,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    let unpacker = Unpacker::new(&place.dir, UnpackOptions::new()).unwrap();
    import(layer, sink, unpacker, options)
}

#[track_caller]
fn exceeds(result: Result<Imported, ImportError>, limit: ImportLimit) {
    let error = result.unwrap_err();
    assert!(
        matches!(error, ImportError::TooLarge(found) if found == limit),
        "{error:?}"
    );
}

fn bytes(limit: u64) -> ImportOptions {
    ImportOptions::new().with_max_unpacked_bytes(limit)
}

fn entries(limit: u64) -> ImportOptions {
    ImportOptions::new().with_max_entries(limit)
}

#[test]
fn the_archive_itself_counts() {
    let layer = TarBuilder::new()
        .entry(own(TarEntry::file("f", "x")))
        .finish();
    let length = layer.len() as u64;
    assert!(run(&layer, &bytes(length)).is_ok());
    let limit = ImportLimit::UnpackedBytes(length - 1);
    exceeds(run(&layer, &bytes(length - 1)), limit);
    // Bytes after the end of the archive are part of it.
    let padded = [layer, vec![0; 10_240]].concat();
    let limit = ImportLimit::UnpackedBytes(length);
    exceeds(run(&padded, &bytes(length)), limit);
}

#[test]
fn a_compression_bomb_is_not_decompressed_to_its_end() {
    let mut writer = compressor(Codec::Gzip, Vec::new()).unwrap();
    let layer = own(TarEntry::file("f", "")).claim_size(1 << 30);
    let head = TarBuilder::new().entry(layer).finish_without_end();
    io::Write::write_all(&mut writer, &head).unwrap();
    for _ in 0..200 {
        io::Write::write_all(&mut writer, &[0; 1 << 20]).unwrap();
    }
    let bomb = writer.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    // The entry claims a size; without that, the bytes themselves count.
    let place = UnpackDir::new();
    let limit = ImportLimit::UnpackedBytes(10 << 20);
    exceeds(run_in(&place, &bomb, &mut (), &bytes(10 << 20)), limit);
    assert!(!place.root.join("f").exists());
    let mut writer = compressor(Codec::Gzip, Vec::new()).unwrap();
    for _ in 0..200 {
        io::Write::write_all(&mut writer, &[0; 1 << 20]).unwrap();
    }
    let zeros = writer.finish().unwrap();
    /// Counts what reaches the recorder.
    #[derive(Default)]
    struct Count(usize);
    impl EventSink for Count {
        fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()> {
            self.0 += match event {
                Event::Entry { raw, .. } | Event::End { raw } => raw.len(),
                Event::Payload { data, .. } | Event::Trailing { data } => data.len(),
                _ => 0,
            };
            Ok(())
        }
    }
    let mut count = Count::default();
    exceeds(
        run_in(&UnpackDir::new(), &zeros, &mut count, &bytes(10 << 20)),
        limit,
    );
    assert!(count.0 <= 10 << 20, "{}", count.0);
}

#[test]
fn holes_of_sparse_files_count() {
    let sparse = own(TarEntry::file("s", "data"))
        .pax("GNU.sparse.size", (1u64 << 40).to_string())
        .pax("GNU.sparse.numblocks", "1")
        .pax("GNU.sparse.map", "0,4");
    let layer = TarBuilder::new().entry(sparse).finish();
    let place = UnpackDir::new();
    let limit = ImportLimit::UnpackedBytes((1 << 40) - 1);
    exceeds(
        run_in(&place, &layer, &mut (), &bytes((1 << 40) - 1)),
        limit,
    );
    assert!(!place.root.join("s").exists());
}

#[test]
fn sizes_that_overflow_count_as_too_much() {
    let huge = || own(TarEntry::file("f", "")).claim_size(i64::MAX as u64);
    let layer = TarBuilder::new().entry(huge()).finish_without_end();
    let limit = ImportLimit::UnpackedBytes(1 << 40);
    exceeds(run(&layer, &bytes(1 << 40)), limit);
}

#[test]
fn entries_count_with_whiteouts_links_and_implied_directories() {
    let layer = TarBuilder::new()
        .entry(own(TarEntry::file("f", "")))
        .hard_link("g", "f")
        .whiteout("gone")
        .finish();
    assert!(run(&layer, &entries(3)).is_ok());
    exceeds(run(&layer, &entries(2)), ImportLimit::Entries(2));
    // `a`, `a/b` and `a/b/c` have no entries.
    let layer = TarBuilder::new()
        .entry(own(TarEntry::file("a/b/c/f", "")))
        .entry(own(TarEntry::file("a/b/c/g", "")))
        .finish();
    assert!(run(&layer, &entries(5)).is_ok());
    exceeds(run(&layer, &entries(4)), ImportLimit::Entries(4));
}

#[test]
fn the_error_names_limit_and_value() {
    let text = |limit| ImportError::TooLarge(limit).to_string();
    assert_eq!(
        text(ImportLimit::UnpackedBytes(5)),
        "cannot unpack the whole layer: it has more than 5 bytes unpacked"
    );
    assert_eq!(
        text(ImportLimit::Entries(7)),
        "cannot unpack the whole layer: it has more than 7 entries"
    );
}
