//! `cargo xtask demo [IMAGE]`: the main job on a real image, step by step.

use crate::Result;
use crate::args::Args;

pub(crate) const HELP: &str = "
Usage: cargo xtask demo [IMAGE]
";

pub(crate) fn run(args: Args) -> Result {
    args.end()
}
