//! Lookup of keys by any unique prefix.
