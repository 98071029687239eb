//! Owners and helpers that die at any point leave nothing for ever.

use std::path::Path;

use layerhold_staging::TempRoot;
use layerhold_testkit::{ChildSpec, child_role, require_peer, scratch};

use super::support::{names, store};

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let base = Path::new(role.argument(0));
    let root = TempRoot::new(base.join("tmp"));
    match role.name() {
        "work" => {
            let store = layerhold_sys::Dir::open_ambient(base.join("store")).unwrap();
            role.say("starting");
            let area = root.begin().unwrap();
            role.say("begun");
            let addition = area.stage_addition();
            drop(
                addition
                    .create_dir(0o755)
                    .unwrap()
                    .create_file("f", 0o600)
                    .unwrap(),
            );
            role.say("staged");
            area.stage_deletion(&store, "first").unwrap();
            role.say("deleted");
            addition.commit(&store, "third").unwrap();
            role.say("committed");
            role.listen();
            area.close().unwrap();
        }
        "recover" => {
            role.say("starting");
            assert!(root.recover_stale().unwrap().failed.is_empty());
        }
        other => panic!("unknown role {other}"),
    }
    role.say("done");
}

fn child(role: &str, base: &Path) -> ChildSpec {
    ChildSpec::new("crashes::child_entry", role).argument(base.display())
}

/// The store holds whole things only, whatever happened to their mover.
fn check_store(base: &Path) {
    let store = base.join("store");
    for name in names(&store) {
        match name.as_str() {
            "first" | "second" => assert_eq!(names(&store.join(&name)), ["content", "sub"]),
            "third" => assert_eq!(names(&store.join(&name)), ["f"]),
            "file" => {}
            other => panic!("{other} in the store"),
        }
    }
}

fn check_recovery(base: &Path) {
    let root = TempRoot::new(base.join("tmp"));
    let recovery = root.recover_stale().unwrap();
    assert!(recovery.failed.is_empty(), "{recovery:?}");
    assert!(recovery.in_use.is_empty(), "{recovery:?}");
    assert!(!root.path().exists() || names(root.path()).is_empty());
    check_store(base);
}

#[test]
fn an_owner_killed_between_steps_leaves_what_the_next_removes() {
    for last in ["starting", "begun", "staged", "deleted", "committed"] {
        let place = scratch();
        drop(store(place.path()));
        let mut child = child("work", place.path()).spawn();
        while child.hear().unwrap() != last {}
        child.kill();
        let root = TempRoot::new(place.path().join("tmp"));
        let left = if last == "starting" { 0..=2 } else { 2..=2 };
        let entries = if root.path().exists() {
            names(root.path())
        } else {
            Vec::new()
        };
        assert!(left.contains(&entries.len()), "after {last}: {entries:?}");
        check_recovery(place.path());
    }
}

/// The calls that change something, or that locking depends on.
const CALLS: [&str; 7] = [
    "openat",
    "openat2",
    "mkdirat",
    "fcntl",
    "renameat",
    "renameat2",
    "unlinkat",
];

/// Kills a child at the first, second, third … use of each call until it gets
/// through; returns how many were killed after they had started.
fn kill_at_each_call(prepare: impl Fn(&Path), role: &str) -> usize {
    let mut killed = 0;
    for call in CALLS {
        for count in 1.. {
            assert!(count < 200, "the child never gets through");
            let place = scratch();
            drop(store(place.path()));
            prepare(place.path());
            let inject = format!("inject={call}:signal=KILL:when={count}");
            let mut child = child(role, place.path())
                .through(["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &inject])
                .spawn();
            let mut heard = Vec::new();
            while heard.last().is_none_or(|last| last != "done") {
                match child.hear() {
                    Some(message) => heard.push(message),
                    None => break,
                }
                if heard.last().is_some_and(|last| last == "committed") {
                    child.tell("go on");
                }
            }
            let done = heard.last().is_some_and(|last| last == "done");
            killed += usize::from(!done && !heard.is_empty());
            let _ = child.wait();
            check_recovery(place.path());
            if done {
                break;
            }
        }
    }
    killed
}

#[test]
fn an_owner_killed_at_any_call_leaves_what_the_next_removes() {
    let Some(()) = require_peer("strace") else {
        return;
    };
    let killed = kill_at_each_call(|_| {}, "work");
    assert!(killed >= 15, "only {killed} kills hit the work");
}

#[test]
fn a_helper_killed_at_any_call_leaves_what_the_next_removes() {
    let Some(()) = require_peer("strace") else {
        return;
    };
    let abandon = |base: &Path| {
        let root = base.join("tmp");
        std::fs::create_dir_all(root.join("temp-dir-1/0-x/y")).unwrap();
        std::fs::write(root.join("lock-1"), "").unwrap();
        std::fs::create_dir_all(root.join("temp-dir-2")).unwrap();
        std::fs::write(root.join("lock-3"), "").unwrap();
    };
    let killed = kill_at_each_call(abandon, "recover");
    assert!(killed >= 8, "only {killed} kills hit the recovery");
}
