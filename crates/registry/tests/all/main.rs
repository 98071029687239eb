//! The client against servers that answer as a test says.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests lay their fixtures out with plain file operations and may panic"
)]

mod blobs;
mod credentials;
mod files;
mod manifests;
mod peers;
mod proxies;
mod redirects;
mod retries;
mod server;
mod support;
mod tags;
mod tls;
mod uploads;
