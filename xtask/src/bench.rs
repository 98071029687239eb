//! `cargo xtask bench`: the micro-benchmarks.

use crate::Result;
use crate::args::Args;
use crate::shell::{cargo, last};

pub(crate) const HELP: &str = "
Usage: cargo xtask bench [FILTER] [--quick] [-- ARGUMENTS OF CRITERION]

Runs the criterion benchmarks in `benches/`. Results are kept in `target/criterion`, and each run is
compared with the last. `cargo xtask compare` measures whole programs.

  --quick   fewer samples, for a rough result
";

pub(crate) fn run(mut args: Args) -> Result {
    let quick = args.flag("--quick");
    let filter = args.word();
    let rest = args.rest();
    args.end()?;
    let mut command = cargo();
    command.args(["bench", "--package", "layerhold-benches", "--benches", "--"]);
    command
        .args(quick.then_some("--quick"))
        .args(filter)
        .args(rest);
    last(&mut command)
}
