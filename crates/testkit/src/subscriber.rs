//! Subscribers of spans, for one thread.

use std::sync::LazyLock;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Runs `work` with a subscriber for the spans and events of this thread.
///
/// While a process has only one subscriber, `tracing` decides for good whether a span is wanted
/// when a thread first reaches it, and asks the subscriber of that thread alone. Other tests have
/// threads without one, after which no subscriber would see the span. Two subscribers that never go
/// away prevent that.
pub fn with_subscriber<T>(
    subscriber: impl Subscriber + Send + Sync + 'static,
    work: impl FnOnce() -> T,
) -> T {
    static OTHERS: LazyLock<[Dispatch; 2]> =
        LazyLock::new(|| [Dispatch::new(Indifferent), Dispatch::new(Indifferent)]);
    LazyLock::force(&OTHERS);
    tracing::subscriber::with_default(subscriber, work)
}

/// Wants nothing, and to be asked each time.
struct Indifferent;

impl Subscriber for Indifferent {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts the spans that are made.
    struct Counting(Arc<AtomicUsize>);

    impl Subscriber for Counting {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(self.0.fetch_add(1, Ordering::SeqCst) as u64 + 1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    fn span() {
        drop(tracing::debug_span!("work").entered());
    }

    #[test]
    fn a_span_is_seen_although_another_thread_reached_it_first() {
        let count = Arc::new(AtomicUsize::new(0));
        with_subscriber(Counting(Arc::clone(&count)), || {
            std::thread::spawn(span).join().unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 0);
            span();
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
        span();
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
