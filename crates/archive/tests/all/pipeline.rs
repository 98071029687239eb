//! Imports: digests, lengths, the recorder's view, errors and cancelling.

use std::io::{self, Read, Write};
use std::process::Command;

use layerhold_archive::layerhold_sys::is_cancelled;
use layerhold_archive::layerhold_tar_format::{Event, EventSink};
use layerhold_archive::{
    Cancel, Codec, CodecError, ImportError, ImportOptions, Imported, UnpackOptions, Unpacker,
    compressor, import,
};
use layerhold_testkit::{ChildSpec, TarBuilder, TarEntry, child_role};
use sha2::{Digest, Sha256};

use crate::support::{Copy, UnpackDir, open_descriptors, write};

fn own(entry: TarEntry) -> TarEntry {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata("/proc/self").unwrap();
    entry.owner(metadata.uid().into(), metadata.gid().into())
}

fn sample() -> Vec<u8> {
    let mut tar = TarBuilder::new();
    for n in 0..200 {
        tar = tar.entry(own(TarEntry::file(
            format!("d{}/f{n}", n % 7),
            vec![b'x'; n * 37],
        )));
    }
    tar = tar.entry(own(TarEntry::file("big", vec![b'y'; 3_000_000])));
    let mut bytes = tar.finish();
    // Padding and even garbage after the end belong to the layer.
    bytes.extend([0; 20_000]);
    bytes.extend(b"garbage");
    bytes
}

fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut writer = compressor(codec, Vec::new()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn run(
    place: &UnpackDir,
    reader: impl Read + Send,
    sink: &mut dyn EventSink,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    let unpacker = Unpacker::new(&place.dir, UnpackOptions::new()).unwrap();
    import(reader, sink, unpacker, options)
}

/// The codecs that this build writes.
fn written() -> impl Iterator<Item = Codec> {
    let all = [Codec::Plain, Codec::Gzip, Codec::Zstd];
    all.into_iter().filter(|codec| codec.is_built_in())
}

#[test]
fn a_codec_that_is_not_built_in_is_named() {
    let starts: [(Codec, &[u8], &str); 3] = [
        (Codec::Bzip2, b"BZh9", "bzip2"),
        (Codec::Xz, b"\xfd7zXZ\0", "xz"),
        (Codec::Zstd, &[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    ];
    for (codec, start, name) in starts {
        let options = ImportOptions::default();
        let error = run(&UnpackDir::new(), start, &mut (), &options).unwrap_err();
        let as_expected = match error {
            ImportError::Decompress { .. } => codec.is_built_in(),
            ImportError::Codec(CodecError::NotBuiltIn { codec: of, feature }) => {
                (of, feature) == (codec, name) && !codec.is_built_in()
            }
            _ => false,
        };
        assert!(as_expected, "{codec}");
    }
}

#[test]
fn digests_lengths_and_the_recorder() {
    let tar = sample();
    for codec in written() {
        let stored = compress(codec, &tar);
        let place = UnpackDir::new();
        let mut copy = Copy::default();
        let imported = run(&place, &stored[..], &mut copy, &ImportOptions::default()).unwrap();
        assert_eq!(imported.codec, codec);
        assert_eq!(imported.compressed.bytes, stored.len() as u64);
        assert_eq!(
            imported.compressed.sha256,
            <[u8; 32]>::from(Sha256::digest(&stored))
        );
        assert_eq!(imported.uncompressed.bytes, tar.len() as u64);
        assert_eq!(
            imported.uncompressed.sha256,
            <[u8; 32]>::from(Sha256::digest(&tar))
        );
        assert!(copy.0 == tar, "the recorder sees every byte");
        assert_eq!(
            std::fs::read(place.root.join("big")).unwrap(),
            vec![b'y'; 3_000_000]
        );
        assert_eq!(
            std::fs::metadata(place.root.join("d3/f199")).unwrap().len(),
            199 * 37
        );
    }
}

#[test]
fn known_digests_are_taken_over() {
    let tar = compress(Codec::Gzip, &sample());
    let options = ImportOptions::new()
        .with_known_compressed(Some([1; 32]))
        .with_known_uncompressed(Some([2; 32]));
    let imported = run(&UnpackDir::new(), &tar[..], &mut (), &options).unwrap();
    assert_eq!(
        (imported.compressed.sha256, imported.uncompressed.sha256),
        ([1; 32], [2; 32])
    );
    assert_eq!(imported.compressed.bytes, tar.len() as u64);
}

/// A caller that rebuilt a tar may know the compressed stream that it came from. That says nothing
/// of the tar itself.
#[test]
fn what_is_known_of_a_plain_tar_counts_for_what_it_is_known_of() {
    let tar = sample();
    let real = <[u8; 32]>::from(Sha256::digest(&tar));
    for (compressed, uncompressed, expected) in [
        (Some([1; 32]), Some([2; 32]), ([1; 32], [2; 32])),
        (Some([1; 32]), None, ([1; 32], real)),
        (None, Some([2; 32]), ([2; 32], [2; 32])),
        (None, None, (real, real)),
    ] {
        let options = ImportOptions::new()
            .with_known_compressed(compressed)
            .with_known_uncompressed(uncompressed);
        let imported = run(&UnpackDir::new(), &tar[..], &mut (), &options).unwrap();
        let digests = (imported.compressed.sha256, imported.uncompressed.sha256);
        assert_eq!(digests, expected);
        assert_eq!(imported.compressed.bytes, tar.len() as u64);
    }
}

#[test]
fn an_empty_stream_is_an_empty_layer() {
    let imported = run(
        &UnpackDir::new(),
        &b""[..],
        &mut (),
        &ImportOptions::default(),
    )
    .unwrap();
    assert_eq!(
        (imported.codec, imported.uncompressed.bytes),
        (Codec::Plain, 0)
    );
    assert_eq!(imported.unpacked.entries, 0);
}

/// Gives some bytes, then fails.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        match self.0.read(target)? {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            count => Ok(count),
        }
    }
}

struct Refusing;

impl EventSink for Refusing {
    fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()> {
        match event {
            Event::Payload { .. } => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

#[test]
fn every_stage_reports_its_own_failure() {
    let tar = sample();
    let options = ImportOptions::default();
    let gzip = compress(Codec::Gzip, &tar);

    let error = run(&UnpackDir::new(), Failing(&tar), &mut (), &options).unwrap_err();
    assert!(
        matches!(error, ImportError::Read(cause) if cause.kind() == io::ErrorKind::ConnectionReset)
    );
    let error = run(&UnpackDir::new(), Failing(&gzip), &mut (), &options).unwrap_err();
    assert!(
        matches!(error, ImportError::Read(cause) if cause.kind() == io::ErrorKind::ConnectionReset)
    );

    let cut = gzip.get(..gzip.len() / 2).unwrap();
    let error = run(&UnpackDir::new(), cut, &mut (), &options).unwrap_err();
    assert!(matches!(
        error,
        ImportError::Decompress {
            codec: Codec::Gzip,
            ..
        }
    ));
    let trailing = [&gzip[..], b"garbage"].concat();
    let error = run(&UnpackDir::new(), &trailing[..], &mut (), &options).unwrap_err();
    assert!(matches!(
        error,
        ImportError::Decompress {
            codec: Codec::Gzip,
            ..
        }
    ));

    let cut = tar.get(..1_000_000).unwrap();
    let error = run(&UnpackDir::new(), cut, &mut (), &options).unwrap_err();
    assert!(matches!(error, ImportError::Archive(_)));
    let error = run(&UnpackDir::new(), &[7; 4096][..], &mut (), &options).unwrap_err();
    assert!(matches!(error, ImportError::Archive(_)));

    let error = run(&UnpackDir::new(), &tar[..], &mut Refusing, &options).unwrap_err();
    assert!(
        matches!(error, ImportError::Record(cause) if cause.kind() == io::ErrorKind::StorageFull)
    );

    let below_file = TarBuilder::new()
        .entry(own(TarEntry::file("f", "")))
        .entry(own(TarEntry::file("f/g", "")))
        .raw(vec![0; 50_000_000])
        .finish();
    let error = run(&UnpackDir::new(), &below_file[..], &mut (), &options).unwrap_err();
    assert!(matches!(error, ImportError::Unpack(_)));
}

/// Never ends; cancels after some time.
struct Endless {
    given: usize,
    cancel: Cancel,
}

impl Read for Endless {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.given += target.len();
        if self.given > 40 << 20 {
            self.cancel.cancel();
        }
        target.fill(0);
        Ok(target.len())
    }
}

#[test]
fn an_endless_layer_can_be_cancelled() {
    let options = ImportOptions::default();
    let endless = Endless {
        given: 0,
        cancel: options.cancel.clone(),
    };
    let error = run(&UnpackDir::new(), endless, &mut (), &options).unwrap_err();
    assert!(matches!(error, ImportError::Cancelled(_)));
    assert!(is_cancelled(&error));
    assert!(options.cancel.is_cancelled());
}

#[test]
fn failures_leave_neither_threads_nor_descriptors() {
    let threads = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("Threads:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
    let tar = sample();
    let before = (threads(), open_descriptors());
    for length in (0..tar.len()).step_by(tar.len() / 40) {
        let cut = tar.get(..length).unwrap();
        layerhold_sys::best_effort(run(
            &UnpackDir::new(),
            cut,
            &mut (),
            &ImportOptions::default(),
        ));
    }
    // Other tests may run in this process at the same time.
    assert!(threads() <= before.0 + 40 && open_descriptors() <= before.1 + 40);
}

#[test]
fn hard_links_wait_for_the_attributes_of_their_target() {
    let place = UnpackDir::new();
    let mut tar = TarBuilder::new();
    for n in 0..300 {
        tar = tar
            .entry(
                own(TarEntry::file(format!("f{n}"), vec![b'x'; 100]))
                    .mode(0o644)
                    .mtime(10),
            )
            .entry(
                own(TarEntry::hard_link(format!("h{n}"), format!("f{n}")))
                    .mode(0o600)
                    .mtime(20),
            );
    }
    place.unpack(&tar.finish()).unwrap();
    let tree = place.tree();
    for n in 0..300 {
        let node = tree.at(format!("f{n}"));
        assert_eq!((node.mode, node.mtime), (0o600, (20, 0)), "{n}");
    }
}

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    match role.name() {
        "import" => {
            for codec in written() {
                let place = UnpackDir::new();
                place.unpack(&compress(codec, &sample())).unwrap();
            }
            role.say("imported");
        }
        "grow" => {
            let place = UnpackDir::new();
            let layer = std::fs::File::open(role.argument(0)).unwrap();
            let before = peak_kib();
            let options = ImportOptions::default();
            let imported = run(&place, layer, &mut (), &options).unwrap();
            assert!(imported.unpacked.bytes > 100 << 20);
            role.say(&(peak_kib() - before).to_string());
        }
        other => panic!("unknown role {other}"),
    }
}

/// Peak memory of this process.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = peak.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

/// One file of 160 MiB: the buffers take 5 MiB, so anything that grows with the layer would show.
#[test]
fn memory_does_not_grow_with_the_layer() {
    let mut layer = own(TarEntry::file("f", "")).claim_size(160 << 20);
    layer = layer.mode(0o600);
    let head = TarBuilder::new().entry(layer).finish_without_end();
    let scratch = layerhold_testkit::scratch();
    let piece: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    for codec in written() {
        let path = scratch.path().join("layer");
        let mut writer = compressor(codec, std::fs::File::create(&path).unwrap()).unwrap();
        writer.write_all(&head).unwrap();
        for _ in 0..160 {
            writer.write_all(&piece).unwrap();
        }
        writer.write_all(&[0; 1024]).unwrap();
        drop(writer.finish().unwrap());
        let spec = ChildSpec::new("pipeline::child_entry", "grow").argument(path.display());
        let mut child = spec.spawn();
        let grown: u64 = child.hear().unwrap().parse().unwrap();
        assert!(child.wait().success());
        // The window of zstd's default level takes 2 MiB more.
        assert!((1024..10 * 1024).contains(&grown), "{codec}: {grown} KiB");
    }
}

#[test]
fn no_program_is_started() {
    let scratch = layerhold_testkit::scratch();
    let called = scratch.path().join("called");
    for name in ["pigz", "unpigz", "gzip", "gunzip", "zstd", "unzstd"] {
        use std::os::unix::fs::PermissionsExt;
        let program = scratch.path().join(name);
        write(
            &program,
            format!("#!/bin/sh\necho {name} >>{called:?}\n").as_bytes(),
        );
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = format!("PATH={}:/usr/bin:/bin", scratch.path().display());
    // The trap works: a shell with that path falls into it.
    let sprung = Command::new("env")
        .args([&path, "sh", "-c", "pigz"])
        .status();
    assert!(sprung.unwrap().success() && called.exists());
    std::fs::remove_file(&called).unwrap();

    let spec = ChildSpec::new("pipeline::child_entry", "import").through(["env", &path]);
    let mut child = spec.spawn();
    child.expect("imported");
    assert!(child.wait().success());
    assert!(!called.exists(), "{:?}", std::fs::read_to_string(&called));
}
