//! `cargo xtask compare`: measures the store against Go's own command line, workload by workload,
//! in one run.
//!
//! What distorts such measurements, and the remedies:
//! - ext4 does not reuse recently freed inodes and searches past them: after deleting 30,000 files,
//!   creating files takes ten times as long. Every timed import gets a new filesystem
//!   ([`scratch`]).
//! - A virtual machine whose free pages went back to the host pays for the first access to each.
//!   Memory is touched and released before every timed run ([`measure::touch_memory`]).
//! - Other work on the machine changes from minute to minute: contestants alternate (A B C, then C
//!   B A), ratios are taken within a round, and the median of the ratios is printed.
//! - A child's peak memory starts from that of the process that forked it: peaks are read through
//!   GNU time, which is small.
//! - The first start of a program is slower: one untimed round comes first.
//!
//! A wrong result is an error, never a time: digests, bytes and answers are checked outside the
//! timed part.

mod data;
mod measure;
mod pulls;
mod rows;
mod scratch;
mod table;

use std::path::PathBuf;

use crate::args::Args;
use crate::shell::{announce_build, cargo, find, is_root, project, release_tool, step};
use crate::{Result, setup};

pub(crate) const HELP: &str = "
Usage: cargo xtask compare [OPTIONS]

Measures import, diff and exists with our drop-in `containers-storage`, with Go's, and with the lower limit (the cost of
`tar -x` beside `sha256sum`, or of reading the files once), all on the vfs driver, and prints a Markdown table.
Then it measures pulls from a registry on loopback with `layerhold`, podman and skopeo, on the overlay driver.
Installs missing packages of the system first, Go's tool among them, and builds ours (3 minutes on two cores).
Needs root (every timed run has a loop-mounted filesystem, in a private mount namespace), GNU tar, gzip, zstd,
GNU time, mkfs.ext4 and xfs_io. Takes about 15 minutes, and 8 GB of disk below the working directory.

  --rounds N       timed rounds (5)
  --quick          small sizes and 1 round, for a rough result
  --only TEXT      only rows whose name contains TEXT; --only help lists them
  --files N        small files in the first layer (36000)
  --small-mb N     their approximate total size in MB (225)
  --big-mb N       total size of the layer of big files in MB (409)
  --layers N       layers in the large store (10000)
  --ours PATH      our binary; built by default
  --peer PATH      the peer (containers-storage on the PATH)
  --work DIR       directory for data and filesystem images (target/compare)
  --samples        also print the times of each round
";

/// What is measured, and how often.
#[derive(Debug)]
pub(crate) struct Plan {
    rounds: usize,
    only: Option<String>,
    sizes: Sizes,
    contestants: Contestants,
    work: PathBuf,
    samples: bool,
}

/// How large the workloads are.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    files: usize,
    small_mb: u64,
    big_mb: u64,
    layers: usize,
}

/// The programs compared.
#[derive(Debug)]
struct Contestants {
    ours: PathBuf,
    peer: PathBuf,
}

const FULL: Sizes = Sizes {
    files: 36_000,
    small_mb: 225,
    big_mb: 409,
    layers: 10_000,
};
const QUICK: Sizes = Sizes {
    files: 1_000,
    small_mb: 8,
    big_mb: 20,
    layers: 500,
};

impl Plan {
    /// Our command line for people, which is beside the drop-in.
    fn layerhold(&self) -> PathBuf {
        self.contestants.ours.with_file_name("layerhold")
    }
}

/// Set in the second start of this program, in its own mount namespace.
const INSIDE: &str = "LAYERHOLD_COMPARE_INSIDE";

pub(crate) fn run(args: Args) -> Result {
    if std::env::var_os(INSIDE).is_none() {
        return run_in_private_namespace(args);
    }
    let plan = read_plan(args)?;
    if plan.only.as_deref() == Some("help") {
        let names = rows::NAMES.iter().chain(&pulls::NAMES);
        names.for_each(|name| println!("{name}"));
        return Ok(());
    }
    rows::run(&plan)
}

/// Starts this program again in a mount namespace, which removes its mounts when it ends.
fn run_in_private_namespace(mut args: Args) -> Result {
    if !is_root() {
        return Err("needs root, to mount a fresh filesystem for each timed run".to_owned());
    }
    setup::set_up()?;
    if !args.flag("--no-build") && args.value::<PathBuf>("--ours")?.is_none() {
        announce_build(
            "release",
            "the command line, with optimisation, in about 3 minutes",
        )?;
        let mut build = cargo();
        step(build.args(["build", "--release", "--package", "layerhold-cli", "--bins"]))?;
    }
    let myself = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut unshare = crate::shell::program("unshare");
    unshare
        .args(["--mount", "--propagation", "private", "--"])
        .arg(myself);
    // All arguments: those taken from `args` here are parsed again inside.
    unshare.args(std::env::args_os().skip(1)).env(INSIDE, "1");
    let status = unshare
        .status()
        .map_err(|error| format!("unshare: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("see above".to_owned())
    }
}

fn read_plan(mut args: Args) -> Result<Plan> {
    let quick = args.flag("--quick");
    args.flag("--no-build");
    let usual = if quick { QUICK } else { FULL };
    let work = args
        .value("--work")?
        .unwrap_or_else(|| project().join("target/compare"));
    let ours = match args.value("--ours")? {
        Some(ours) => ours,
        None => release_tool()?,
    };
    let peer = match args.value("--peer")? {
        Some(peer) => peer,
        None => {
            find("containers-storage").ok_or("containers-storage is not installed; give --peer")?
        }
    };
    let plan = Plan {
        rounds: args.value("--rounds")?.unwrap_or(if quick { 1 } else { 5 }),
        only: args.value("--only")?,
        sizes: Sizes {
            files: args.value("--files")?.unwrap_or(usual.files),
            small_mb: args.value("--small-mb")?.unwrap_or(usual.small_mb),
            big_mb: args.value("--big-mb")?.unwrap_or(usual.big_mb),
            layers: args.value("--layers")?.unwrap_or(usual.layers),
        },
        contestants: Contestants { ours, peer },
        work,
        samples: args.flag("--samples"),
    };
    args.end()?;
    Ok(plan)
}
