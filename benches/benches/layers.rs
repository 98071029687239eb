//! Measures what happens to the bytes of a layer: parsing the tar, recording and rebuilding it,
//! importing it (unpacked, recorded and hashed), and compression in both directions. The throughput
//! is that of the plain tar.
//!
//! `small` has 4,000 files of 4 KiB, `big` has four of 8 MiB.

use std::hint::black_box;
use std::io::{self, Read, Write};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use layerhold_archive::{
    Codec, ImportOptions, UnpackOptions, Unpacker, compressor, decompressor, import,
};
use layerhold_sys::Dir;
use layerhold_tar_format::{EntryKind, Header, Limits, Reader, Writer};
use layerhold_tar_split::{Recorder, Skeleton, rebuild};

/// A tar with so many files of so many bytes, which compress to about half.
fn archive(files: usize, size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut content = Vec::with_capacity(size);
    while content.len() < size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        content.extend_from_slice(&state.to_be_bytes());
        content.extend_from_slice(b"layerhol");
    }
    content.truncate(size);
    let mut writer = Writer::new(Vec::new());
    for number in 0..files {
        // The importer makes the directories that have no entry.
        let name = format!("usr/share/d{}/file-{number}", number / 100);
        let mut header = Header::new(EntryKind::Regular, name.as_str());
        header.mode = 0o644;
        header.size = i64::try_from(size).expect("sizes here are small");
        writer.write_header(&header).expect("a plain header");
        writer.write_content(&content).expect("as long as it says");
        writer.finish_entry().expect("all of it was written");
    }
    writer.finish().expect("memory takes all")
}

fn archives() -> [(&'static str, Vec<u8>); 2] {
    [
        ("small", archive(4_000, 4 << 10)),
        ("big", archive(4, 8 << 20)),
    ]
}

fn parse(archive: &[u8]) -> u64 {
    let mut reader = Reader::new(archive);
    let mut entries = 0;
    while let Some(mut entry) = reader.next_entry().expect("a good archive") {
        io::copy(&mut entry, &mut io::sink()).expect("a good archive");
        entries += 1;
    }
    entries
}

fn record(archive: &[u8]) -> Vec<u8> {
    let recorder = Recorder::new(Vec::new());
    let mut reader = Reader::with_sink(archive, Limits::default(), recorder);
    while let Some(mut entry) = reader.next_entry().expect("a good archive") {
        io::copy(&mut entry, &mut io::sink()).expect("a good archive");
    }
    reader.drain().expect("a good archive");
    let (_, recorder) = reader.into_parts();
    recorder.finish().expect("memory takes all")
}

fn tar(c: &mut Criterion) {
    let mut group = c.benchmark_group("tar");
    for (name, archive) in archives() {
        group.throughput(Throughput::Bytes(archive.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", name), &archive, |b, archive| {
            b.iter(|| black_box(parse(archive)));
        });
        group.bench_with_input(BenchmarkId::new("record", name), &archive, |b, archive| {
            b.iter(|| black_box(record(archive)));
        });
        let skeleton = record(&archive);
        let size = if name == "small" { 4 << 10 } else { 8 << 20 };
        group.bench_with_input(BenchmarkId::new("rebuild", name), &skeleton, |b, record| {
            // All files have the same content, which the checksums in the record are of.
            let file = content_of(&archive, size);
            b.iter(|| {
                let mut source = |_name: &[u8]| -> io::Result<Box<dyn Read + Send>> {
                    Ok(Box::new(io::Cursor::new(file.clone())))
                };
                let skeleton = Skeleton::from_gzip(record.as_slice());
                rebuild(skeleton, &mut source, &mut io::sink()).expect("its own content");
            });
        });
    }
    group.finish();
}

/// The content of the first file.
fn content_of(archive: &[u8], size: usize) -> Vec<u8> {
    let mut reader = Reader::new(archive);
    let mut entry = reader
        .next_entry()
        .expect("a good archive")
        .expect("it has files");
    let mut content = Vec::with_capacity(size);
    entry.read_to_end(&mut content).expect("a good archive");
    content
}

fn unpacking(c: &mut Criterion) {
    let mut group = c.benchmark_group("import");
    group.sample_size(10);
    for (name, archive) in archives() {
        group.throughput(Throughput::Bytes(archive.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &archive, |b, archive| {
            let new = || {
                let scratch = tempfile::tempdir().expect("room for files");
                let dir = Dir::open_ambient(scratch.path()).expect("it was just made");
                (scratch, dir)
            };
            let work = |(scratch, dir): (tempfile::TempDir, Dir)| {
                let unpacker = Unpacker::new(&dir, UnpackOptions::new()).expect("it is empty");
                let mut recorder = Recorder::new(Vec::new());
                let options = ImportOptions::default();
                import(archive.as_slice(), &mut recorder, unpacker, &options)
                    .expect("a good archive");
                recorder.finish().expect("memory takes all");
                scratch
            };
            b.iter_batched(new, work, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn compression(c: &mut Criterion) {
    let mut group = c.benchmark_group("compression");
    group.sample_size(10);
    let archive = archive(4_000, 4 << 10);
    group.throughput(Throughput::Bytes(archive.len() as u64));
    for codec in [Codec::Gzip, Codec::Zstd] {
        let compress = || {
            let mut writer = compressor(codec, Vec::new()).expect("both can be written");
            writer.write_all(&archive).expect("memory takes all");
            writer.finish().expect("memory takes all")
        };
        group.bench_function(BenchmarkId::new("compress", format!("{codec:?}")), |b| {
            b.iter(|| black_box(compress()));
        });
        let compressed = compress();
        group.bench_function(BenchmarkId::new("decompress", format!("{codec:?}")), |b| {
            b.iter(|| {
                let source = io::Cursor::new(compressed.clone());
                let mut reader = decompressor(codec, source).expect("both can be read");
                black_box(io::copy(&mut reader, &mut io::sink()).expect("a good stream"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tar, unpacking, compression);
criterion_main!(benches);
