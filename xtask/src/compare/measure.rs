//! Timed runs, and rounds of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;
use crate::shell::{capture, find, program, show};

/// The cost of one run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sample {
    /// Seconds of wall-clock time.
    pub(super) wall: f64,
    /// Peak resident memory in KiB; 0 if not measured.
    pub(super) peak_kib: u64,
    /// System calls, if they were counted.
    pub(super) calls: Option<u64>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The system calls are counted, which makes it slow.
    Calls,
    /// Time and memory are measured.
    Time,
}

/// One program of a row.
pub(super) struct Contestant<'a> {
    pub(super) name: &'static str,
    /// Prepares outside the time, runs, checks outside the time.
    pub(super) run: Box<dyn FnMut(Purpose) -> Result<Sample> + 'a>,
}

impl<'a> Contestant<'a> {
    pub(super) fn new(name: &'static str, run: impl FnMut(Purpose) -> Result<Sample> + 'a) -> Self {
        Contestant {
            name,
            run: Box::new(run),
        }
    }
}

/// What was measured of one contestant.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Taken {
    /// One for each round.
    pub(super) samples: Vec<Sample>,
    /// The system calls of one run.
    pub(super) calls: Option<u64>,
}

/// The measurements of one contestant, or its error.
pub(super) type Outcome = Result<Taken>;

/// Runs the contestants in alternating order, after one round without times, in which their system
/// calls are counted.
pub(super) fn rounds(contestants: &mut [Contestant<'_>], rounds: usize) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = contestants.iter().map(|_| Ok(Taken::default())).collect();
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (contestant, outcome) = (&mut contestants[at], &mut outcomes[at]);
            let Ok(taken) = outcome else { continue };
            let purpose = match round {
                0 => Purpose::Calls,
                _ => Purpose::Time,
            };
            match (contestant.run)(purpose) {
                Ok(sample) if round > 0 => taken.samples.push(sample),
                Ok(sample) => taken.calls = sample.calls,
                Err(why) => *outcome = Err(why),
            }
        }
    }
    outcomes
}

/// Runs a command for wall-clock time and peak memory of it and its children, under GNU time.
pub(super) fn timed(command: &Command, expected: i32, purpose: Purpose) -> Result<Sample> {
    if purpose == Purpose::Calls {
        return traced(command, expected);
    }
    let report = report_path();
    let mut time = program("time");
    time.args(["--quiet", "--format=%M", "--output"])
        .arg(&report);
    behind(&mut time, command);
    let wall = wall(&mut time, expected)?;
    let text = take_report(&report)?;
    let peak_kib = text
        .trim()
        .parse()
        .map_err(|_| format!("GNU time said {text}"))?;
    Ok(Sample {
        wall,
        peak_kib,
        calls: None,
    })
}

/// One operation that is too short to time alone, with what makes room for the next.
pub(super) struct Step {
    pub(super) before: Option<Command>,
    pub(super) timed: Command,
    pub(super) expected: i32,
    pub(super) after: Option<Command>,
}

impl Step {
    pub(super) fn new(timed: Command) -> Self {
        Step {
            before: None,
            timed,
            expected: 0,
            after: None,
        }
    }

    pub(super) fn expecting(mut self, code: i32) -> Self {
        self.expected = code;
        self
    }

    pub(super) fn before(mut self, command: Command) -> Self {
        self.before = Some(command);
        self
    }

    pub(super) fn after(mut self, command: Command) -> Self {
        self.after = Some(command);
        self
    }
}

/// The mean of several runs, which are numbered. In runs of a millisecond GNU time itself would
/// count, so the peak is that of the last run, which is not timed.
pub(super) fn repeated(
    times: u32,
    purpose: Purpose,
    mut step: impl FnMut(u32) -> Step,
) -> Result<Sample> {
    let mut one = |number: u32, run: &mut dyn FnMut(&mut Command, i32) -> Result<f64>| {
        let mut step = step(number);
        step.before.as_mut().map_or(Ok(Vec::new()), capture)?;
        let result = run(&mut step.timed, step.expected)?;
        step.after.as_mut().map_or(Ok(Vec::new()), capture)?;
        Ok::<f64, String>(result)
    };
    let mut total = 0.0;
    if purpose == Purpose::Time {
        for number in 0..times {
            total += one(number, &mut wall)?;
        }
    }
    let mut last = Ok(Sample::default());
    one(times, &mut |command, expected| {
        last = timed(command, expected, purpose);
        Ok(0.0)
    })?;
    Ok(Sample {
        wall: total / f64::from(times),
        ..last?
    })
}

/// Counts the system calls of a command and its children. Without strace it only runs.
fn traced(command: &Command, expected: i32) -> Result<Sample> {
    let report = report_path();
    let Some(_) = find("strace") else {
        let mut plain = Command::new("env");
        behind(&mut plain, command);
        wall(&mut plain, expected)?;
        return Ok(Sample::default());
    };
    let mut strace = program("strace");
    strace
        .args(["-f", "-c", "-U", "calls,name", "-o"])
        .arg(&report);
    behind(&mut strace, command);
    wall(&mut strace, expected)?;
    Ok(Sample {
        calls: total_calls(&take_report(&report)?),
        ..Sample::default()
    })
}

/// The sum in a report of strace.
fn total_calls(report: &str) -> Option<u64> {
    let line = report.lines().find(|line| line.trim().ends_with("total"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Appends a command to one that runs it, with its variables.
fn behind(runner: &mut Command, command: &Command) {
    runner.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => runner.env(name, value),
            None => runner.env_remove(name),
        };
    }
}

/// Runs a command without its streams; returns the seconds that it took.
fn wall(command: &mut Command, expected: i32) -> Result<f64> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let status = command
        .status()
        .map_err(|error| format!("cannot start {}: {error}", show(command)))?;
    let wall = start.elapsed();
    check(command, status.code(), expected)?;
    Ok(wall.as_secs_f64())
}

fn check(command: &Command, code: Option<i32>, expected: i32) -> Result {
    if code == Some(expected) {
        return Ok(());
    }
    Err(format!(
        "exit {code:?} instead of {expected}: {}",
        show(command)
    ))
}

/// Touches this much memory and releases it, so that no contestant pays for pages that the host has
/// reclaimed.
pub(super) fn touch_memory(mib: usize) {
    let mut memory = vec![0_u8; mib << 20];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

fn report_path() -> PathBuf {
    std::env::temp_dir().join(format!("layerhold-compare-{}", std::process::id()))
}

fn take_report(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    drop(fs::remove_file(path));
    Ok(text)
}

/// The middle value; the mean of the two in the middle if their number is even.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
    }

    #[test]
    fn calls_are_in_the_last_line_of_a_report() {
        let report = "    calls syscall\n--------- ------\n       12 read\n        3 openat\n--------- ------\n       15 total\n";
        assert_eq!(total_calls(report), Some(15));
        assert_eq!(total_calls("strace: no\n"), None);
    }

    #[test]
    fn contestants_take_turns_and_a_failure_is_kept() {
        let log = std::cell::RefCell::new(String::new());
        let contestant = |name: &'static str, fails: bool| Contestant {
            name,
            run: Box::new({
                let log = &log;
                move |purpose| {
                    log.borrow_mut().push_str(name);
                    if fails {
                        return Err("no".to_owned());
                    }
                    Ok(Sample {
                        wall: 1.0,
                        peak_kib: 0,
                        calls: (purpose == Purpose::Calls).then_some(7),
                    })
                }
            }),
        };
        let mut contestants = [
            contestant("a", false),
            contestant("b", true),
            contestant("c", false),
        ];
        let outcomes = rounds(&mut contestants, 3);
        assert_eq!(*log.borrow(), "abccaacca");
        let first = outcomes[0]
            .as_ref()
            .map(|taken| (taken.samples.len(), taken.calls));
        assert_eq!(first, Ok((3, Some(7))));
        assert_eq!(outcomes[1], Err("no".to_owned()));
    }
}
