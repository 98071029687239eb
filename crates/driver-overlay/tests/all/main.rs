//! Integration tests, a module for each subject.
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at files by themselves"
)]

mod conformance;
