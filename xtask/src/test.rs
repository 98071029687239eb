//! `cargo xtask test`: sets up a machine that has only Rust, and runs all tests.

use crate::args::Args;
use crate::shell::{cargo_test, is_root, last};
use crate::{Result, setup};

pub(crate) const HELP: &str = "
Usage: cargo xtask test [--no-setup] [-- ARGUMENTS OF CARGO TEST]

Installs the packages that the tests need (on Debian and its derivatives, as root), then runs all unit, property,
integration and documentation tests. A test that cannot run prints `SKIP name: why` (shown with `-- -- --nocapture`);
with CI=true in the environment a skip is a failure.

  --no-setup   install nothing
";

pub(crate) fn run(mut args: Args) -> Result {
    let prepare = !args.flag("--no-setup");
    let rest = args.rest();
    args.end()?;
    if prepare {
        setup::set_up()?;
    }
    if !is_root() {
        eprintln!("Not root: tests that mount, chown or make device nodes are skipped.");
    }
    last(cargo_test().arg("--workspace").args(rest))
}
