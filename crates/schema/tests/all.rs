//! Records against what the peers write, and against models.

#[path = "all/fixtures.rs"]
mod fixtures;
#[path = "all/peer.rs"]
mod peer;
#[path = "all/records.rs"]
mod records;
#[path = "all/round_trip.rs"]
mod round_trip;
