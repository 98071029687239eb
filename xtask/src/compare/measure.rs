//! Timed runs, and rounds of them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::shell::{program, show};

/// The cost of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// Seconds of wall-clock time.
    pub(super) wall: f64,
    /// Peak resident memory in KiB; 0 if not measured.
    pub(super) peak_kib: u64,
}

/// One program of a row.
pub(super) struct Contestant<'a> {
    pub(super) name: &'static str,
    /// Prepares outside the time, runs, checks outside the time.
    pub(super) run: Box<dyn FnMut() -> Result<Sample> + 'a>,
}

/// The samples of one contestant, one for each round, or its error.
pub(super) type Outcome = Result<Vec<Sample>>;

/// Runs the contestants in alternating order, after one uncounted round.
pub(super) fn rounds(contestants: &mut [Contestant<'_>], rounds: usize) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = contestants.iter().map(|_| Ok(Vec::new())).collect();
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (contestant, outcome) = (&mut contestants[at], &mut outcomes[at]);
            let Ok(samples) = outcome else { continue };
            match (contestant.run)() {
                Ok(sample) if round > 0 => samples.push(sample),
                Ok(_) => {}
                Err(why) => *outcome = Err(why),
            }
        }
    }
    outcomes
}

/// Runs a command under GNU time, for wall-clock time and peak memory of it and its children.
pub(super) fn timed(command: &Command, expected: i32) -> Result<Sample> {
    let report = tempfile_path();
    let mut time = program("time");
    time.args(["--quiet", "--format=%M", "--output"])
        .arg(&report);
    time.arg(command.get_program()).args(command.get_args());
    let sample = untimed_memory(&mut time, expected)?;
    let text = std::fs::read_to_string(&report)
        .map_err(|error| format!("{}: {error}", report.display()))?;
    drop(std::fs::remove_file(&report));
    let peak_kib = text
        .trim()
        .parse()
        .map_err(|_| format!("GNU time said {text}"))?;
    Ok(Sample { peak_kib, ..sample })
}

/// Runs a command for wall-clock time only: in runs of a millisecond, GNU time itself would count.
pub(super) fn untimed_memory(command: &mut Command, expected: i32) -> Result<Sample> {
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
    Ok(Sample {
        wall: wall.as_secs_f64(),
        peak_kib: 0,
    })
}

/// The mean of `times` runs, for runs too short to time alone.
pub(super) fn repeated(command: &mut Command, expected: i32, times: u32) -> Result<Sample> {
    let mut total = Duration::ZERO;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for _ in 0..times {
        let start = Instant::now();
        let status = command
            .status()
            .map_err(|error| format!("cannot start {}: {error}", show(command)))?;
        total += start.elapsed();
        check(command, status.code(), expected)?;
    }
    Ok(Sample {
        wall: total.as_secs_f64() / f64::from(times),
        peak_kib: 0,
    })
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

fn tempfile_path() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("layerhold-compare-{}", std::process::id()))
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
    fn contestants_take_turns_and_a_failure_is_kept() {
        let log = std::cell::RefCell::new(String::new());
        let contestant = |name: &'static str, fails: bool| Contestant {
            name,
            run: Box::new({
                let log = &log;
                move || {
                    log.borrow_mut().push_str(name);
                    if fails {
                        Err("no".to_owned())
                    } else {
                        Ok(Sample {
                            wall: 1.0,
                            peak_kib: 0,
                        })
                    }
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
        assert_eq!(outcomes[0].as_ref().map(Vec::len), Ok(3));
        assert_eq!(outcomes[1], Err("no".to_owned()));
    }
}
