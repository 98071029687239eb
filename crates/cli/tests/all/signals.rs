//! What signals and killed processes leave, and who is told.

use std::fs;
use std::process::Command;

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
        assert_eq!(words(&done).1, "", "{reader}");
        assert_eq!(leftovers(&place), ["lock-7", "temp-dir-7"], "{reader}");
    }
    let line = "layerhold: erasing what 1 killed process left\n";
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
        format!("removed what a killed process left in {}\n", area.display())
    );
    // The Go tool says nothing of it, and scripts read what its namesake prints.
    leave_something(&place);
    let done = place.dropin(["gc"]);
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
    let mut import = Command::new(crate::support::DROPIN);
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
