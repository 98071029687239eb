//! Compares records with those of the peers, and with models.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

#[path = "all/fixtures.rs"]
mod fixtures;
#[path = "all/peer.rs"]
mod peer;
#[path = "all/records.rs"]
mod records;
#[path = "all/round_trip.rs"]
mod round_trip;
