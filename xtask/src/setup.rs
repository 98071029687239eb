//! Installs what the tests need on the machine besides Rust.

use std::process::Command;

use crate::Result;
use crate::shell::{capture, find, is_root, program, step};

/// The packages of Debian and its derivatives; `.ci/run` reads the same file.
const PACKAGES: &str = include_str!("../../.ci/packages");

/// Installs what is missing if possible; otherwise reports it.
pub(crate) fn set_up() -> Result {
    if find("dpkg-query").is_none() {
        eprintln!(
            "Not a Debian machine: tests that need one of these packages and do not find it are skipped:"
        );
        eprintln!(
            "  {}",
            PACKAGES.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        return Ok(());
    }
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() {
        eprintln!(
            "Not root, so nothing is installed; tests that need these packages are skipped: {}",
            missing.join(" ")
        );
        return Ok(());
    }
    eprintln!(
        "Installing what the tests need, about a minute or two: {}",
        missing.join(" ")
    );
    let mut apt_get = program("apt-get");
    step(apt_get.args(["update", "-q"]))?;
    let mut apt_get = program("apt-get");
    apt_get.env("DEBIAN_FRONTEND", "noninteractive");
    step(
        apt_get
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(missing),
    )
}

/// Installs one package of the system, and says so before. Fails with the advice if it cannot.
pub(crate) fn install(package: &str, what: &str) -> Result {
    if find("apt-get").is_none() || !is_root() {
        return Err(format!(
            "{what} is missing, and can only be installed here as root on Debian or a derivative; \
             install it (package {package} there)"
        ));
    }
    eprintln!("Installing the package {package}: {what}.");
    let mut apt_get = program("apt-get");
    apt_get.env("DEBIAN_FRONTEND", "noninteractive");
    let arguments = ["install", "-q", "-y", "--no-install-recommends", package];
    if step(apt_get.args(arguments)).is_ok() {
        return Ok(());
    }
    // The lists of packages are missing or old.
    step(program("apt-get").args(["update", "-q"]))?;
    step(&mut apt_get)
}

fn missing_packages() -> Vec<&'static str> {
    PACKAGES
        .split_whitespace()
        .filter(|package| !is_installed(package))
        .collect()
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Status}", package]);
    capture(&mut query).is_ok_and(|status| status == b"install ok installed")
}
