//! Pauses between attempts.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use layerhold_sys::{CANCEL_INTERVAL, Cancel, Cancelled};

use crate::deadline::Deadline;
use crate::error::Problem;
use crate::options::{ClientOptions, Retries};

/// Counts failures of one operation.
#[derive(Debug)]
pub(crate) struct Attempts {
    retries: Retries,
    cancel: Cancel,
    deadline: Deadline,
    failures: u32,
    /// Bytes since the last failure.
    advanced: u64,
}

/// After so many bytes, a cut is a single event, and there is no need to wait.
const STEADY: u64 = 64 * 1024;

impl Attempts {
    pub(crate) fn new(options: &ClientOptions, deadline: Deadline) -> Self {
        Self {
            retries: options.retries,
            cancel: options.cancel.clone(),
            deadline,
            failures: 0,
            advanced: 0,
        }
    }

    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Notes that the operation advanced by some bytes: earlier failures do not count any more.
    pub(crate) fn advanced(&mut self, bytes: u64) {
        self.failures = 0;
        self.advanced = self.advanced.saturating_add(bytes);
    }

    /// Waits before the next attempt. Fails with the problem if there is to be none.
    ///
    /// An operation that advanced well goes on at once.
    pub(crate) fn wait_after(&mut self, problem: Problem) -> Result<(), Problem> {
        match problem.is_temporary() {
            true => self.wait_after_any(problem),
            false => Err(problem),
        }
    }

    /// Waits before the next attempt after a problem that the caller has an answer to.
    pub(crate) fn wait_after_any(&mut self, problem: Problem) -> Result<(), Problem> {
        self.failures += 1;
        if self.failures >= self.retries.attempts {
            return Err(problem);
        }
        let asked = problem.retry_after();
        if asked.is_some_and(|asked| asked > self.retries.longest_pause) {
            return Err(problem);
        }
        let is_steady = std::mem::take(&mut self.advanced) >= STEADY;
        let pause = match (asked, is_steady) {
            (Some(asked), _) => asked,
            (None, true) => Duration::ZERO,
            (None, false) => pause(&self.retries, self.failures, random()),
        };
        if self.deadline.is_before(pause) {
            return Err(self.deadline.missed(Some(problem)));
        }
        Ok(sleep(pause, &self.cancel)?)
    }
}

/// The pause after a number of failures, between half of the full one and all of it.
fn pause(retries: &Retries, failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let full = retries.first_pause.saturating_mul(1 << doublings);
    let half = full.min(retries.longest_pause) / 2;
    // 16 random bits as a fraction.
    let fraction = u32::try_from(random >> 48).unwrap_or(0);
    half + half.saturating_mul(fraction) / 0xffff
}

/// The keys of hash maps are random, and enough for a pause.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Sleeps until the time is over or the client is cancelled.
fn sleep(time: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
    let begin = Instant::now();
    loop {
        cancel.check()?;
        let left = time.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(CANCEL_INTERVAL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Answer;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retries =
            Retries::default().with_pauses(Duration::from_secs(2), Duration::from_secs(9));
        for (failures, random, expected) in [
            (1, 0, 1000),
            (1, u64::MAX, 2000),
            (2, u64::MAX, 4000),
            (3, u64::MAX, 8000),
            (4, u64::MAX, 9000),
            (4, 0, 4500),
            (u32::MAX, u64::MAX, 9000),
        ] {
            let pause = pause(&retries, failures, random);
            assert_eq!(pause.as_millis(), expected, "{failures} {random}");
        }
    }

    fn refused(status: u16, retry_after: Option<u64>) -> Problem {
        Problem::Refused {
            answer: Answer {
                status,
                host: "a".to_owned(),
                errors: Vec::new(),
            },
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn attempts(limit: Option<Duration>) -> Attempts {
        let none = Duration::ZERO;
        let retries = Retries::default().with_attempts(3).with_pauses(none, none);
        let options = ClientOptions::default().retries(retries);
        Attempts::new(&options, Deadline::start(limit))
    }

    #[test]
    fn only_temporary_problems_are_waited_for() {
        for (problem, is_waited_for) in [
            (refused(503, None), true),
            (refused(503, Some(0)), true),
            (refused(503, Some(1)), false),
            (refused(501, None), false),
            (refused(400, None), false),
            (Cancelled.into(), false),
        ] {
            let shown = format!("{problem:?}");
            let waited = attempts(None).wait_after(problem);
            assert_eq!(waited.is_ok(), is_waited_for, "{shown}");
        }
    }

    #[test]
    fn attempts_are_counted_from_the_last_progress() {
        let mut attempts = attempts(None);
        assert!(attempts.wait_after(refused(503, None)).is_ok());
        assert!(attempts.wait_after(refused(503, None)).is_ok());
        attempts.advanced(1);
        assert!(attempts.wait_after(refused(503, None)).is_ok());
        assert!(attempts.wait_after(refused(503, None)).is_ok());
        assert!(attempts.wait_after(refused(503, None)).is_err());
    }

    #[test]
    fn a_pause_beyond_the_deadline_is_not_begun() {
        let missed = attempts(Some(Duration::ZERO)).wait_after(refused(503, None));
        let Err(Problem::TotalTime {
            last: Some(last), ..
        }) = missed
        else {
            panic!("{missed:?}");
        };
        assert_eq!(last.status(), Some(503));
    }
}
