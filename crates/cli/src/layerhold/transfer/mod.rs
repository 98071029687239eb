//! Transfers between a store and registries, while a person or a program watches them.

mod bars;
mod report;
mod layers;

use std::error::Error as StdError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use layerhold::Store;
use layerhold_oci::Progress;
use layerhold_sys::Cancel;
use serde_json::Value;

use self::bars::Bars;
use self::report::Report;
use super::args::Format;
use super::call::Call;
use crate::failure::{Failure, stream};
use crate::streams::Streams;

/// Where layers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From a registry into the store.
    Pull,
    /// From the store to a registry.
    Push,
}

/// The limit of `--timeout`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    time: Duration,
    end: Instant,
}

impl Limit {
    /// A limit that begins now. `None` if there is none, or it is too far away to be one.
    pub(super) fn starting(time: Option<Duration>) -> Option<Self> {
        let time = time?;
        let end = Instant::now().checked_add(time)?;
        Some(Self { time, end })
    }
}

/// Why a transfer was given up.
#[derive(Debug, thiserror::Error)]
#[error("cannot finish within {time:?}: --timeout gives it more")]
struct TimedOut {
    time: Duration,
}

/// What a report has for the streams of the command.
#[derive(Debug)]
enum Said {
    Note(String),
    Event(Value),
}

/// Runs a transfer on a thread of its own, and says how it goes.
pub(super) fn run<T, E>(
    call: &mut Call<'_, '_>,
    direction: Direction,
    limit: Option<Limit>,
    work: impl FnOnce(&Store, &dyn Progress) -> Result<T, E> + Send,
) -> Result<T, Failure>
where
    T: Send,
    E: StdError + Send + Sync + 'static,
{
    let cancel = call.interruption.cancel().child();
    let store = call.store.with_cancel(cancel.clone());
    let (sender, receiver) = channel();
    let shown = shown(call);
    let streams = &mut *call.streams;
    std::thread::scope(|scope| {
        let store = &store;
        let worker = scope.spawn(move || {
            let report = Report::new(direction, shown, sender);
            work(store, &report)
        });
        let mut pass = Pass {
            streams,
            cancel,
            limit,
            has_expired: false,
        };
        let passed = pass.all(receiver);
        let result = match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        passed?;
        match (result, limit) {
            (Err(_), Some(Limit { time, .. })) if pass.has_expired => {
                Err(Failure::value(TimedOut { time }))
            }
            (result, _) => result.map_err(Failure::value),
        }
    })
}

/// How a transfer is shown.
#[derive(Debug)]
enum Shown {
    /// Not at all.
    Nothing,
    /// As bars on the terminal.
    Bars(Bars),
    /// As lines of notes.
    Notes,
    /// As one JSON object a line.
    Events,
}

fn shown(call: &Call<'_, '_>) -> Shown {
    match call.format {
        _ if call.is_quiet => Shown::Nothing,
        Format::Json => Shown::Events,
        Format::Table if call.streams.err_is_terminal() => Shown::Bars(Bars::new()),
        Format::Table => Shown::Notes,
    }
}

/// Passes what a report has to the streams.
struct Pass<'a, 'b> {
    streams: &'a mut Streams<'b>,
    cancel: Cancel,
    limit: Option<Limit>,
    has_expired: bool,
}

impl Pass<'_, '_> {
    /// Until the transfer has ended. It is stopped at the limit, and if nothing can be written.
    fn all(&mut self, receiver: Receiver<Said>) -> Result<(), Failure> {
        while let Some(said) = self.next(&receiver) {
            if let Err(failure) = self.one(&said) {
                self.cancel.cancel();
                return Err(failure);
            }
        }
        Ok(())
    }

    fn next(&mut self, receiver: &Receiver<Said>) -> Option<Said> {
        let Some(limit) = self.limit.filter(|_| !self.has_expired) else {
            return receiver.recv().ok();
        };
        let left = limit.end.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(said) => Some(said),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.has_expired = true;
                self.cancel.cancel();
                receiver.recv().ok()
            }
        }
    }

    fn one(&mut self, said: &Said) -> Result<(), Failure> {
        match said {
            Said::Note(text) => self.streams.note(text),
            Said::Event(value) => self.streams.json(value.to_string()),
        }
        .and_then(|()| self.streams.flush())
        .map_err(stream)
    }
}
