//! Records: looking, listing and changing, with few and many of them there.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Plan;
use super::data::Layers;
use super::measure::{Contestant, Purpose, Sample, Step, repeated};
use super::rows::{FIRST, Workload, row, store};
use super::scratch::Scratch;
use super::table::Row;
use crate::Result;
use crate::shell::capture;

pub(super) const ALL: &[Workload] = &[
    Workload::new("exists, 1 layer", |plan, _, name| {
        look(plan, name, 1, &["exists", "-l", FIRST], 0)
    }),
    Workload::new("exists, layer of many", |plan, _, name| {
        look(
            plan,
            name,
            many(plan),
            &["exists", "-l", &id(LAYER, many(plan) - 2)],
            0,
        )
    }),
    Workload::new("exists, missing among many", |plan, _, name| {
        look(
            plan,
            name,
            many(plan),
            &["exists", "-l", &"f".repeat(64)],
            1,
        )
    }),
    Workload::new("exists, image of many by name", |plan, _, name| {
        look(
            plan,
            name,
            many(plan),
            &["exists", "-i", &image_name(many(plan) - 2)],
            0,
        )
    }),
    Workload::new("layers, many", |plan, _, name| {
        look(plan, name, many(plan), &["layers"], 0)
    }),
    Workload::new("layers -j, many", |plan, _, name| {
        look(plan, name, many(plan), &["layers", "-j"], 0)
    }),
    Workload::new("images, many", |plan, _, name| {
        look(plan, name, many(plan), &["images"], 0)
    }),
    Workload::new("containers, many", |plan, _, name| {
        look(plan, name, many(plan), &["containers"], 0)
    }),
    Workload::new("create-container, 10 there", create),
    Workload::new("create-container, 1,000 there", create),
    Workload::new("create-container, 10,000 there", create),
    Workload::new("add-names, 10 there", add_names),
    Workload::new("add-names, 1,000 there", add_names),
    Workload::new("add-names, 10,000 there", add_names),
    Workload::new("delete-container, 10 there", delete),
    Workload::new("delete-container, 1,000 there", delete),
    Workload::new("delete-container, 10,000 there", delete),
];

fn many(plan: &Plan) -> usize {
    plan.sizes.records
}

/// Measures a command that changes nothing.
fn look(plan: &Plan, name: &str, records: usize, words: &[&str], expected: i32) -> Result<Row> {
    let scratch = Scratch::fresh(&plan.work)?;
    let at = scratch.path();
    synthesize(plan, at, records, 1)?;
    // Long enough to time, short enough to alternate often.
    let times = if records > 100 { 5 } else { 40 };
    let one = |who, binary: &Path| -> Contestant<'_> {
        let mut command = store(binary, plan.driver, &[], at);
        command.args(words);
        contestant(who, times, move |_| {
            Step::new(again(&command)).expecting(expected)
        })
    };
    let mut contestants = vec![
        one("ours", &plan.contestants.ours),
        one("peer", &plan.contestants.peer),
    ];
    let file = at.join(format!("g/{0}-layers/layers.json", plan.driver));
    contestants.push(contestant("limit", times, move |_| {
        let mut cat = Command::new("cat");
        cat.arg(&file);
        Step::new(cat)
    }));
    Ok(row(name, plan, contestants))
}

fn create(plan: &Plan, _layers: &Layers, name: &str) -> Result<Row> {
    change(plan, name, |command, _| {
        let create = command(&["create-container", "-i", NEW, FIRST]);
        Step::new(create).after(command(&["delete-container", NEW]))
    })
}

fn delete(plan: &Plan, _layers: &Layers, name: &str) -> Result<Row> {
    change(plan, name, |command, _| {
        let delete = command(&["delete-container", NEW]);
        Step::new(delete).before(command(&["create-container", "-i", NEW, FIRST]))
    })
}

fn add_names(plan: &Plan, _layers: &Layers, name: &str) -> Result<Row> {
    change(plan, name, |command, number| {
        let container = id(CONTAINER, 0);
        let name = format!("added-{number}");
        let add = command(&["add-names", "-n", &name, &container]);
        Step::new(add).after(command(&["set-names", "-n", "first", &container]))
    })
}

/// A step that changes a store, by the number of the run.
type Change = fn(&dyn Fn(&[&str]) -> Command, u32) -> Step;

/// Measures a command that changes containers, with as many there as the name says. It leaves as
/// many as there were.
fn change(plan: &Plan, name: &str, step: Change) -> Result<Row> {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let containers = digits
        .parse()
        .map_err(|_| format!("{name:?} has no number"))?;
    let containers = plan.sizes.records.min(containers);
    let one = |who, binary: &Path| -> Result<Contestant<'_>> {
        let scratch = Scratch::fresh(&plan.work)?;
        synthesize(plan, scratch.path(), 1, containers)?;
        let binary = binary.to_owned();
        Ok(contestant(who, 20, move |number| {
            let command = |words: &[&str]| {
                let mut command = store(&binary, plan.driver, &[], scratch.path());
                command.args(words);
                command
            };
            step(&command, number)
        }))
    };
    let contestants = vec![
        one("ours", &plan.contestants.ours)?,
        one("peer", &plan.contestants.peer)?,
    ];
    Ok(row(name, plan, contestants))
}

/// The ID of a container that is created.
const NEW: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

fn contestant<'a>(
    name: &'static str,
    times: u32,
    mut step: impl FnMut(u32) -> Step + 'a,
) -> Contestant<'a> {
    Contestant {
        name,
        run: Box::new(move |purpose: Purpose| -> Result<Sample> {
            repeated(times, purpose, &mut step)
        }),
    }
}

fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

/// What the IDs of a kind begin with.
const LAYER: &str = "a";
const IMAGE: &str = "b";
const CONTAINER: &str = "d";

fn id(kind: &str, number: usize) -> String {
    format!("{kind}{number:063x}")
}

fn image_name(number: usize) -> String {
    format!("localhost/image-{number}:latest")
}

/// Writes a store in the peer's form, with one real layer and image and so many records more: `all`
/// of layers, images and containers, and of containers at least `containers`.
fn synthesize(plan: &Plan, at: &Path, all: usize, containers: usize) -> Result {
    let peer = |words: &[&str]| {
        let mut command = store(&plan.contestants.peer, plan.driver, &[], at);
        capture(command.args(words))
    };
    peer(&["create-layer", "-i", FIRST])?;
    peer(&[
        "create-image",
        "-i",
        FIRST,
        "-n",
        "localhost/first:latest",
        FIRST,
    ])?;
    let driver = plan.driver;
    let containers = containers.max(if all > 1 { all } else { 0 });
    let created = r#""created":"2024-05-06T07:08:09.123456789Z""#;
    let layers = |number: usize| {
        // Chains of 10, as in images; the fields are as long as real ones.
        let parent = match number % 10 {
            0 => String::new(),
            _ => format!(r#""parent":"{}","#, id(LAYER, number - 1)),
        };
        let digest = format!("{:064x}", number * 7 + 1);
        format!(
            r#"{{"id":"{}",{parent}{created},"compressed-diff-digest":"sha256:{digest}","compressed-size":1234567,"diff-digest":"sha256:{digest}","diff-size":2345678,"compression":2,"uidset":[0],"gidset":[0]}}"#,
            id(LAYER, number)
        )
    };
    let images = |number: usize| {
        format!(
            r#"{{"id":"{}","names":["{}"],"layer":"{}",{created}}}"#,
            id(IMAGE, number),
            image_name(number),
            id(LAYER, number)
        )
    };
    let of_containers = |number: usize| {
        format!(
            r#"{{"id":"{}","parent":"{FIRST}",{created},"uidset":[0],"gidset":[0]}}"#,
            id(LAYER, all + number)
        )
    };
    let container = |number: usize| {
        format!(
            r#"{{"id":"{}","names":["container-{number}"],"image":"{FIRST}","layer":"{}",{created}}}"#,
            id(CONTAINER, number),
            id(LAYER, all + number)
        )
    };
    let extra = all - 1;
    add(
        at,
        driver,
        "layers",
        (0..extra)
            .map(layers)
            .chain((0..containers).map(of_containers)),
    )?;
    add(at, driver, "images", (0..extra).map(images))?;
    add(at, driver, "containers", (0..containers).map(container))?;
    // The peer checks whether the directories of some layers exist.
    for number in (0..extra).chain(all..all + containers) {
        let directory = plan.contents(at, &id(LAYER, number));
        fs::create_dir_all(&directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    peer(&["exists", "-l", FIRST]).map(drop)
}

/// Adds records to those of a kind.
fn add(at: &Path, driver: &str, kind: &str, records: impl Iterator<Item = String>) -> Result {
    let directory = at.join(format!("g/{driver}-{kind}"));
    let path = directory.join(format!("{kind}.json"));
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(&directory).map_err(failed)?;
    let known = fs::read_to_string(&path).unwrap_or_default();
    let known = known.trim().trim_start_matches('[').trim_end_matches(']');
    let known = (!known.is_empty()).then(|| known.to_owned());
    let all: Vec<String> = known.into_iter().chain(records).collect();
    fs::write(&path, format!("[{}]", all.join(","))).map_err(failed)
}
