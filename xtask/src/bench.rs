//! `cargo xtask bench`: the micro-benchmarks.

use crate::Result;
use crate::args::Args;
use crate::shell::{announce_build, cargo, last};

pub(crate) const HELP: &str = "
Usage: cargo xtask bench [FILTER] [--quick] [-- ARGUMENTS OF CRITERION]

Runs the criterion benchmarks in `benches/`. Results are kept in `target/criterion`, and each run is
compared with the last. Needs nothing but Rust; the first build takes about 3 minutes on two cores.
`cargo xtask compare` measures whole programs.

  --quick   fewer samples, for a rough result
";

pub(crate) fn run(mut args: Args) -> Result {
    let quick = args.flag("--quick");
    let filter = args.word();
    let rest = args.rest();
    args.end()?;
    announce_build(
        "release",
        "the benchmarks, with optimisation, in about 3 minutes",
    )?;
    let mut command = cargo();
    command.args(["bench", "--package", "layerhold-benches", "--benches", "--"]);
    command
        .args(quick.then_some("--quick"))
        .args(filter)
        .args(rest);
    last(&mut command)
}
