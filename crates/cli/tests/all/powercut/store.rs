//! The commands on the store, and what it says that it holds.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use layerhold_testkit::{Ran, run};
use serde_json::Value;

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD};

/// One of the command lines.
#[derive(Clone, Copy)]
pub(super) enum Program {
    People,
    DropIn,
}

/// A store with both command lines.
#[derive(Clone)]
pub(super) struct Store {
    root: PathBuf,
    run_root: PathBuf,
    driver: String,
    layerhold: PathBuf,
    containers_storage: PathBuf,
}

impl Store {
    /// One in this filesystem. `POWERCUT_BIN` names a directory with other programs than those just
    /// built.
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
            layerhold: program(LAYERHOLD, "layerhold"),
            containers_storage: program(CONTAINERS_STORAGE, "containers-storage"),
        }
    }

    /// Runs `layerhold`.
    pub(super) fn layerhold<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        run(self.command(Program::People).args(args))
    }

    /// Runs `containers-storage`.
    pub(super) fn containers_storage<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Ran {
        run(self.command(Program::DropIn).args(args))
    }

    /// A program with the options that name the store.
    pub(super) fn command(&self, program: Program) -> Command {
        let mut command = match program {
            Program::People => {
                let mut command = Command::new(&self.layerhold);
                command.arg("--root").arg(&self.root);
                command.arg("--runroot").arg(&self.run_root);
                command.args(["--driver", &self.driver, "--quiet"]);
                command
            }
            Program::DropIn => {
                let mut command = Command::new(&self.containers_storage);
                command.arg("-g").arg(&self.root);
                command.arg("-R").arg(&self.run_root);
                command.args(["-s", &self.driver]);
                command
            }
        };
        for name in ["STORAGE_DRIVER", "STORAGE_OPTS", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command
    }

    /// What a list has, in JSON.
    pub(super) fn list(&self, what: &str) -> Result<Vec<Value>, String> {
        let bytes = self.containers_storage([what, "-j"]).into_result()?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Array(list)) => Ok(list),
            Ok(Value::Null) => Ok(Vec::new()),
            _ => Err(format!("{what}: {}", String::from_utf8_lossy(&bytes))),
        }
    }
}
