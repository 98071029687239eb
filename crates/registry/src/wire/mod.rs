//! Connections: TCP, TLS and proxies, as `ureq` wants them.
//!
//! `ureq` limits the time of a request, not silence, and cannot be interrupted. So sockets are our
//! own here: each wait ends when the client is cancelled, or the idle limit is over.

mod connector;
mod transport;
mod tls;
mod verifier;
mod validity;
mod roots;
mod early;
mod socket;

pub(crate) use connector::{Dialer, Lookup, NotConnected};
pub(crate) use early::EarlyAnswer;
pub(crate) use roots::Roots;
pub(crate) use socket::{Silence, Waits};
pub use tls::CertificateError;
pub(crate) use tls::tls_config;
