//! `cargo xtask powercut`: simulates power cuts while a store is changed.

use crate::args::Args;
use crate::shell::{cargo, last};
use crate::{Result, setup};

pub(crate) const HELP: &str = "
Usage: cargo xtask powercut [--filesystem NAME] [--driver NAME] [--cuts N] [--seed N] [--binaries DIR]

Makes a store on a new filesystem, lets two programs change it (load images, import layers, create, rename and remove
images, layers and containers), and copies the disk at random instants, as a power cut leaves it. Each copy is mounted and
checked: everything that a command reported exists and is complete, everything listed is complete, and the next command
works. Needs root, loop devices, btrfs and the filesystem in question. `crates/cli/tests/all/powercut/disk.rs` describes
what such a cut covers.

  --filesystem NAME  btrfs, ext4 or xfs; by default one after the other
  --driver NAME      overlay or vfs; by default one after the other
  --cuts N           number of cuts for each filesystem and driver (200)
  --seed N           the first seed; each ten cuts use the next one (1)
  --binaries DIR     directory of `layerhold` and `containers-storage`, to check other builds
";

pub(crate) fn run(mut args: Args) -> Result {
    let filesystem = args.value::<String>("--filesystem")?;
    let driver = args.value::<String>("--driver")?;
    let cuts = args.value::<u64>("--cuts")?.unwrap_or(200);
    let seed = args.value::<u64>("--seed")?.unwrap_or(1);
    let binaries = args.value::<String>("--binaries")?;
    args.end()?;
    setup::set_up()?;
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
            // The other combinations are still tried: a failure on one filesystem may not occur on
            // the next.
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

/// The requested one, or all.
fn one_of<'a>(wanted: Option<&'a str>, all: &[&'a str]) -> Result<Vec<&'a str>> {
    match wanted {
        None => Ok(all.to_vec()),
        Some(one) if all.contains(&one) => Ok(vec![one]),
        Some(other) => Err(format!("{other} is none of {}", all.join(", "))),
    }
}
