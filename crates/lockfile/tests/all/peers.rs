//! The tools that share our lock files.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use layerhold_lockfile::LockFile;
use layerhold_testkit::{GoStore, Podman, TarBuilder, require_peer, require_root, run, scratch};

use super::support::{eventually, holds, is_waited_for};

/// A process that is killed when the test is over, however that ends.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn layers_lock(store: &GoStore) -> LockFile {
    LockFile::new(store.root().join("vfs-layers/layers.lock")).unwrap()
}

#[test]
fn peer_go_waits_while_we_write() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = scratch();
    let store = GoStore::below(place.path(), "vfs");
    let layer = store.id(["create-layer"]);
    let lock = layers_lock(&store);
    let guard = lock.write().unwrap();
    let mut command = store.command();
    command.arg("layers").stdout(Stdio::piped());
    let mut listing = Running::start(&mut command);
    eventually("Go waits for the lock", || is_waited_for(lock.path()));
    assert!(listing.0.try_wait().unwrap().is_none());
    drop(guard);
    let mut shown = String::new();
    listing
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut shown)
        .unwrap();
    assert!(listing.0.wait().unwrap().success());
    assert_eq!(shown.trim(), layer);
}

#[test]
fn peer_go_waits_to_write_while_we_read() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = scratch();
    let store = GoStore::below(place.path(), "vfs");
    let before = store.id(["create-layer"]);
    let lock = layers_lock(&store);
    let guard = lock.read().unwrap();
    let token = guard.token().unwrap();
    assert!(!token.is_empty());
    let mut creating = Running::start(store.command().arg("create-layer").stdout(Stdio::null()));
    eventually("Go waits for the lock", || is_waited_for(lock.path()));
    assert!(creating.0.try_wait().unwrap().is_none());
    assert_eq!(guard.token().unwrap(), token);
    drop(guard);
    assert!(creating.0.wait().unwrap().success());
    // Go's write is visible in the token, and ours would be to Go.
    let guard = lock.read().unwrap();
    assert_ne!(guard.token().unwrap(), token);
    let process = guard.token().unwrap().as_bytes()[16..20]
        .try_into()
        .unwrap();
    assert_eq!(u32::from_le_bytes(process), creating.0.id());
    drop(guard);
    assert!(store.run(["layers"]).lines().contains(&before));
}

#[test]
fn peer_we_wait_while_go_writes() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = scratch();
    let store = GoStore::below(place.path(), "vfs");
    let lock = layers_lock(&store);
    // Go keeps the lock while it unpacks, and it unpacks what it is given.
    let mut command = store.command();
    let tar = TarBuilder::new().file("f", 0o644, [7; 100_000]).finish();
    let mut importing = Running::start(
        command
            .arg("import-layer")
            .stdin(Stdio::piped())
            .stdout(Stdio::null()),
    );
    let mut input = importing.0.stdin.take().unwrap();
    input.write_all(&tar[..2000]).unwrap();
    let process = importing.0.id();
    eventually("Go has the lock", || {
        lock.path().exists()
            && holds(lock.path(), process, "WRITE")
            && lock.try_read().unwrap().is_none()
    });
    // It may have been the lock of opening the store; wait until it is there to stay.
    eventually("Go unpacks", || {
        std::fs::read_dir(store.root().join("vfs/dir")).is_ok_and(|mut dir| dir.next().is_some())
    });
    assert!(lock.try_read().unwrap().is_none());
    assert!(lock.try_write().unwrap().is_none());
    input.write_all(&tar[2000..]).unwrap();
    drop(input);
    assert!(importing.0.wait().unwrap().success());
    assert!(lock.try_write().unwrap().is_some());
}

#[test]
fn peer_we_read_but_do_not_write_while_go_reads() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = scratch();
    let store = GoStore::below(place.path(), "vfs");
    let tar = TarBuilder::new()
        .file("f", 0o644, vec![7; 4 << 20])
        .finish();
    let ran = store.run_with_input(["import-layer"], &tar);
    let layer = ran.lines().remove(0);
    let lock = layers_lock(&store);
    // More than a pipe holds, so that it is stuck until its output is read.
    let mut command = store.command();
    command.args(["diff", "-u", &layer]).stdout(Stdio::piped());
    let mut diff = Running::start(&mut command);
    let mut output = diff.0.stdout.take().unwrap();
    output.read_exact(&mut [0; 1000]).unwrap();
    assert!(lock.try_write().unwrap().is_none());
    assert!(lock.try_read().unwrap().is_some());
    std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    assert!(diff.0.wait().unwrap().success());
    assert!(lock.try_write().unwrap().is_some());
}

/// Locks the file as Go does, with a classic record lock over all of it.
const CLASSIC: &str = "
import fcntl, sys
f = open(sys.argv[1], 'r+b')
fcntl.lockf(f, getattr(fcntl, sys.argv[2]))
print('locked', flush=True)
sys.stdin.read()
";

fn hold_classic(path: &Path, kind: &str) -> Running {
    let mut command = Command::new("python3");
    command.args(["-c", CLASSIC]).arg(path).arg(kind);
    let mut holder = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut said = [0; 7];
    holder
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    holder
}

#[test]
fn peer_classic_record_locks_conflict_as_they_should() {
    let Some(()) = require_peer("python3") else {
        return;
    };
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    drop(lock.write().unwrap());
    for (kind, may_read) in [("LOCK_EX", false), ("LOCK_SH", true)] {
        let mut holder = hold_classic(lock.path(), kind);
        assert_eq!(lock.try_read().unwrap().is_some(), may_read, "{kind}");
        assert!(lock.try_write().unwrap().is_none(), "{kind}");
        let holders = lock.holders().unwrap();
        let [found] = &holders[..] else {
            panic!("{holders:?}");
        };
        assert_eq!(found.pid, Some(holder.0.id()));
        assert_eq!(found.command.as_deref(), Some("python3"));
        drop(holder.0.stdin.take());
        assert!(holder.0.wait().unwrap().success());
        assert!(lock.try_write().unwrap().is_some(), "{kind}");
    }
}

/// Asks a running podman whether it knows an image; the answer is a status code.
fn knows_image(socket: &Path, name: &str) -> bool {
    let mut stream = UnixStream::connect(socket).unwrap();
    let path = format!("/v4.0.0/libpod/images/localhost%2F{name}:latest/exists");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    match answer.split(' ').nth(1) {
        Some("204") => true,
        Some("404") => false,
        other => panic!("{other:?}: {answer}"),
    }
}

#[test]
fn peer_a_running_podman_reloads_when_we_record_a_write() {
    let (Some(()), Some(())) = (require_root(), require_peer("podman")) else {
        return;
    };
    let place = scratch();
    let podman = Podman::below(place.path(), "vfs");
    let archive = place.path().join("layer.tar");
    std::fs::write(&archive, TarBuilder::new().file("f", 0o644, b"x").finish()).unwrap();
    let archive = archive.to_str().unwrap();
    podman
        .run(["import", "-q", archive, "localhost/first"])
        .assert_success();

    let socket: PathBuf = place.path().join("socket");
    let address = format!("unix://{}", socket.display());
    let mut command = podman.command();
    command.args(["system", "service", "-t", "0", &address]);
    let service = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    eventually("podman listens", || UnixStream::connect(&socket).is_ok());
    assert!(knows_image(&socket, "first"));

    let lock = LockFile::new(podman.root().join("vfs-images/images.lock")).unwrap();
    let records = podman.root().join("vfs-images/images.json");
    let rename = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&records).unwrap();
        std::fs::write(&records, text.replace(from, to)).unwrap();
    };
    // Without a token podman has no reason to look, which shows that what
    // follows is due to the token.
    rename("localhost/first", "localhost/other");
    assert!(knows_image(&socket, "first"));

    let guard = lock.write().unwrap();
    let token = guard.record_write().unwrap();
    rename("localhost/other", "localhost/second");
    drop(guard);
    assert!(knows_image(&socket, "second"));
    assert!(!knows_image(&socket, "first"));
    // Reading does not change the token.
    assert_eq!(lock.read().unwrap().token().unwrap(), token);

    // And the other way round: a tag given by podman changes the token.
    run(podman
        .command()
        .args(["tag", "localhost/second", "localhost/third"]))
    .assert_success();
    assert_ne!(lock.read().unwrap().token().unwrap(), token);
    drop(service);
}
