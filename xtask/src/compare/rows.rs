//! The workloads, and how one becomes a row.

use std::path::Path;
use std::process::Command;

use super::Plan;
use super::data::{self, Layers};
use super::measure::{Contestant, Outcome, Taken, rounds};
use super::report::Report;
use super::table::{Row, head};
use super::{deep, files, imports, pulls, records};
use crate::Result;

/// Something to measure.
pub(super) struct Workload {
    pub(super) name: &'static str,
    run: fn(&Plan, &Layers, &str) -> Result<Row>,
}

impl Workload {
    pub(super) const fn new(
        name: &'static str,
        run: fn(&Plan, &Layers, &str) -> Result<Row>,
    ) -> Self {
        Workload { name, run }
    }
}

/// All workloads, in the order of the table.
pub(super) fn all() -> impl Iterator<Item = &'static Workload> {
    let first = imports::ALL.iter().chain(deep::ALL).chain(records::ALL);
    first.chain(files::ALL).chain(pulls::ALL)
}

/// Memory touched before each import: about as much as page cache and process take.
pub(super) const TOUCHED_MIB: usize = 1200;
/// Switches our durability off, for a fair comparison: the peer never syncs contents.
pub(super) const WITHOUT_SYNC: &[&str] = &["--storage-opt", "sync=none"];
/// The IDs of layers, images and containers.
pub(super) const FIRST: &str = "1111111111111111111111111111111111111111111111111111111111111111";
pub(super) const SECOND: &str = "2222222222222222222222222222222222222222222222222222222222222222";

pub(super) fn run(plan: &Plan) -> Result {
    let wanted = |name: &str| plan.only.as_deref().is_none_or(|only| name.contains(only));
    let layers = data::prepare(&plan.work, plan.sizes)?;
    let about = format!(
        "small: {}; big: {}; {} records; {} rounds; {} on ext4",
        layers.small.about, layers.big.about, plan.sizes.records, plan.rounds, plan.driver
    );
    println!("{about}\npeer: {}\n", plan.contestants.peer.display());
    println!("{}", head());
    let mut report = Report::new(about);
    let mut details = Vec::new();
    for workload in all().filter(|workload| wanted(workload.name)) {
        let row = (workload.run)(plan, &layers, workload.name)?;
        println!("{}", row.markdown());
        details.extend(row.details(plan.samples));
        report.add(&row);
    }
    println!();
    details.iter().for_each(|line| println!("{line}"));
    if let Some(path) = &plan.json {
        report.write_json(path)?;
    }
    if let Some(path) = &plan.chart {
        report.write_chart(path)?;
    }
    if details.iter().any(|line| line.contains("FAILED")) {
        return Err("a contestant failed".to_owned());
    }
    Ok(())
}

pub(super) fn row(name: &str, plan: &Plan, mut contestants: Vec<Contestant<'_>>) -> Row {
    let mut outcomes = rounds(&mut contestants, plan.rounds);
    let mut take = |who: &str| -> Option<Outcome> {
        let at = contestants
            .iter()
            .position(|contestant| contestant.name == who)?;
        Some(std::mem::replace(&mut outcomes[at], Ok(Taken::default())))
    };
    let missing = || Err("did not take part".to_owned());
    Row {
        name: name.to_owned(),
        ours: take("ours").unwrap_or_else(missing),
        durable: take("durable"),
        peer: take("peer").unwrap_or_else(missing),
        limit: take("limit"),
    }
}

/// The command line of a contestant for the store below `at`.
pub(super) fn store(binary: &Path, driver: &str, extra: &[&str], at: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("-g")
        .arg(at.join("g"))
        .arg("-R")
        .arg(at.join("r"))
        .args(["-s", driver])
        .args(extra);
    command
}
