//! The exact JSON records of a containers-storage store, with unknown fields kept.
