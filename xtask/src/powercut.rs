//! `cargo xtask powercut`: power cuts while a store is changed.

use crate::Result;
use crate::args::Args;
use crate::shell::{cargo, last};

pub(crate) const HELP: &str = "
Usage: cargo xtask powercut [--filesystem NAME] [--driver NAME] [--cuts N] [--seed N] [--binaries DIR]

Makes a store on a filesystem of its own, has two programs change it (images are loaded, layers imported, containers
created, all of them named anew and removed), and copies the disk at random instants, as a power cut would leave it. Each
copy is mounted and judged: what was reported is there and whole, what is listed is whole, the next command works. Needs
root, loop devices, btrfs and the filesystem in question. What such a cut is and what it is not is told in
`crates/cli/tests/all/powercut/disk.rs`.

  --filesystem NAME  btrfs, ext4 or xfs; one after the other when nothing is said
  --driver NAME      overlay or vfs; one after the other when nothing is said
  --cuts N           how many, for each filesystem and driver (200)
  --seed N           the first seed; each ten cuts use the next one (1)
  --binaries DIR     where `layerhold` and `containers-storage` are, to judge others than those just built
";

pub(crate) fn run(mut args: Args) -> Result {
    let filesystem = args.value::<String>("--filesystem")?;
    let driver = args.value::<String>("--driver")?;
    let cuts = args.value::<u64>("--cuts")?.unwrap_or(200);
    let seed = args.value::<u64>("--seed")?.unwrap_or(1);
    let binaries = args.value::<String>("--binaries")?;
    args.end()?;
    let filesystems = one_of(filesystem.as_deref(), &["btrfs", "ext4", "xfs"])?;
    let drivers = one_of(driver.as_deref(), &["overlay", "vfs"])?;
    let mut failed = Vec::new();
    for filesystem in filesystems {
        for driver in &drivers {
            let mut test = cargo();
            test.args(["test", "--quiet", "--package", "layerhold-cli"]);
            test.args(["--test", "all", "--", "--exact"]);
            test.args(["powercut::root_cuts_as_told", "--ignored", "--nocapture"]);
            test.env("POWERCUT_FILESYSTEM", filesystem);
            test.env("POWERCUT_DRIVER", driver);
            test.env("POWERCUT_CUTS", cuts.to_string());
            test.env("POWERCUT_SEED", seed.to_string());
            if let Some(dir) = &binaries {
                test.env("POWERCUT_BIN", dir);
            }
            // The others are cut all the same: what fails on one filesystem may hold on the next.
            if last(&mut test).is_err() {
                failed.push(format!("{filesystem} with {driver}"));
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("not everything survived on {}", failed.join(", "))),
    }
}

/// The one that is asked for, or all.
fn one_of<'a>(wanted: Option<&'a str>, all: &[&'a str]) -> Result<Vec<&'a str>> {
    match wanted {
        None => Ok(all.to_vec()),
        Some(one) if all.contains(&one) => Ok(vec![one]),
        Some(other) => Err(format!("{other} is none of {}", all.join(", "))),
    }
}
