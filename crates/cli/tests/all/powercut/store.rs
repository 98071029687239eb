//! The commands on the store, and what it says that it holds.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use layerhold_testkit::{Ran, run};
use serde_json::Value;

use crate::support::{DROPIN, PEOPLE};

/// A store with both command lines.
#[derive(Clone)]
pub(super) struct Store {
    root: PathBuf,
    run_root: PathBuf,
    driver: String,
    people: PathBuf,
    dropin: PathBuf,
}

impl Store {
    /// One in this filesystem. `POWERCUT_BIN` names a directory with other programs than those just built.
    pub(super) fn new(filesystem: &Path, run_root: PathBuf, driver: &str) -> Self {
        let programs = std::env::var_os("POWERCUT_BIN").map(PathBuf::from);
        let program = |built: &str, name: &str| match &programs {
            Some(dir) => dir.join(name),
            None => built.into(),
        };
        Store {
            root: filesystem.join("root"),
            run_root,
            driver: driver.to_owned(),
            people: program(PEOPLE, "layerhold"),
            dropin: program(DROPIN, "containers-storage"),
        }
    }

    /// `layerhold`.
    pub(super) fn people<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let mut command = Command::new(&self.people);
        command.arg("--root").arg(&self.root);
        command.arg("--runroot").arg(&self.run_root);
        command.args(["--driver", &self.driver, "--quiet"]);
        run_in(command, args)
    }

    /// `containers-storage`.
    pub(super) fn dropin<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let mut command = Command::new(&self.dropin);
        command.arg("-g").arg(&self.root);
        command.arg("-R").arg(&self.run_root);
        command.args(["-s", &self.driver]);
        run_in(command, args)
    }

    /// What a list has, in JSON.
    pub(super) fn list(&self, what: &str) -> Result<Vec<Value>, String> {
        let bytes = self.dropin([what, "-j"]).into_result()?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Array(list)) => Ok(list),
            Ok(Value::Null) => Ok(Vec::new()),
            _ => Err(format!("{what}: {}", String::from_utf8_lossy(&bytes))),
        }
    }
}

fn run_in<S: AsRef<OsStr>>(mut command: Command, args: impl IntoIterator<Item = S>) -> Ran {
    for name in ["STORAGE_DRIVER", "STORAGE_OPTS", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    run(command.args(args))
}
