//! What signals and killed processes leave, and who is told.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use layerhold_testkit::{Ran, TarBuilder, require_root, run};

use crate::support::Place;

/// What is in the temporary areas of a store.
fn leftovers(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    for area in ["root/vfs-layers/tmp", "root/vfs/tempdirs"] {
        if let Ok(entries) = fs::read_dir(place.path(area)) {
            found.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    found.sort();
    found
}

fn words(ran: &Ran) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&ran.stdout), text(&ran.stderr))
}

/// Makes a temporary area of a process that is dead.
fn leave_something(place: &Place) {
    let area = place.path("root/vfs/tempdirs");
    fs::create_dir_all(area.join("temp-dir-7/0-x")).unwrap();
    fs::write(area.join("temp-dir-7/0-x/file"), "x").unwrap();
    fs::write(area.join("lock-7"), "").unwrap();
}

#[test]
fn root_leftovers_are_erased_by_writers_who_say_so() {
    let Some(()) = require_root() else { return };
    let place = Place::new();
    let archive = place.archive(&["one:latest"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    leave_something(&place);
    for reader in ["images", "layers", "containers", "tree", "du", "check"] {
        let done = place.run([reader]);
        assert!(!words(&done).1.contains("erasing"), "{reader}");
        assert_eq!(leftovers(&place), ["lock-7", "temp-dir-7"], "{reader}");
    }
    let line = "layerhold: erasing leftovers of 1 killed process\n";
    for writer in [&["create", "one"][..], &["gc"], &["rm", "one"]] {
        leave_something(&place);
        let done = place.run(writer);
        let said = words(&done).1;
        assert!(said.starts_with(line), "{writer:?}: {said}");
        assert_eq!(leftovers(&place), Vec::<String>::new(), "{writer:?}");
    }
    leave_something(&place);
    let area = place.path("root/vfs/tempdirs/temp-dir-7");
    assert_eq!(
        words(&place.run(["gc"])).0,
        format!(
            "removed leftovers of a killed process in {}\n",
            area.display()
        )
    );
    // The Go tool says nothing of it, and scripts read what its namesake prints.
    leave_something(&place);
    let done = place.containers_storage(["gc"]);
    assert_eq!(words(&done), (String::new(), String::new()));
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn root_a_limit_of_file_sizes_is_an_error_that_is_undone() {
    let Some(()) = require_root() else { return };
    let place = Place::new();
    let tar = TarBuilder::new()
        .file("small", 0o644, "x")
        .file("large", 0o644, "y".repeat(300_000))
        .finish();
    fs::write(place.path("layer.tar"), tar).unwrap();
    // In blocks of 1024 bytes.
    let limited = |program: &Command| {
        let mut shell = Command::new("bash");
        shell.args(["-c", "ulimit -f 100 && exec \"$@\"", "bash"]);
        shell.arg(program.get_program()).args(program.get_args());
        shell.current_dir(place.path(""));
        shell
    };
    let mut import = Command::new(crate::support::CONTAINERS_STORAGE);
    import.arg("-g").arg(place.path("root"));
    import.arg("-R").arg(place.path("runroot"));
    import.args(["-s", "vfs", "import-layer", "-f", "layer.tar"]);
    let done = run(&mut limited(&import));
    assert_eq!(done.code, Some(1), "{done:?}");
    let said = done.failure();
    assert!(said.contains("file too large"), "{said}");
    assert_eq!(leftovers(&place), Vec::<String>::new());
    assert_eq!(place.json(["layers"]), serde_json::json!([]));
}

/// Starts a command whose input never ends, and waits until it has staged something.
fn importing(place: &Place) -> Child {
    let mut command = Command::new(crate::support::CONTAINERS_STORAGE);
    command.arg("-g").arg(place.path("root"));
    command.arg("-R").arg(place.path("runroot"));
    command.args(["-s", "vfs", "import-layer"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let tar = TarBuilder::new()
        .file("file", 0o644, "y".repeat(3_000_000))
        .finish();
    let half = &tar[..2_000_000];
    // More than the pipe holds: when all of it is written, the command reads, and watches its
    // signals.
    child.stdin.as_mut().unwrap().write_all(half).unwrap();
    child
}

fn signal(child: &Child, name: &str) {
    let done = run(Command::new("kill").args(["-s", name, &child.id().to_string()]));
    assert!(done.succeeded());
}

#[test]
fn root_a_signal_undoes_an_import_that_waits_for_its_input() {
    let Some(()) = require_root() else { return };
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        let mut child = importing(&place);
        signal(&child, name);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = lines.next().unwrap().unwrap();
        assert!(
            said.starts_with("containers-storage: interrupted, undoing"),
            "{said}"
        );
        let status = child.wait().unwrap();
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        let last = rest.last().map(String::as_str);
        assert_eq!(last, Some("containers-storage: unfinished work was undone"));
        assert_eq!(status.code(), Some(code), "{rest:?}");
        assert_eq!(leftovers(&place), Vec::<String>::new());
        assert_eq!(place.json(["layers"]), serde_json::json!([]));
    }
}

#[test]
fn root_a_signal_ends_a_wait_for_a_lock() {
    let Some(()) = require_root() else { return };
    let place = Place::new();
    place
        .containers_storage(["create-layer", "--id", "one"])
        .assert_success();
    // Another process holds the lock for as long as its input is open.
    let lock = place.path("root/vfs-layers/layers.lock");
    let mut holder = Command::new("python3")
        .arg("-c")
        .arg("import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f,fcntl.LOCK_EX); print('held',flush=True); sys.stdin.read()")
        .arg(&lock)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 5];
    holder
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut held)
        .unwrap();
    let mut command = Command::new(crate::support::CONTAINERS_STORAGE);
    command.arg("-g").arg(place.path("root"));
    command.arg("-R").arg(place.path("runroot"));
    command.args(["-s", "vfs", "delete-layer", "one"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // It watches its signals when it has a thread for that, which is when it begins to wait.
    let tasks = format!("/proc/{}/task", child.id());
    while fs::read_dir(&tasks).unwrap().count() < 3 {
        std::thread::yield_now();
    }
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert_eq!(place.json(["layers"]).as_array().unwrap().len(), 1);
}

#[test]
fn root_commands_that_change_nothing_are_ended_by_the_signal_itself() {
    use std::os::unix::process::ExitStatusExt;
    let Some(()) = require_root() else { return };
    let place = Place::new();
    place
        .containers_storage(["create-layer", "--id", "one"])
        .assert_success();
    let mut command = Command::new(crate::support::CONTAINERS_STORAGE);
    command.arg("-g").arg(place.path("root"));
    command.arg("-R").arg(place.path("runroot"));
    command.args(["-s", "vfs", "set-layer-data", "one", "key"]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}
