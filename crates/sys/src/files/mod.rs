//! Replaces files atomically and durably.

pub(crate) mod metadata_io;
pub(crate) mod output_file;
pub(crate) mod publish;
