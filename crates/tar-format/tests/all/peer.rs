//! Archives of the installed tools.

use crate::build::{echo, read};
use layerhold_tar_format::{Reader, Writer};
use layerhold_testkit::{GoStore, require_peer, require_root, run, scratch};
use std::path::Path;
use std::process::Command;

/// A tree with everything that a header can represent and an unprivileged user can create.
const TREE: &str = r#"
set -e
mkdir -p d/sub; echo hello > d/a; ln d/a d/hard; ln -s a d/symlink; mkfifo d/fifo; : > d/empty
head -c 700 /dev/urandom > d/sub/f700; head -c 512 /dev/urandom > d/sub/f512
long=$(printf 'x%.0s' $(seq 150)); mkdir -p d/$long/$long; echo long > d/$long/$long/$long
ln -s $long/$long d/longlink; echo u > 'd/ünï<&>"q'; printf x > d/sparse; truncate -s 1M d/sparse; printf end >> d/sparse
for n in 8 99 100 101; do f=$(printf 'n%.0s' $(seq $n)); mkdir -p d/$f; echo $n > d/$f/$f; done
touch -d '1960-01-01 00:00:00.9' d/empty; touch -d '2500-01-01 00:00:00.5' d/fifo
"#;

/// Entries that only root can create, for containers-storage's own writer.
const ROOT_TREE: &str = r#"
set -e
cp /bin/true d/suid; chmod 4755 d/suid; echo b > d/owned; chown 3000000:5000000 d/owned
mknod d/null c 1 3; mknod d/disk b 4000 1000000; setfattr -n user.text -v value d/a; setfattr -n user.raw -v 0x0001ff d/a
y=$(printf 'y%.0s' $(seq 90)); mkdir -p $y/$y/ä$y; touch $y/q$y; mkdir -p $y$y/$y; ln -s $y$y slink; ln -s ümlaut slink2
"#;

fn shell(directory: &Path, script: &str) -> Vec<u8> {
    let ran = run(Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(directory));
    ran.assert_success();
    ran.stdout
}

/// The content of every non-empty file, sorted: each tool chooses which name of a hard-linked file
/// comes first.
fn contents(archive: &[u8]) -> Vec<Vec<u8>> {
    let entries = read(archive).into_iter();
    let mut contents: Vec<_> = entries
        .filter(|(header, _)| header.content_size() > 0)
        .map(|(_, content)| content)
        .collect();
    contents.sort();
    contents
}

#[test]
fn peer_archives_of_gnu_tar_and_bsdtar_hold_the_same_files() {
    let Some(()) = require_peer("tar") else {
        return;
    };
    let Some(()) = require_peer("bsdtar") else {
        return;
    };
    let place = scratch();
    shell(place.path(), TREE);
    let reference = contents(&shell(place.path(), "tar --sort=name --format=pax -cf - d"));
    assert!(reference.len() >= 10);
    for command in [
        "tar --sort=name --format=gnu -cf - d",
        "tar --sort=name --format=oldgnu -cf - d",
        "tar --sort=name --format=gnu -S -cf - d",
        "tar --sort=name --format=pax -S --sparse-version=0.0 -cf - d",
        "tar --sort=name --format=pax -S --sparse-version=0.1 -cf - d",
        "tar --sort=name --format=pax -S --sparse-version=1.0 -cf - d",
        "bsdtar --format=gnutar -cf - d",
        "bsdtar --format=pax -cf - d",
    ] {
        let archive = shell(place.path(), command);
        assert_eq!(contents(&archive), reference, "{command}");
        assert_eq!(echo(&archive, 4096), Ok(archive), "{command}");
    }
}

#[test]
fn peer_archives_of_old_formats() {
    let Some(()) = require_peer("tar") else {
        return;
    };
    let place = scratch();
    shell(
        place.path(),
        "mkdir -p s/t; echo 1 > s/t/f; ln -s f s/t/l; ln s/t/f s/t/h",
    );
    for format in ["v7", "ustar"] {
        let archive = shell(
            place.path(),
            &format!("tar --sort=name --format={format} -cf - s"),
        );
        let entries = read(&archive);
        let names: Vec<_> = entries
            .iter()
            .map(|(header, _)| header.name.as_slice())
            .collect();
        assert_eq!(names, [&b"s/"[..], b"s/t/", b"s/t/f", b"s/t/h", b"s/t/l"]);
        let flags: Vec<_> = entries
            .iter()
            .map(|(header, _)| header.kind.flag())
            .collect();
        assert_eq!(flags, *b"55012");
        assert_eq!(entries[2].1, b"1\n");
    }
}

/// Archives of Go, parsed and written again: the bytes must be the same.
#[test]
fn root_peer_writes_the_bytes_we_write() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_peer("containers-storage") else {
        return;
    };
    let place = scratch();
    let store = GoStore::below(place.path(), "vfs");
    let layer = store.id(["create-layer"]);
    let mount = store.id(["mount", &layer]);
    shell(Path::new(&mount), &[TREE, ROOT_TREE].concat());
    store.run(["unmount", &layer]).assert_success();
    let archive = store.run(["diff", "-u", &layer]);
    archive.assert_success();
    let mut reader = Reader::new(archive.stdout.as_slice());
    let mut writer = Writer::new(Vec::new());
    let mut count = 0;
    while let Some(mut entry) = reader.next_entry().unwrap() {
        writer.write_header(entry.header()).unwrap();
        std::io::copy(&mut entry, &mut writer).unwrap();
        count += 1;
    }
    assert!(count > 25, "{count} entries");
    assert!(writer.finish().unwrap() == archive.stdout);
}
