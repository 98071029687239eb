//! Lock files among handles, threads, processes and the tools that share them.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and looks at files by itself"
)]

mod cancel;
mod media;
mod model;
mod peers;
mod processes;
mod replace;
mod replaced;
mod support;
mod threads;
