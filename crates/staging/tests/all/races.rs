//! Owners and helpers at the same time.

use std::sync::atomic::{AtomicBool, Ordering};

use layerhold_staging::{StagedDeletion, TempRoot};
use layerhold_sys::Dir;
use layerhold_testkit::{ChildSpec, child_role, scratch};

use super::support::names;

/// Begins, uses and ends areas; no other thread may remove them until then.
fn work(root: &TempRoot, dir: &Dir, worker: &str, rounds: usize) {
    for round in 0..rounds {
        let area = root.begin().unwrap();
        let name = format!("{worker}-{round}");
        drop(dir.create_file(&name, 0o600).unwrap());
        let addition = area.stage_addition();
        drop(addition.create_file(0o600).unwrap());
        assert_eq!(
            area.stage_deletion(dir, &name).unwrap(),
            StagedDeletion::Moved
        );
        assert_eq!(area.dir().entries().unwrap().count(), 2);
        addition.commit(dir, &name).unwrap();
        dir.remove_file(&name).unwrap();
        area.close().unwrap();
    }
}

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let base = std::path::Path::new(role.argument(0));
    let root = TempRoot::new(base.join("tmp"));
    let dir = Dir::open_ambient(base).unwrap();
    match role.name() {
        "work" => work(&root, &dir, &std::process::id().to_string(), 100),
        "recover" => {
            role.say("started");
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        assert!(root.recover_stale().unwrap().failed.is_empty());
                    }
                });
                role.listen();
                stop.store(true, Ordering::Relaxed);
            });
        }
        other => panic!("unknown role {other}"),
    }
}

#[test]
fn areas_survive_those_who_look_for_abandoned_ones() {
    let place = scratch();
    let child = |role: &str| {
        ChildSpec::new("races::child_entry", role)
            .argument(place.path().display())
            .spawn()
    };
    let mut helpers = [child("recover"), child("recover")];
    helpers
        .iter_mut()
        .for_each(|helper| helper.expect("started"));
    let workers = [child("work"), child("work")];
    let root = TempRoot::new(place.path().join("tmp"));
    let dir = Dir::open_ambient(place.path()).unwrap();
    std::thread::scope(|scope| {
        for worker in ["a", "b"] {
            let (root, dir) = (&root, &dir);
            scope.spawn(move || work(root, dir, worker, 100));
        }
        scope.spawn(|| {
            for _ in 0..100 {
                assert!(root.recover_stale().unwrap().failed.is_empty());
            }
        });
    });
    for worker in workers {
        assert!(worker.wait().success());
    }
    for mut helper in helpers {
        helper.tell("stop");
        assert!(helper.wait().success());
    }
    assert!(names(root.path()).is_empty());
    assert_eq!(names(place.path()), ["tmp"]);
}
