//! What passed through the proxy.

use std::sync::{Arc, Mutex};

use super::message::{Kind, Request};

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The method.
    pub method: String,
    /// Path and query, as the client sent them.
    pub target: String,
    /// What it was about.
    pub kind: Kind,
    /// The headers, in the order and spelling of the client.
    pub headers: Vec<(String, String)>,
    /// The status of the answer; 0 while there is none.
    pub status: u16,
    /// How many bytes of its body the client sent.
    pub received: u64,
    /// How many bytes of the answer's body were sent.
    pub sent: u64,
    /// Whether the proxy cut the connection.
    pub cut: bool,
}

impl Record {
    /// The first value of a header; names have no case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter();
        let (_, value) = named.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Method and target, as `GET /v2/`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// One of the servers of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The registry itself.
    Registry,
    /// The other host.
    Elsewhere,
    /// The token server.
    Tokens,
}

/// All records, in the order in which the requests came.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Vec<(Place, Entry)>>);

/// A record that is being filled.
#[derive(Debug, Clone)]
pub(super) struct Entry(Arc<Mutex<Record>>);

impl Log {
    pub(super) fn begin(&self, place: Place, request: &Request) -> Entry {
        let record = Record {
            method: request.method.clone(),
            target: request.target.clone(),
            kind: request.kind(),
            headers: request.headers.0.clone(),
            status: 0,
            received: 0,
            sent: 0,
            cut: false,
        };
        let entry = Entry(Arc::new(Mutex::new(record)));
        let mut all = self.0.lock().expect("no thread panics with it");
        all.push((place, entry.clone()));
        entry
    }

    pub(super) fn at(&self, place: Place) -> Vec<Record> {
        let all = self.0.lock().expect("no thread panics with it");
        let there = all.iter().filter(|(at, _)| *at == place);
        there.map(|(_, entry)| entry.read()).collect()
    }

    /// The sum of a number over the registry and the other host.
    pub(super) fn sum(&self, number: impl Fn(&Record) -> u64) -> u64 {
        let all = self.0.lock().expect("no thread panics with it");
        let counted = all.iter().filter(|(at, _)| *at != Place::Tokens);
        counted.map(|(_, entry)| number(&entry.read())).sum()
    }

    pub(super) fn clear(&self) {
        self.0.lock().expect("no thread panics with it").clear();
    }
}

impl Entry {
    pub(super) fn update(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.0.lock().expect("no thread panics with it"));
    }

    fn read(&self) -> Record {
        self.0.lock().expect("no thread panics with it").clone()
    }
}
