//! Messages on standard error while a command line has no streams.

use std::io::{self, Write};

use layerhold_sys::best_effort;

use crate::streams::escape;

/// Writes a message where a command line has no streams yet, or no longer.
pub(crate) fn say(text: &str) {
    best_effort(writeln!(io::stderr(), "{}", escape(text)));
}
