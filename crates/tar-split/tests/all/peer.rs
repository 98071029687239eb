//! Go's containers-storage and this crate, each with the records of the other.

use flate2::read::MultiGzDecoder;
use layerhold_tar_format::{Limits, Reader, clean_path};
use layerhold_tar_split::{Rebuild, RebuildError, Recorder, Skeleton};
use layerhold_testkit::{GoStore, require_peer, require_root, run, scratch};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

const TREE: &str = r#"
set -e
mkdir -p d/sub short/t; echo hello > d/a; ln d/a d/hard; ln -s a d/symlink; mkfifo d/fifo; : > d/empty
head -c 700 /dev/urandom > d/sub/f700; head -c 512 /dev/urandom > d/sub/f512; echo 1 > short/t/f; ln short/t/f short/h
long=$(printf 'x%.0s' $(seq 150)); mkdir -p d/$long/$long; echo long > d/$long/$long/$long; ln -s $long/$long d/longlink
ln d/$long/$long/$long d/longhard; echo u > 'd/ünï<&>"q\'; echo n > $'d/not\xffutf8'; setfattr -n user.foo -v bar d/a
touch -d '1960-01-01 00:00:00.25' d/empty; chown 3000000:5000000 d/a; chmod 4755 d/a
printf x > d/sparse; truncate -s 1M d/sparse; printf end >> d/sparse; truncate -s 3M d/hole
"#;

/// What the two tools' lines can rebuild.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Both tools write the same lines, and both rebuild the archive.
    Same,
    /// Like `Same`, but the division of a long end depends on the sizes of Go's reads.
    SameButTheEnd,
    /// Go cannot rebuild the archive from its own lines; we can.
    OnlyOursGoAndOurReader,
    /// No tool can rebuild the archive from Go's lines.
    OnlyOurs,
}

fn shell(directory: &Path, script: &str) {
    run(Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(directory))
    .assert_success();
}

fn record(archive: &Path, destination: &Path) {
    let recorder = Recorder::new(File::create(destination).unwrap());
    let source = File::open(archive).unwrap();
    let mut reader = Reader::with_sink(source, Limits::default(), recorder);
    while reader.next_entry().unwrap().is_some() {}
    reader.drain().unwrap();
    reader.into_parts().1.finish().unwrap();
}

fn rebuild(skeleton: &Path, tree: &Path) -> Result<Vec<u8>, io::Error> {
    let open = |name: &[u8]| -> io::Result<Box<dyn Read + Send>> {
        let name = clean_path(&[b"/", name].concat());
        Ok(Box::new(File::open(
            tree.join(OsStr::from_bytes(&name[1..])),
        )?))
    };
    let mut archive = Vec::new();
    let skeleton = Skeleton::from_gzip(File::open(skeleton).unwrap());
    Rebuild::new(skeleton, open)
        .read_to_end(&mut archive)
        .map(|_| archive)
}

/// The lines, without the final empty segment of older versions of Go's tar-split.
fn lines(path: &Path) -> Vec<String> {
    let mut text = String::new();
    MultiGzDecoder::new(File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let is_empty = |line: &str| line.starts_with(r#"{"type":2,"payload":"","#);
    text.lines()
        .filter(|line| !is_empty(line))
        .map(str::to_owned)
        .collect()
}

/// Imports an archive with Go, and tries all combinations of recorder and rebuilder.
fn check(directory: &Path, name: &str, expected: Lines) {
    let archive_path = directory.join(name);
    let archive = File::open(&archive_path)
        .and_then(|mut file| {
            let mut archive = Vec::new();
            file.read_to_end(&mut archive).map(|_| archive)
        })
        .unwrap();
    let place = scratch();
    let store = GoStore::below(place.path(), "vfs");
    let layer = store.id([
        OsStr::new("import-layer"),
        OsStr::new("-f"),
        archive_path.as_os_str(),
    ]);
    let theirs = store
        .root()
        .join(format!("vfs-layers/{layer}.tar-split.gz"));
    let tree = store.root().join(format!("vfs/dir/{layer}"));
    let ours = place.path().join("ours.gz");
    record(&archive_path, &ours);

    assert!(
        rebuild(&ours, &tree).unwrap() == archive,
        "{name}: we from ours"
    );
    let (their_lines, our_lines) = (lines(&theirs), lines(&ours));
    match expected {
        Lines::Same => assert_eq!(our_lines, their_lines, "{name}"),
        Lines::SameButTheEnd => {
            let segments_at_the_end = |lines: &[String]| {
                lines
                    .iter()
                    .rev()
                    .take_while(|line| line.starts_with(r#"{"type":2"#))
                    .count()
            };
            let kept = our_lines.len() - segments_at_the_end(&our_lines);
            assert_eq!(
                kept,
                their_lines.len() - segments_at_the_end(&their_lines),
                "{name}"
            );
            assert_eq!(our_lines[..kept], their_lines[..kept], "{name}");
        }
        _ => assert_ne!(our_lines, their_lines, "{name}"),
    }
    match (rebuild(&theirs, &tree), expected) {
        (Ok(rebuilt), Lines::OnlyOurs) => assert!(rebuilt != archive, "{name}: we from theirs"),
        (Ok(rebuilt), _) => assert!(rebuilt == archive, "{name}: we from theirs"),
        (Err(error), Lines::OnlyOurs) => {
            let error = error
                .get_ref()
                .unwrap()
                .downcast_ref::<RebuildError>()
                .unwrap();
            assert!(
                matches!(error, RebuildError::SparseMapMissing { .. }),
                "{name}: {error}"
            );
        }
        (Err(error), _) => panic!("{name}: we from theirs: {error}"),
    }
    let their_diff = store.run(["diff", "-u", &layer]);
    let is_exact = their_diff.succeeded() && their_diff.stdout == archive;
    let should_be = matches!(expected, Lines::Same | Lines::SameButTheEnd);
    assert_eq!(is_exact, should_be, "{name}: they from theirs");

    run(Command::new("cp").arg(&ours).arg(&theirs)).assert_success();
    let their_diff = store.run(["diff", "-u", &layer]);
    their_diff.assert_success();
    assert!(their_diff.stdout == archive, "{name}: they from ours");
}

/// Runs commands that each write the archive `t.tar`, and checks it.
fn check_all(cases: &[(&str, Lines)]) {
    let Some(()) = require_root() else { return };
    for program in ["containers-storage", "tar", "bsdtar"] {
        let Some(()) = require_peer(program) else {
            return;
        };
    }
    let place = scratch();
    shell(place.path(), TREE);
    for (number, (command, expected)) in cases.iter().enumerate() {
        let name = format!("{number}.tar");
        shell(place.path(), &command.replace("t.tar", &name));
        check(place.path(), &name, *expected);
    }
}

#[test]
fn root_peer_tar_formats() {
    check_all(&[
        ("tar --format=gnu -cf t.tar d", Lines::Same),
        ("tar --format=oldgnu -cf t.tar d", Lines::Same),
        ("tar --format=pax --xattrs -cf t.tar d", Lines::Same),
        ("tar --format=ustar -cf t.tar short", Lines::Same),
        ("tar --format=v7 -cf t.tar short", Lines::Same),
        ("bsdtar --format=gnutar -cf t.tar d", Lines::Same),
        (
            "bsdtar --format=pax --exclude d/sparse --exclude d/hole -cf t.tar d",
            Lines::Same,
        ),
        ("bsdtar --format=ustar -cf t.tar short", Lines::Same),
        ("bsdtar --format=v7 -cf t.tar short", Lines::Same),
    ]);
}

#[test]
fn root_peer_endings() {
    check_all(&[
        ("tar -cf t.tar --files-from /dev/null", Lines::Same),
        (": > t.tar", Lines::Same),
        (
            "tar -b1 -cf t.tar short && truncate -s -1024 t.tar",
            Lines::Same,
        ),
        (
            "tar -b1 -cf t.tar short && truncate -s -512 t.tar",
            Lines::Same,
        ),
        (
            "tar -cf t.tar short && head -c 5000 /dev/urandom >> t.tar",
            Lines::SameButTheEnd,
        ),
        (
            "tar -cf t.tar short && head -c 2500000 /dev/zero >> t.tar",
            Lines::SameButTheEnd,
        ),
        // 700 bytes of content, and of the padding after them only 100.
        (
            "cd d/sub && tar -b1 -cf ../../t.tar f700 && truncate -s 1312 ../../t.tar",
            Lines::OnlyOurs,
        ),
    ]);
}

#[test]
fn root_peer_sparse_files() {
    let version = |version| format!("tar --format=pax -S --sparse-version={version} -cf t.tar d");
    check_all(&[
        (&version("0.0"), Lines::OnlyOursGoAndOurReader),
        (&version("0.1"), Lines::OnlyOursGoAndOurReader),
        (&version("1.0"), Lines::OnlyOurs),
        ("bsdtar --format=pax -cf t.tar d", Lines::OnlyOurs),
    ]);
}
