//! Seeded sequences of commands through Go's tool and ours: exit codes, output and the disk must
//! agree.
//!
//! Two stores go through the same commands ([`Mode::Twin`]), or either tool works on one store, by
//! turns, and ours alone on another ([`Mode::Shared`]). What differs has a rule in `explain.rs`,
//! which names the row of `docs/differences.md` that gives the reason, or it is a failure. `cargo
//! xtask differential` runs longer ones.

mod archives;
mod choices;
mod command;
mod compare;
mod explain;
mod generate;
mod known;
mod members;
mod observe;
mod pair;
mod plain_text;
pub(crate) mod random;
mod shrink;

use std::collections::BTreeMap;
use std::fmt::Write;

use layerhold_testkit::{Feature, require_feature, require_peer, require_root};

use command::Command;
use compare::{Difference, Part, differences};
use explain::{RULES, Step, explanation};
use generate::Generator;
use known::Known;
use pair::{Mode, Pair};

/// Commands on one pair of stores.
const ROUND: usize = 100;
/// Sequences that may be tried to find a shorter one.
const TRIES: usize = 120;

/// How often each row explained a difference.
type Explained = BTreeMap<&'static str, usize>;

/// A difference that nothing explains.
struct Surprise {
    difference: Difference,
    all: String,
}

/// Stores in step with each other.
struct Run {
    pair: Pair,
    mode: Mode,
    known: Known,
    explained: Explained,
    /// The stores can no longer be compared.
    ended: bool,
}

impl Run {
    fn new(mode: Mode, driver: &str) -> Self {
        let pair = Pair::new(mode, driver);
        Run {
            pair,
            mode,
            known: Known::default(),
            explained: Explained::new(),
            ended: false,
        }
    }

    fn step(&mut self, command: &Command) -> Result<(), Box<Surprise>> {
        let (left, right) = self.pair.run(command);
        let exact = self.mode == Mode::Shared && !command.by_go;
        let found = differences(command, &left, &right, exact);
        let driver = self.pair.driver.clone();
        let step = Step {
            command,
            known: &self.known,
            driver: &driver,
            go: &left,
            ours: &right,
        };
        let mut apart = false;
        for difference in &found {
            let row = if exact {
                None
            } else {
                explanation(&step, difference)
            };
            let Some(row) = row else {
                let mut all = String::new();
                for difference in &found {
                    writeln!(all, "{difference}").unwrap();
                }
                writeln!(all, "left:  {:?} {:?}", left.out, left.err).unwrap();
                writeln!(all, "right: {:?} {:?}", right.out, right.err).unwrap();
                return Err(Box::new(Surprise {
                    difference: difference.clone(),
                    all,
                }));
            };
            *self.explained.entry(row).or_default() += 1;
            apart |= matches!(difference.part, Part::State(_));
        }
        if apart {
            self.ended = !self.pair.copy_to_the_left();
        }
        self.known = Known::of(&right.state, &driver);
        Ok(())
    }
}

/// Runs one sequence; the text tells of the first difference that nothing explains.
fn round(seed: u64, commands: usize, mode: Mode, driver: &str) -> Result<Explained, String> {
    let mut generator = Generator::new(seed);
    let mut run = Run::new(mode, driver);
    let mut done: Vec<Command> = Vec::new();
    for _ in 0..commands {
        let command = generator.next(&run.known);
        done.push(command);
        let Some(command) = done.last() else { break };
        if let Err(surprise) = run.step(command) {
            drop(run);
            return Err(report(seed, done, mode, driver, &surprise));
        }
        if run.ended {
            break;
        }
    }
    Ok(run.explained)
}

fn report(seed: u64, done: Vec<Command>, mode: Mode, driver: &str, surprise: &Surprise) -> String {
    let serial = done.last().map(|command| command.serial);
    let part = &surprise.difference.part;
    let mut last = None;
    let shortest = shrink::shrink(done, TRIES, |commands| {
        let mut run = Run::new(mode, driver);
        for command in commands {
            if let Err(surprise) = run.step(command) {
                let same = Some(command.serial) == serial && surprise.difference.part == *part;
                if same {
                    last = Some(surprise);
                }
                return same;
            }
            if run.ended {
                break;
            }
        }
        false
    });
    let mut text =
        format!("seed {seed}, command {serial:?}, {mode:?}, {driver}: {part:?} differs\n");
    for command in shortest {
        writeln!(text, "  {command}").unwrap();
    }
    let all = last
        .as_ref()
        .map_or(&surprise.all, |surprise| &surprise.all);
    text + all
}

/// Runs so many commands, as many sequences of [`ROUND`], with the seeds from `seed` on.
fn sequences(seed: u64, commands: usize, mode: Mode, driver: &str) -> Explained {
    let mut explained = Explained::new();
    let mut left = commands;
    let mut next = seed;
    let mut failures = Vec::new();
    while left > 0 {
        let length = left.min(ROUND);
        match round(next, length, mode, driver) {
            Ok(found) => found
                .into_iter()
                .for_each(|(row, count)| *explained.entry(row).or_default() += count),
            Err(why) => failures.push(why),
        }
        left -= length;
        next += 1;
        // One failure tells enough in most cases; a few tell whether they have one cause.
        if failures.len() == 3 {
            break;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    explained
}

fn tools() -> Option<()> {
    require_root()?;
    require_peer("containers-storage")
}

#[test]
fn root_peer_sequences_agree_on_twin_stores() {
    let Some(()) = tools() else { return };
    sequences(1, 80, Mode::Twin, "vfs");
}

#[test]
fn root_peer_sequences_agree_on_a_shared_store() {
    let Some(()) = tools() else { return };
    sequences(2, 60, Mode::Shared, "vfs");
}

#[test]
fn root_peer_sequences_agree_with_overlay() {
    let Some(()) = tools() else { return };
    let Some(()) = require_feature(Feature::Overlay) else {
        return;
    };
    sequences(3, 40, Mode::Twin, "overlay");
    sequences(4, 40, Mode::Shared, "overlay");
}

/// What `cargo xtask differential` runs: it says how many, with which seed, in the environment.
#[test]
#[ignore = "as long as one likes: cargo xtask differential"]
fn root_peer_sequences_as_told() {
    let Some(()) = tools() else { return };
    let told = |name: &str, else_: &str| std::env::var(name).unwrap_or_else(|_| else_.to_owned());
    let number = |name: &str, else_: &str| told(name, else_).parse::<u64>().unwrap();
    let seed = number("DIFFERENTIAL_SEED", "1");
    let commands = usize::try_from(number("DIFFERENTIAL_COMMANDS", "1000")).unwrap();
    let mode = match told("DIFFERENTIAL_MODE", "twin").as_str() {
        "shared" => Mode::Shared,
        _ => Mode::Twin,
    };
    let driver = told("DIFFERENTIAL_DRIVER", "vfs");
    let explained = sequences(seed, commands, mode, &driver);
    println!(
        "{commands} commands ({mode:?}, {driver}) without an unexplained difference; explained:"
    );
    for (row, count) in explained {
        println!("{count:6}  {row}");
    }
}

#[test]
fn every_rule_has_a_row() {
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/differences.md"
    ))
    .unwrap();
    for rule in RULES {
        let start = format!("\n| {}", rule.row);
        assert!(
            page.contains(&start),
            "docs/differences.md has no row that begins with {:?}",
            rule.row
        );
    }
}
