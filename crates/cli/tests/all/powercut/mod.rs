//! Power cuts: a store is changed by both command lines, the disk it lies on is copied at random
//! instants, and each copy is mounted and judged.
//!
//! See [`disk`] for what such a cut is, [`worker`] for what is done, [`judge`] for what is asked.
//! `cargo xtask powercut` makes many more of them.

mod disk;
mod fixtures;
mod judge;
mod model;
mod store;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use layerhold_testkit::{Feature, FilesystemKind, require_feature};

use crate::differential::random::Random;
use disk::{Copy, Disk};
use fixtures::Fixtures;
use judge::{Possible, judge};
use store::Store;
use worker::{History, Worker};

/// Programs that change the store at the same time.
const WORKERS: usize = 2;
/// Cuts of one disk.
const CUTS: usize = 10;

/// One disk, which is cut several times while work goes on.
struct Session {
    disk: Disk,
    driver: String,
    seed: u64,
}

/// A cut, and what the store may hold then.
struct Cut {
    copy: Copy,
    possible: Vec<Possible>,
}

impl Session {
    /// Makes so many cuts; returns what was wrong after which.
    fn cuts(&mut self, count: usize) -> Vec<String> {
        let fixtures = Fixtures::make(&self.disk.kept("fixtures"), WORKERS, self.seed);
        self.disk.mount();
        let store = Store::new(self.disk.path(), self.disk.kept("run"), &self.driver);
        // A store that is there, so that a killed command leaves one.
        if let Err(why) = store.list("layers") {
            return vec![why];
        }
        let (cuts, mut failures) = self.work(count, &store, &fixtures);
        self.disk.unmount();
        let scratch = self.disk.kept("scratch");
        for (number, cut) in cuts.iter().enumerate() {
            let what = format!("seed {}, cut {number}", self.seed);
            if let Err(why) = self.disk.mount_copy(&cut.copy) {
                failures.push(format!("{what}: {why}"));
                continue;
            }
            // The run root is lost, as at a reboot.
            let run = self.disk.kept(&format!("run{number}"));
            let store = Store::new(self.disk.path(), run, &self.driver);
            if let Err(why) = judge(&store, &fixtures, &cut.possible, &scratch) {
                failures.push(format!("{what}: {why}"));
            }
            self.disk.unmount();
        }
        failures
    }

    /// Cuts while the workers work; returns what went wrong with them too.
    fn work(&self, count: usize, store: &Store, fixtures: &Fixtures) -> (Vec<Cut>, Vec<String>) {
        let mut random = Random::new(self.seed);
        let histories: [History; WORKERS] = Default::default();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|number| {
                    let worker = Worker {
                        number,
                        store,
                        fixtures,
                        random: Random::new(random.next()),
                        history: &histories[number],
                    };
                    scope.spawn(|| worker.work(&stop))
                })
                .collect();
            let cuts: Vec<Cut> = (0..count)
                .map(|number| {
                    let pause = 50_000 + random.below(400_000);
                    std::thread::sleep(Duration::from_micros(pause as u64));
                    let before: Vec<_> = histories.iter().map(History::now).collect();
                    let copy = self.disk.cut(&format!("cut{number}"));
                    let pairs = before.iter().zip(&histories);
                    let possible = pairs.map(|(before, now)| Possible::between(before, now.now()));
                    Cut {
                        copy,
                        possible: possible.collect(),
                    }
                })
                .collect();
            stop.store(true, Ordering::Relaxed);
            let outcomes = workers.into_iter().map(|worker| worker.join().unwrap());
            let failures = outcomes.filter_map(Result::err);
            let failures = failures.map(|why| format!("seed {}: {why}", self.seed));
            (cuts, failures.collect())
        })
    }
}

/// Makes so many cuts, with the seeds from `seed` on, and tells after each disk how far it is;
/// returns what was wrong. None without what it needs.
fn cuts(
    kind: FilesystemKind,
    driver: &str,
    seed: u64,
    count: usize,
    tell: &dyn Fn(&str),
) -> Option<Vec<String>> {
    if driver == "overlay" {
        require_feature(Feature::Overlay)?;
    }
    let mut failures = Vec::new();
    let mut left = count;
    let mut seed = seed;
    while left > 0 {
        let mut session = Session {
            disk: Disk::require(kind)?,
            driver: driver.to_owned(),
            seed,
        };
        let now = left.min(CUTS);
        failures.extend(session.cuts(now));
        left -= now;
        tell(&format!(
            "{} {driver}: {} cuts, {} failures, last seed {seed}",
            kind.name(),
            count - left,
            failures.len()
        ));
        seed += 1;
    }
    Some(failures)
}

#[track_caller]
fn check(kind: FilesystemKind, driver: &str, seed: u64, count: usize) {
    let Some(failures) = cuts(kind, driver, seed, count, &|_| ()) else {
        return;
    };
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn root_btrfs_what_was_reported_survives_a_power_cut() {
    check(FilesystemKind::Btrfs, "overlay", 1, 3);
}

#[test]
fn root_btrfs_what_was_reported_survives_a_power_cut_with_vfs() {
    check(FilesystemKind::Btrfs, "vfs", 2, 3);
}

#[test]
fn root_ext4_what_was_reported_survives_a_power_cut() {
    check(FilesystemKind::Ext4, "overlay", 3, 3);
}

#[test]
fn root_xfs_what_was_reported_survives_a_power_cut() {
    check(FilesystemKind::Xfs, "overlay", 4, 3);
}

/// What `cargo xtask powercut` runs: it says how many, where, and with which seed, in the
/// environment.
#[test]
#[ignore = "as long as one likes: cargo xtask powercut"]
fn root_cuts_as_told() {
    let told = |name: &str, else_: &str| std::env::var(name).unwrap_or_else(|_| else_.to_owned());
    let number = |name: &str, else_: &str| told(name, else_).parse::<u64>().unwrap();
    let kind = match told("POWERCUT_FILESYSTEM", "btrfs").as_str() {
        "ext4" => FilesystemKind::Ext4,
        "xfs" => FilesystemKind::Xfs,
        _ => FilesystemKind::Btrfs,
    };
    let driver = told("POWERCUT_DRIVER", "overlay");
    let count = usize::try_from(number("POWERCUT_CUTS", "20")).unwrap();
    let seed = number("POWERCUT_SEED", "1");
    let tell = |line: &str| println!("{line}");
    let Some(failures) = cuts(kind, &driver, seed, count, &tell) else {
        return;
    };
    println!(
        "{} {driver}: {count} cuts from seed {seed}, {} failed",
        kind.name(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
