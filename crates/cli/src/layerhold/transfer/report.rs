//! The events of a transfer, as bars, lines or JSON.

use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use layerhold_oci::{Event, Progress};
use serde_json::{Value, json};

use super::super::units::size;
use super::layers::{Layer, Layers};
use super::{Direction, Said, Shown};

/// Receives the events of a transfer.
#[derive(Debug)]
pub(super) struct Report {
    direction: Direction,
    shown: Shown,
    layers: Mutex<Layers>,
    sender: Sender<Said>,
}

impl Report {
    pub(super) fn new(direction: Direction, shown: Shown, sender: Sender<Said>) -> Self {
        Self {
            direction,
            shown,
            layers: Mutex::default(),
            sender,
        }
    }

    /// Passes something on, if the other end still takes it.
    fn say(&self, said: Option<Said>) -> ControlFlow<()> {
        match said.map(|said| self.sender.send(said)) {
            Some(Err(_)) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Progress for Report {
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let layer = layers.count(&event);
        let said = match &self.shown {
            Shown::Nothing => None,
            Shown::Bars(bars) => {
                bars.show(self.direction, &event, layer.as_deref());
                None
            }
            Shown::Notes => note(self.direction, &event, layer.as_deref()).map(Said::Note),
            Shown::Events => json_of(self.direction, &event, layer).map(Said::Event),
        };
        drop(layers);
        self.say(said)
    }
}

/// A line for people. Bytes that come and go are not worth one.
fn note(direction: Direction, event: &Event<'_>, layer: Option<&Layer>) -> Option<String> {
    let is_pull = direction == Direction::Pull;
    let name = layer.map(|layer| layer.name.as_str()).unwrap_or_default();
    Some(match event {
        Event::Asking { source } => format!("trying {source}"),
        Event::LayerWanted { size: bytes, .. } if is_pull => {
            format!("{name}: fetching {}", size(*bytes))
        }
        Event::LayerReused { .. } if is_pull => format!("{name}: already in the store"),
        Event::LayerReused { .. } => format!("{name}: already in the registry"),
        Event::LayerStarted { .. } if !is_pull => format!("{name}: compressing"),
        Event::LayerSending { size: bytes, .. } => format!("{name}: sending {}", size(*bytes)),
        Event::LayerFinished { .. } => format!("{name}: done"),
        Event::Committing if is_pull => "writing to disk".to_owned(),
        Event::Committing => "writing the manifest".to_owned(),
        _ => return None,
    })
}

/// An object for programs. Bytes that come and go get one now and then.
fn json_of(direction: Direction, event: &Event<'_>, layer: Option<&mut Layer>) -> Option<Value> {
    Some(match event {
        Event::Asking { source } => json!({ "event": "trying", "source": source.to_string() }),
        Event::LayerWanted {
            index,
            of,
            digest,
            size,
        } => json!({
            "event": "wanted", "layer": index, "of": of, "digest": digest.as_str(), "size": size,
        }),
        Event::LayerReused { index, of, digest } => json!({
            "event": "reused", "layer": index, "of": of, "digest": digest.as_str(),
        }),
        Event::LayerStarted { index, .. } => {
            json!({ "event": processing(direction), "layer": index })
        }
        Event::LayerSending {
            index,
            digest,
            size,
        } => json!({
            "event": "sending", "layer": index, "digest": digest.as_str(), "size": size,
        }),
        Event::LayerFetched { index, .. }
        | Event::LayerAdvanced { index, .. }
        | Event::LayerSent { index, .. } => {
            let layer = layer?;
            if !layer.is_due() {
                return None;
            }
            bytes(direction, *index, layer)
        }
        Event::LayerFinished { index } => json!({ "event": "finished", "layer": index }),
        Event::Committing => json!({ "event": "committing" }),
        _ => return None,
    })
}

fn processing(direction: Direction) -> &'static str {
    match direction {
        Direction::Pull => "unpacking",
        Direction::Push => "compressing",
    }
}

fn bytes(direction: Direction, index: usize, layer: &Layer) -> Value {
    let processed = layer.processed;
    match direction {
        Direction::Pull => json!({
            "event": "bytes", "layer": index, "ahead": layer.fetched, "unpacked": processed,
        }),
        Direction::Push => json!({
            "event": "bytes", "layer": index, "compressed": processed, "sent": layer.sent,
        }),
    }
}

#[cfg(test)]
mod tests {
    use layerhold_ids::Digest;

    use super::*;

    fn digest() -> Digest {
        format!("sha256:{}", "ab".repeat(32)).parse().unwrap()
    }

    /// The notes and the objects of some events.
    fn said(direction: Direction, shown: Shown, events: Vec<Event<'_>>) -> Vec<String> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let report = Report::new(direction, shown, sender);
        for event in events {
            assert!(report.event(event).is_continue());
        }
        drop(report);
        let texts = receiver.into_iter().map(|said| match said {
            Said::Note(text) => text,
            Said::Event(value) => value.to_string(),
        });
        texts.collect()
    }

    #[test]
    fn a_pull_is_told_in_lines() {
        let (digest, image) = (digest(), "a.b/c:1".parse().unwrap());
        let (index, of) = (1, 2);
        let events = vec![
            Event::Asking { source: &image },
            Event::LayerReused {
                index: 0,
                of,
                digest: &digest,
            },
            Event::LayerWanted {
                index,
                of,
                digest: &digest,
                size: 5000,
            },
            Event::LayerAdvanced { index, bytes: 5000 },
            Event::LayerFinished { index },
            Event::Committing,
        ];
        let lines = said(Direction::Pull, Shown::Notes, events);
        assert_eq!(
            lines,
            [
                "trying a.b/c:1",
                "layer 1/2 abababababab: already in the store",
                "layer 2/2 abababababab: fetching 5.00 kB",
                "layer 2/2 abababababab: done",
                "writing to disk",
            ]
        );
    }

    #[test]
    fn bytes_of_a_push_are_told_now_and_then() {
        let (digest, index, of) = (digest(), 0, 1);
        let events = vec![
            Event::LayerWanted {
                index,
                of,
                digest: &digest,
                size: 9,
            },
            Event::LayerAdvanced { index, bytes: 4 },
            Event::LayerAdvanced { index, bytes: 5 },
            Event::LayerFinished { index },
        ];
        let objects = said(Direction::Push, Shown::Events, events);
        let first = r#"{"event":"bytes","layer":0,"compressed":4,"sent":0}"#;
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(parsed(&objects[1]), parsed(first));
        let last = r#"{"event":"finished","layer":0}"#;
        assert_eq!(parsed(objects.last().unwrap()), parsed(last));
    }

    #[test]
    fn a_transfer_stops_when_its_reader_is_gone() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let report = Report::new(Direction::Pull, Shown::Notes, sender);
        drop(receiver);
        assert!(report.event(Event::Committing).is_break());
    }
}
