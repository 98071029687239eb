//! Processes that keep the same protocol with classic record locks, as the
//! newest Go library does. No tool of that age is installed here, so its steps
//! are played by a script (Go: internal/tempdir, internal/staging_lockfile).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use layerhold_staging::TempRoot;
use layerhold_testkit::{require_peer, scratch};

use super::support::{names, store};

const SCRIPT: &str = r#"
import fcntl, os, shutil, sys, tempfile
mode, root = sys.argv[1:3]
def lock(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    except OSError:
        os.close(fd)
        return None
if mode == "own":
    os.makedirs(root, 0o700, exist_ok=True)
    number = str(os.getpid())
    path = os.path.join(root, "lock-" + number)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    fd = lock(path)
    area = os.path.join(root, "temp-dir-" + number)
    os.mkdir(area, 0o700)
    os.rename(sys.argv[3], os.path.join(area, "0-" + os.path.basename(sys.argv[3])))
    print("ready", flush=True)
    sys.stdin.readline()
    shutil.rmtree(area)
    os.unlink(path)
    os.close(fd)
else:
    ids = set()
    for name in os.listdir(root):
        for prefix in ("temp-dir-", "lock-"):
            if name.startswith(prefix):
                ids.add(name[len(prefix):])
    for number in sorted(ids):
        path = os.path.join(root, "lock-" + number)
        fd = lock(path)
        if fd is None:
            print("busy", number, flush=True)
            continue
        shutil.rmtree(os.path.join(root, "temp-dir-" + number), ignore_errors=True)
        os.unlink(path)
        os.close(fd)
        print("removed", number, flush=True)
"#;

/// Killed when the test is over, however that ends.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn script(arguments: &[&Path], mode: &str) -> Script {
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT, mode]).args(arguments);
    Script(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    )
}

fn said(script: &mut Script) -> Vec<String> {
    let output = BufReader::new(script.0.stdout.take().unwrap());
    output.lines().map(|line| line.unwrap()).collect()
}

fn area_number(root: &Path) -> String {
    let names = names(root);
    names[0].strip_prefix("lock-").unwrap().to_owned()
}

#[test]
fn peer_areas_of_the_other_side_are_respected_and_recovered() {
    let Some(()) = require_peer("python3") else {
        return;
    };
    let place = scratch();
    let store = store(place.path());
    let root = TempRoot::new(place.path().join("tmp"));
    for ends in ["killed", "done"] {
        let tree = store
            .path()
            .join(if ends == "killed" { "first" } else { "second" });
        let mut owner = script(&[root.path(), &tree], "own");
        let mut line = String::new();
        BufReader::new(owner.0.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        let number = area_number(root.path());
        let recovery = root.recover_stale().unwrap();
        assert!(recovery.removed.is_empty());
        assert_eq!(recovery.in_use, [number.as_str()]);
        if ends == "killed" {
            drop(owner);
            assert_eq!(root.recover_stale().unwrap().removed, [number.as_str()]);
        } else {
            writeln!(owner.0.stdin.as_mut().unwrap()).unwrap();
            assert!(owner.0.wait().unwrap().success());
            assert!(root.recover_stale().unwrap().removed.is_empty());
        }
        assert!(names(root.path()).is_empty());
    }
    assert_eq!(names(store.path()), ["file"]);
}

#[test]
fn peer_our_areas_are_respected_and_recovered_by_the_other_side() {
    let Some(()) = require_peer("python3") else {
        return;
    };
    let place = scratch();
    let store = store(place.path());
    let root = TempRoot::new(place.path().join("tmp"));
    let area = root.begin().unwrap();
    area.stage_deletion(&store, "first").unwrap();
    let number = area_number(root.path());
    assert_eq!(
        said(&mut script(&[root.path()], "recover")),
        [format!("busy {number}")]
    );
    assert!(area.dir().exists("0-first").unwrap());
    area.close().unwrap();
    assert!(said(&mut script(&[root.path()], "recover")).is_empty());

    // What a killed process of ours leaves.
    std::fs::create_dir_all(root.path().join("temp-dir-7/0-x")).unwrap();
    std::fs::write(root.path().join("lock-7"), "").unwrap();
    assert_eq!(said(&mut script(&[root.path()], "recover")), ["removed 7"]);
    assert!(names(root.path()).is_empty());
}
