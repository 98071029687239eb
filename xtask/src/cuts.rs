//! `cargo xtask cuts`: pulls and pushes a gigabyte over connections that are cut.

use crate::Result;
use crate::args::Args;
use crate::setup;
use crate::shell::{cargo, last};

pub(crate) const HELP: &str = "
Usage: cargo xtask cuts

Pulls an image of one gigabyte from a registry on this machine while the connections are cut at 50 random places, and pushes one
in the same way. Prints how many bytes passed; more than 1.02 times the image is a failure. Needs root, Debian's `docker-registry`
and about five gigabytes of room for temporary files.
";

pub(crate) fn run(args: Args) -> Result {
    args.end()?;
    setup::set_up()?;
    let mut test = cargo();
    test.args(["test", "--release", "--quiet", "--package", "layerhold-oci"]);
    test.args(["--features", "registry", "--test", "all", "--"]);
    test.args(["cuts::", "--ignored", "--nocapture", "--test-threads=1"]);
    last(&mut test)
}
