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
mod deep;
mod files;
mod imports;
mod measure;
mod pulls;
mod records;
mod report;
mod rows;
mod scratch;
mod table;

use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::shell::{announce_build, cargo, find, is_root, project, release_tool, step};
use crate::{Result, setup};

pub(crate) const HELP: &str = "
Usage: cargo xtask compare [OPTIONS]

Measures work on a store with our drop-in `containers-storage`, with Go's, and where there is one with the lower limit (the cost
of `tar -x` beside `sha256sum`, of reading the files once, of `cp -a`, of `rm -rf`), and prints a Markdown table: imports and diffs,
chains of layers, records, and images in and out beside skopeo. Then it measures pulls from a registry on loopback with `layerhold`,
podman and skopeo. System calls are counted in a run of their own.
Installs missing packages of the system first, Go's tool among them, and builds ours (8 minutes on two cores).
Needs root (every timed run has a loop-mounted filesystem, in a private mount namespace), GNU tar, gzip, zstd,
GNU time, strace, mkfs.ext4 and xfs_io. Takes about an hour, and 8 GB of disk below the working directory.

  --rounds N       timed rounds (5)
  --quick          small sizes and 1 round, for a rough result
  --only TEXT      only rows whose name contains TEXT; --only help lists them
  --files N        small files in the first layer (36000)
  --small-mb N     their approximate total size in MB (225)
  --big-mb N       total size of the layer of big files in MB (409)
  --records N      layers, images and containers in the large store (10000)
  --driver NAME    the driver (overlay)
  --ours PATH      our binary; built by default, and `layerhold` beside it
  --peer PATH      the peer ($LAYERHOLD_PEER, or else containers-storage on the PATH)
  --json FILE      also write all figures to a file
  --chart FILE     also write a chart (SVG) of our times in parts of the peer's, with our durability on
  --work DIR       directory for data and filesystem images (target/compare)
  --samples        also print the times of each round
";

/// What is measured, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    rounds: usize,
    only: Option<String>,
    sizes: Sizes,
    driver: &'static str,
    contestants: Contestants,
    work: PathBuf,
    samples: bool,
    json: Option<PathBuf>,
    chart: Option<PathBuf>,
}

/// How large the workloads are.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    files: usize,
    small_mb: u64,
    big_mb: u64,
    /// Layers, images and containers in the large store.
    records: usize,
}

/// The programs compared.
#[derive(Debug, Clone)]
struct Contestants {
    ours: PathBuf,
    peer: PathBuf,
}

const FULL: Sizes = Sizes {
    files: 36_000,
    small_mb: 225,
    big_mb: 409,
    records: 10_000,
};
const QUICK: Sizes = Sizes {
    files: 1_000,
    small_mb: 8,
    big_mb: 20,
    records: 500,
};

impl Plan {
    /// Our command line for people, which is beside the drop-in.
    fn layerhold(&self) -> PathBuf {
        self.contestants.ours.with_file_name("layerhold")
    }

    /// The directory of a layer, for its existence and its contents.
    fn contents(&self, at: &Path, id: &str) -> PathBuf {
        match self.driver {
            "vfs" => at.join("g/vfs/dir").join(id),
            driver => at.join("g").join(driver).join(id).join("diff"),
        }
    }

    /// Options that switch our durability off. The peer compared with itself, which must give
    /// ratios near 1, has none.
    fn without_sync(&self) -> &'static [&'static str] {
        match self.contestants.ours == self.contestants.peer {
            true => &[],
            false => rows::WITHOUT_SYNC,
        }
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
        rows::all().for_each(|workload| println!("{}", workload.name));
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
            "the command line, with optimisation, in about 8 minutes",
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
        None => match std::env::var_os("LAYERHOLD_PEER") {
            Some(peer) => peer.into(),
            None => find("containers-storage")
                .ok_or("containers-storage is not installed; give --peer")?,
        },
    };
    let driver = match args.value::<String>("--driver")?.as_deref() {
        None | Some("overlay") => "overlay",
        Some("vfs") => "vfs",
        Some(other) => return Err(format!("--driver cannot be {other}: overlay or vfs")),
    };
    let plan = Plan {
        rounds: args.value("--rounds")?.unwrap_or(if quick { 1 } else { 5 }),
        only: args.value("--only")?,
        sizes: Sizes {
            files: args.value("--files")?.unwrap_or(usual.files),
            small_mb: args.value("--small-mb")?.unwrap_or(usual.small_mb),
            big_mb: args.value("--big-mb")?.unwrap_or(usual.big_mb),
            records: args.value("--records")?.unwrap_or(usual.records),
        },
        driver,
        contestants: Contestants { ours, peer },
        work,
        samples: args.flag("--samples"),
        json: args.value("--json")?,
        chart: args.value("--chart")?,
    };
    args.end()?;
    Ok(plan)
}
