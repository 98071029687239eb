//! A proxy in front of a registry that misbehaves as real registries do, and records what passed.
//!
//! ```
//! use layerhold_testkit::fault_proxy::{Cuts, FaultProxy, Kind, Personality, RetryAfter};
//! use layerhold_testkit::registry::Registry;
//! use layerhold_testkit::require_docker_registry;
//!
//! # fn body() {
//! let Some(()) = require_docker_registry() else { return };
//! let registry = Registry::start();
//! let proxy = FaultProxy::before(&registry.address())
//!     .with(Personality::TooManyRequests(RetryAfter::Seconds(1)).first(2))
//!     .with(Personality::ServerError(503).on(Kind::Manifest).first(1))
//!     .with(Personality::CutDownloads(Cuts::Random { seed: 1, count: 50, within: 1 << 30 }))
//!     .start();
//! // … pull from format!("{}/library/app:latest", proxy.address()) …
//! assert_eq!(proxy.bytes_sent(), 0);
//! # }
//! # body();
//! ```
//!
//! It speaks HTTP/1.1 without TLS on both sides, one thread for each connection. Everything that it
//! does follows from its rules and the order of the requests; it never waits, but for a
//! [`Stall`](Personality::Stall).
//!
//! Rules work together, in their order: the first one that answers by itself does so, and all
//! others that cover the request change it and its answer. A request that was refused is none for
//! the rules behind the one that refused it.

mod connection;
mod rules;
mod pages;
mod personality;
mod kept_uploads;
mod tokens;
mod answer;
mod record;
mod cuts;
mod body;
mod message;
mod date;

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use connection::{Shared, serve};
pub use cuts::Cuts;
pub use message::Kind;
pub use personality::{Ending, Link, Location, Personality, RangeFault, RetryAfter, Rule};
pub use record::Record;
use record::{Log, Place};
use rules::{Places, Rules};
pub use tokens::{IDENTITY_TOKEN, Tokens};

/// The servers of a proxy. The other host has another address too, so that no client takes it for
/// the same.
const LISTENERS: [(Place, &str); 3] = [
    (Place::Registry, "127.0.0.1"),
    (Place::Elsewhere, "127.0.0.2"),
    (Place::Tokens, "127.0.0.1"),
];

/// What a proxy will do.
#[derive(Debug, Clone)]
#[must_use]
pub struct Setup {
    upstream: String,
    rules: Vec<Rule>,
}

impl Setup {
    /// Adds a personality, or one with its own choice of requests.
    pub fn with(mut self, rule: impl Into<Rule>) -> Self {
        self.rules.push(rule.into());
        self
    }

    /// Starts the proxy.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(self) -> FaultProxy {
        let listeners = LISTENERS.map(|(place, host)| {
            let listener = TcpListener::bind((host, 0)).expect("a port is free");
            (place, listener)
        });
        let addresses = listeners.each_ref().map(|(_, listener)| address(listener));
        let server = Arc::new(self.server(addresses));
        let threads = listeners.map(|(place, listener)| {
            let server = Arc::clone(&server);
            std::thread::spawn(move || server.accept(place, &listener))
        });
        FaultProxy {
            server,
            addresses,
            threads: threads.into(),
        }
    }

    fn server(self, addresses: [SocketAddr; 3]) -> Server {
        let [registry, elsewhere, tokens] = addresses.map(|address| address.to_string());
        let places = Places {
            upstream: self.upstream,
            registry,
            elsewhere,
            tokens,
        };
        Server {
            shared: Shared {
                rules: Rules::new(self.rules, places),
                log: Log::default(),
            },
            stops: AtomicBool::new(false),
            connections: Connections::default(),
        }
    }
}

/// A running proxy; it ends, with all its connections, when dropped.
#[derive(Debug)]
#[must_use = "the proxy ends when this is dropped"]
pub struct FaultProxy {
    server: Arc<Server>,
    addresses: [SocketAddr; 3],
    threads: Vec<JoinHandle<()>>,
}

impl FaultProxy {
    /// Begins the setup of a proxy before the registry with this host and port.
    pub fn before(registry: &str) -> Setup {
        Setup {
            upstream: registry.into(),
            rules: Vec::new(),
        }
    }

    /// Its host and port, as `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.shared.rules.places.registry.clone()
    }

    /// The host and port to which it redirects, as `127.0.0.2:PORT`. It serves the same registry.
    #[must_use]
    pub fn address_elsewhere(&self) -> String {
        self.server.shared.rules.places.elsewhere.clone()
    }

    /// The host and port of the token server, as `127.0.0.1:PORT`.
    #[must_use]
    pub fn token_address(&self) -> String {
        self.server.shared.rules.places.tokens.clone()
    }

    /// The requests so far, in their order. Each is recorded when its head has come, and what is
    /// said of its answer before the client has that.
    #[must_use]
    pub fn requests(&self) -> Vec<Record> {
        self.server.shared.log.at(Place::Registry)
    }

    /// The requests that came to [`address_elsewhere`](Self::address_elsewhere).
    #[must_use]
    pub fn requests_elsewhere(&self) -> Vec<Record> {
        self.server.shared.log.at(Place::Elsewhere)
    }

    /// The requests for tokens.
    #[must_use]
    pub fn token_requests(&self) -> Vec<Record> {
        self.server.shared.log.at(Place::Tokens)
    }

    /// The bytes of all bodies that went to clients, from the other host too. Tokens do not count.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.server.shared.log.sum(|record| record.sent)
    }

    /// The bytes of all bodies that came from clients, to the other host too.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.server.shared.log.sum(|record| record.received)
    }

    /// How many connections were cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.server.shared.log.sum(|record| record.cut.into())
    }

    /// Forgets all requests and their bytes. The rules go on where they are.
    pub fn forget(&self) {
        self.server.shared.log.clear();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.stops.store(true, Ordering::SeqCst);
        for address in self.addresses {
            // Wakes the thread that waits for connections.
            drop(TcpStream::connect(address));
        }
        for thread in self.threads.drain(..) {
            layerhold_sys::best_effort(thread.join().map_err(|_| ()));
        }
        self.server.connections.end_all();
    }
}

/// What the threads of a proxy share.
#[derive(Debug)]
struct Server {
    shared: Shared,
    stops: AtomicBool,
    connections: Connections,
}

impl Server {
    fn accept(self: &Arc<Self>, place: Place, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stops.load(Ordering::SeqCst) {
                return;
            }
            let (Ok(stream), server) = (stream, Arc::clone(self)) else {
                continue;
            };
            let number = self.connections.begin(&stream);
            std::thread::spawn(move || {
                // An error ends the connection, which is all that a client sees of it.
                layerhold_sys::best_effort(serve(&server.shared, place, stream));
                server.connections.end(number);
            });
        }
    }
}

/// The open connections of clients.
#[derive(Debug, Default)]
struct Connections {
    last: AtomicU64,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Connections {
    fn begin(&self, stream: &TcpStream) -> u64 {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        if let Ok(stream) = stream.try_clone() {
            let mut open = self.open.lock().expect("no thread panics with it");
            open.insert(number, stream);
        }
        number
    }

    fn end(&self, number: u64) {
        let mut open = self.open.lock().expect("no thread panics with it");
        open.remove(&number);
    }

    fn end_all(&self) {
        let open = self.open.lock().expect("no thread panics with it");
        for stream in open.values() {
            layerhold_sys::best_effort(stream.shutdown(Shutdown::Both));
        }
    }
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a listener has an address")
}

#[cfg(test)]
mod tests;
