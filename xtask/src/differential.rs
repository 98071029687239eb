//! `cargo xtask differential`: runs long sequences of commands through Go's tool and ours.

use crate::args::Args;
use crate::shell::{cargo, last};
use crate::{Result, setup};

pub(crate) const HELP: &str = "
Usage: cargo xtask differential [--seed N] [--commands N] [--driver vfs|overlay] [--mode twin|shared]

Runs random commands through Go's `containers-storage` and ours, and compares exit codes, output and everything on the
disk after each one. A difference is a failure, unless a rule in `crates/cli/tests/all/differential/explain.rs` names its
row of docs/differences.md. Prints the shortest sequence that shows the difference. Needs root.

  --seed N       the first seed; each hundred commands use the next one (1)
  --commands N   number of commands (1000)
  --driver NAME  the graph driver (vfs)
  --mode MODE    twin: each tool has its own store; shared: the tools take turns on one store, and ours works alone on
                 another. By default both, with half of the commands each
";

pub(crate) fn run(mut args: Args) -> Result {
    let seed = args.value::<u64>("--seed")?.unwrap_or(1);
    let commands = args.value::<u64>("--commands")?.unwrap_or(1000);
    let driver = args.value::<String>("--driver")?;
    let driver = driver.unwrap_or_else(|| "vfs".to_owned());
    let mode = args.value::<String>("--mode")?;
    args.end()?;
    setup::set_up()?;
    match mode.as_deref() {
        Some(mode @ ("twin" | "shared")) => sequences(seed, commands, &driver, mode),
        Some(other) => Err(format!("--mode cannot be {other}")),
        None => {
            sequences(seed, commands.div_ceil(2), &driver, "twin")?;
            sequences(seed, commands / 2, &driver, "shared")
        }
    }
}

fn sequences(seed: u64, commands: u64, driver: &str, mode: &str) -> Result {
    let mut test = cargo();
    test.args(["test", "--package", "layerhold-cli", "--test", "all", "--"]);
    test.args(["--exact", "differential::root_peer_sequences_as_told"]);
    test.args(["--ignored", "--nocapture"]);
    test.env("DIFFERENTIAL_SEED", seed.to_string());
    test.env("DIFFERENTIAL_COMMANDS", commands.to_string());
    test.env("DIFFERENTIAL_DRIVER", driver);
    test.env("DIFFERENTIAL_MODE", mode);
    last(&mut test)
}
