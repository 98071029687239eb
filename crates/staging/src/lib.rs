//! Temporary areas that survive crashes: staged additions and deletions, stale-area recovery.
