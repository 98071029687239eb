//! What a command spent its time with, measured by the spans of the store.
//!
//! Only the time in a span itself counts for its row, not that in spans inside it. So the rows add
//! up to the total, except for what several threads did at once.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, json};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::args::Format;
use super::table::{Align, lay_out};
use super::units::duration;
use crate::failure::{Failure, stream};
use crate::streams::Streams;

/// The spans with a row of their own: name, heading, field in JSON.
const ROWS: [(&str, &str, &str); 5] = [
    ("lock_wait", "waiting for locks", "lockWait"),
    ("unpack", "unpacking", "unpack"),
    ("flush", "flushing", "flush"),
    ("publish", "committing", "commit"),
    ("erase", "erasing", "erase"),
];

/// The target of the store's spans.
const TARGET: &str = "layerhold";

/// The number of a span without a row.
const NO_ROW: usize = ROWS.len();

/// Nanoseconds in each row, of all commands of this process.
static SPENT: [AtomicU64; ROWS.len()] = [const { AtomicU64::new(0) }; ROWS.len()];

/// Whether the spans of this process come here.
static MEASURES: OnceLock<bool> = OnceLock::new();

/// A measurement of one command.
#[derive(Debug)]
pub(super) struct Timings {
    begun: Instant,
    before: [Duration; ROWS.len()],
}

/// Why nothing is measured.
#[derive(Debug, thiserror::Error)]
#[error("cannot measure times: this program has a subscriber for spans already")]
struct OtherSubscriber;

impl Timings {
    /// Begins to measure.
    pub(super) fn begin() -> Result<Self, Failure> {
        let install = || {
            let dispatch = Dispatch::new(Stopwatch);
            tracing::dispatcher::set_global_default(dispatch).is_ok()
        };
        if !MEASURES.get_or_init(install) {
            return Err(Failure::value(OtherSubscriber));
        }
        Ok(Timings {
            begun: Instant::now(),
            before: spent(),
        })
    }

    /// Writes the measurement as notes.
    pub(super) fn report(self, format: Format, streams: &mut Streams<'_>) -> Result<(), Failure> {
        let total = self.begun.elapsed();
        let mut times = spent();
        for (time, before) in times.iter_mut().zip(self.before) {
            *time = time.saturating_sub(before);
        }
        let other = total.saturating_sub(times.iter().sum());
        let rows = ROWS
            .iter()
            .zip(times)
            .map(|((_, what, field), time)| (*what, *field, time));
        let rows = rows.chain([("other", "other", other), ("total", "total", total)]);
        if format == Format::Json {
            let fields = rows.map(|(_, field, time)| (field.to_owned(), json!(time.as_secs_f64())));
            let fields: Map<_, _> = fields.collect();
            return streams.note(json!({ "seconds": fields })).map_err(stream);
        }
        let rows: Vec<_> = rows
            .map(|(what, _, time)| vec![what.to_owned(), duration(time)])
            .collect();
        let table = lay_out(&[("PHASE", Align::Left), ("TIME", Align::Right)], &rows);
        streams.notes(&table).map_err(stream)
    }
}

fn spent() -> [Duration; ROWS.len()] {
    SPENT
        .each_ref()
        .map(|row| Duration::from_nanos(row.load(Ordering::Relaxed)))
}

/// A span that a thread is in.
#[derive(Debug)]
struct Entered {
    row: usize,
    since: Instant,
    /// The time in spans inside it.
    inside: Duration,
}

thread_local! {
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

/// Adds up the time in spans. The number of a span is that of its row: more is not needed.
#[derive(Debug)]
struct Stopwatch;

impl Subscriber for Stopwatch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() == TARGET
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let name = span.metadata().name();
        let row = ROWS.iter().position(|(known, ..)| *known == name);
        // A number may not be 0.
        Id::from_u64(row.unwrap_or(NO_ROW) as u64 + 1)
    }

    fn enter(&self, span: &Id) {
        let entered = Entered {
            row: row_of(span),
            since: Instant::now(),
            inside: Duration::ZERO,
        };
        ENTERED.with_borrow_mut(|all| all.push(entered));
    }

    fn exit(&self, span: &Id) {
        ENTERED.with_borrow_mut(|all| {
            // Spans may be left in another order than they were entered in.
            let place = all.iter().rposition(|entered| entered.row == row_of(span));
            let Some(left) = place.map(|place| all.remove(place)) else {
                return;
            };
            let time = left.since.elapsed();
            if let Some(outer) = all.last_mut() {
                outer.inside += time;
            }
            if let Some(row) = SPENT.get(left.row) {
                let own = time.saturating_sub(left.inside).as_nanos();
                row.fetch_add(u64::try_from(own).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}
}

fn row_of(span: &Id) -> usize {
    usize::try_from(span.into_u64() - 1).unwrap_or(NO_ROW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_for_the_innermost_span() {
        let dispatch = Dispatch::new(Stopwatch);
        let before = spent();
        tracing::dispatcher::with_default(&dispatch, || {
            let operation = tracing::debug_span!(target: "layerhold", "commit").entered();
            let publish = tracing::debug_span!(target: "layerhold", "publish").entered();
            let flush = tracing::debug_span!(target: "layerhold", "flush", of = "places").entered();
            std::thread::sleep(Duration::from_millis(20));
            // In another order than they were entered in.
            drop(publish);
            drop(flush);
            drop(operation);
            drop(tracing::debug_span!(target: "elsewhere", "unpack").entered());
        });
        let time = |row: usize| spent()[row] - before[row];
        let [_, unpack, flush, publish, _] = [0, 1, 2, 3, 4].map(time);
        assert_eq!(unpack, Duration::ZERO);
        assert!(
            flush + publish >= Duration::from_millis(20),
            "{flush:?} {publish:?}"
        );
        ENTERED.with_borrow(|all| assert!(all.is_empty(), "{all:?}"));
    }
}
