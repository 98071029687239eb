//! One run of one target, and what libFuzzer says about it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::build::Fuzzer;
use super::corpus::{Corpus, artifact_prefix, entries};
use crate::Result;
use crate::shell::show;

/// What is run.
#[derive(Debug)]
pub(super) struct Session<'a> {
    fuzzer: &'a Fuzzer,
    corpus: &'a Corpus,
    time: Duration,
    /// More arguments of libFuzzer.
    rest: &'a [String],
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) target: String,
    /// Edges and features that the inputs of earlier runs reach, and those of all inputs.
    pub(super) before: Reached,
    pub(super) after: Reached,
    /// Edges of the whole program.
    pub(super) edges: u64,
    pub(super) runs: u64,
    /// Inputs that are kept.
    pub(super) inputs: usize,
    pub(super) found: Vec<PathBuf>,
    pub(super) ended_well: bool,
    /// The last lines of its output, shown if it did not end well.
    tail: Vec<String>,
}

/// A line of libFuzzer's statistics.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) edges: u64,
    pub(super) features: u64,
}

impl Told {
    /// One line, while other targets still run.
    pub(super) fn line(&self) -> String {
        format!(
            "{}: {} runs, {} edges, {} features{}",
            self.target,
            self.runs,
            self.after.edges,
            self.after.features,
            match self.found.len() {
                0 => String::new(),
                count => format!(", {count} FOUND"),
            }
        )
    }

    /// Takes what a line of output says.
    fn read(&mut self, line: &str) {
        if let Some(reached) = read_reached(line) {
            // The first one comes after all inputs of earlier runs.
            if line.contains("INITED") {
                self.before = reached;
            }
            self.after = reached;
        }
        let runs = line.strip_prefix('#').and_then(number_at_start);
        if let Some(runs) = runs {
            self.runs = self.runs.max(runs);
        }
        let modules = line.strip_prefix("INFO: Loaded ");
        if let Some(edges) = modules.and_then(|rest| rest.split_once('(')) {
            self.edges = number_at_start(edges.1).unwrap_or_default();
        }
        self.tail.push(line.to_owned());
        let beyond = self.tail.len().saturating_sub(60);
        self.tail.drain(..beyond);
    }
}

/// `… cov: 12 ft: 34 corp: …`, in a line of statistics.
fn read_reached(line: &str) -> Option<Reached> {
    let number = |name: &str| number_at_start(line.split_once(name)?.1);
    Some(Reached {
        edges: number(" cov: ")?,
        features: number(" ft: ")?,
    })
}

fn number_at_start(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}

impl<'a> Session<'a> {
    pub(super) fn new(
        fuzzer: &'a Fuzzer,
        corpus: &'a Corpus,
        time: Duration,
        rest: &'a [String],
    ) -> Self {
        Self {
            fuzzer,
            corpus,
            time,
            rest,
        }
    }

    /// Runs the target and then minimises its corpus. `aloud` shows the output as it comes.
    pub(super) fn run(&self, aloud: bool) -> Result<Told> {
        let earlier = entries(&self.corpus.artifacts)?;
        self.corpus.add_seeds(self.fuzzer)?;
        let mut told = Told {
            target: self.corpus.target.clone(),
            ..Told::default()
        };
        let mut child = self.start(aloud)?;
        let output = child.stderr.take().ok_or("the output is a pipe")?;
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| format!("{}: {error}", told.target))?;
            let line = String::from_utf8_lossy(&line);
            if aloud {
                eprintln!("{line}");
            }
            told.read(&line);
        }
        let status = child.wait();
        let status = status.map_err(|error| format!("{}: {error}", told.target))?;
        told.ended_well = status.success();
        let found = entries(&self.corpus.artifacts)?.into_iter();
        told.found = found.filter(|path| !earlier.contains(path)).collect();
        if !told.ended_well && !aloud {
            eprintln!(
                "{} ended with {status}:\n{}",
                told.target,
                told.tail.join("\n")
            );
        }
        // With a finding, the corpus still has the input that led to it.
        told.inputs = match told.ended_well {
            true => self.corpus.minimise(self.fuzzer)?,
            false => entries(&self.corpus.kept)?.len(),
        };
        Ok(told)
    }

    fn start(&self, aloud: bool) -> Result<Child> {
        let mut fuzz = self.fuzzer.command(&self.corpus.target);
        fuzz.arg(format!("-max_total_time={}", self.time.as_secs().max(1)));
        fuzz.args(["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]);
        fuzz.arg(artifact_prefix(&self.corpus.artifacts));
        if self.corpus.target == "import" {
            // Ended threads may not be freed yet when leaks are looked for.
            fuzz.arg("-detect_leaks=0");
        }
        fuzz.args(self.rest).arg(&self.corpus.kept);
        if aloud {
            eprintln!("\n$ {}", show(&fuzz));
        }
        fuzz.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        fuzz.spawn()
            .map_err(|error| format!("cannot start {}: {error}", show(&fuzz)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_read() {
        let mut told = Told::default();
        for line in [
            "INFO: Loaded 1 modules   (310 inline 8-bit counters): 310 [0x1, 0x2), ",
            "#18\tINITED cov: 62 ft: 70 corp: 5/60b exec/s: 0 rss: 51Mb",
            "#20\tNEW    cov: 64 ft: 75 corp: 6/70b lim: 4 exec/s: 0 rss: 51Mb L: 1/2 MS: 1 X-",
            "#900\tDONE   cov: 70 ft: 99 corp: 9/90b lim: 8 exec/s: 9 rss: 60Mb",
            "stat::number_of_executed_units: 900",
        ] {
            told.read(line);
        }
        let reached = |edges, features| Reached { edges, features };
        assert_eq!(told.before, reached(62, 70));
        assert_eq!(told.after, reached(70, 99));
        assert_eq!((told.edges, told.runs), (310, 900));
    }
}
