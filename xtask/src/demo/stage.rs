//! Shows commands: the command line, the output and the cost.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;
use crate::shell::{find, is_root, show};

/// Lines of a command's output that are shown.
const SHOWN: usize = 12;

/// The commands' store, and the number of the step.
#[derive(Debug)]
pub(super) struct Stage {
    program: PathBuf,
    place: PathBuf,
    driver: String,
    step: u32,
}

impl Stage {
    pub(super) fn new(program: PathBuf, place: PathBuf, driver: String) -> Self {
        Self {
            program,
            place,
            driver,
            step: 0,
        }
    }

    /// The options of every command.
    fn options(&self) -> Vec<String> {
        let path = |name: &str| self.place.join(name).display().to_string();
        let mut options = vec![
            "--root".into(),
            path("root"),
            "--runroot".into(),
            path("runroot"),
            "--driver".into(),
            self.driver.clone(),
        ];
        if !is_root() {
            // An unprivileged user cannot change owners: files stay the user's, and the archive's
            // owners are recorded in attributes.
            options.extend([
                "--driver-option".into(),
                format!("{}.ignore_chown_errors=true", self.driver),
            ]);
        }
        options
    }

    /// The graph driver of the store.
    pub(super) fn driver(&self) -> &str {
        &self.driver
    }

    /// Explains what the shown commands leave out.
    pub(super) fn introduce(&self) {
        println!(
            "Every command below is `{} {} …`; the options are left out.",
            self.program.display(),
            self.options().join(" ")
        );
    }

    /// Begins a step.
    pub(super) fn say(&mut self, what: &str) {
        self.step += 1;
        println!("\n{}. {what}", self.step);
    }

    /// Runs one of our commands, shows it with its output and cost, and returns the output.
    pub(super) fn run(&self, args: &[&str]) -> Result<String> {
        println!("   $ layerhold {}", args.join(" "));
        let mut command = Command::new(&self.program);
        command.args(self.options()).args(args);
        let (output, cost) = timed(&command, &self.place.join("cost"))?;
        print_some(&output);
        println!("   → {cost}");
        Ok(output)
    }
}

/// Runs a program; returns its output, and its time and peak memory as text.
pub(super) fn timed(command: &Command, report: &Path) -> Result<(String, String)> {
    // GNU time reports the peak memory; without it only the time is shown.
    let time = find("time");
    let mut timed = match &time {
        Some(time) => {
            let mut timed = Command::new(time);
            timed
                .args(["--quiet", "--format=%M", "--output"])
                .arg(report)
                .arg(command.get_program());
            timed.args(command.get_args());
            timed
        }
        None => {
            let mut plain = Command::new(command.get_program());
            plain.args(command.get_args());
            plain
        }
    };
    let start = Instant::now();
    let output = timed.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot start {}: {error}", show(command)))?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("failed ({}): {}", output.status, show(command)));
    }
    let peak = time
        .and_then(|_| std::fs::read_to_string(report).ok())
        .and_then(|text| text.trim().parse::<f64>().ok());
    let memory = peak.map_or_else(String::new, |kib| {
        format!(", {:.1} MiB of memory", kib / 1024.0)
    });
    Ok((
        String::from_utf8_lossy(&output.stdout).into_owned(),
        format!("{seconds:.3} s{memory}"),
    ))
}

/// Prints the first lines of an output.
pub(super) fn print_some(output: &str) {
    let count = output.lines().count();
    output
        .lines()
        .take(SHOWN)
        .for_each(|line| println!("     {line}"));
    if count > SHOWN {
        println!("     … {} more lines", count - SHOWN);
    }
}
