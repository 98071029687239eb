//! Standard error of the process, for what is said while a command line has no streams.

use std::io::{self, Write};

use layerhold_sys::best_effort;

use crate::streams::escape;

/// Says something where a command line has no streams yet, or has them no more.
pub(crate) fn say(text: &str) {
    best_effort(writeln!(io::stderr(), "{}", escape(text)));
}
