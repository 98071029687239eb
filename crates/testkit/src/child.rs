//! Child processes that run a part of the same test binary: for locks between processes, and to be
//! killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The variable with the child's role.
const ROLE: &str = "LAYERHOLD_TESTKIT_ROLE";
/// The variable with the arguments, joined by the unit separator, which no path in a test contains.
const ARGUMENTS: &str = "LAYERHOLD_TESTKIT_ARGUMENTS";
const SEPARATOR: &str = "\u{1f}";
/// Prefix of messages between parent and child; the test harness prints other lines in between.
const MARK: &str = "@@layerhold ";

/// The role of a child, and its connection to the parent.
///
/// One test of the binary is the entry point of all children; in an ordinary run it does nothing:
///
/// ```no_run
/// use layerhold_testkit::{ChildSpec, child_role};
///
/// // #[test]
/// fn child_entry() {
///     let Some(role) = child_role() else { return };
///     match role.name() {
///         "hold-lock" => {
///             // … take the lock named by role.argument(0) …
///             role.say("held");
///             role.listen();
///         }
///         other => panic!("unknown role {other}"),
///     }
/// }
///
/// // #[test]
/// fn a_second_process_waits() {
///     let mut child = ChildSpec::new("child_entry", "hold-lock").argument("/tmp/x.lock").spawn();
///     child.expect("held");
///     // … try the lock here …
///     child.tell("release");
///     assert!(child.wait().success());
/// }
/// ```
#[derive(Debug)]
pub struct ChildRole {
    name: String,
    arguments: Vec<String>,
}

/// The role of this process; `None` in an ordinary test run.
#[must_use]
pub fn child_role() -> Option<ChildRole> {
    let name = std::env::var(ROLE).ok()?;
    let arguments = std::env::var(ARGUMENTS).unwrap_or_default();
    let arguments = arguments
        .split(SEPARATOR)
        .filter(|argument| !argument.is_empty());
    Some(ChildRole {
        name,
        arguments: arguments.map(str::to_owned).collect(),
    })
}

impl ChildRole {
    /// The name the parent chose.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The argument at `index`, counted from 0.
    ///
    /// # Panics
    /// When the parent gave fewer.
    #[must_use]
    pub fn argument(&self, index: usize) -> &str {
        &self.arguments[index]
    }

    /// Sends a line to the parent.
    ///
    /// # Panics
    /// If the parent is gone.
    pub fn say(&self, message: &str) {
        // A single write, so that the harness's output cannot interrupt it; the line break ends
        // what the harness left unfinished.
        let line = format!("\n{MARK}{message}\n");
        std::io::stdout()
            .write_all(line.as_bytes())
            .expect("the parent listens");
        std::io::stdout().flush().expect("the parent listens");
    }

    /// Waits for a line from the parent; empty when the parent is gone.
    ///
    /// # Panics
    /// When standard input cannot be read.
    pub fn listen(&self) -> String {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .expect("standard input is a pipe");
        line.trim_end().to_owned()
    }
}

/// How to start a child.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    entry: String,
    role: String,
    arguments: Vec<String>,
    wrapper: Vec<String>,
}

impl ChildSpec {
    /// A child that runs the test called `entry` (its full path in the binary, as
    /// `module::child_entry`) with `role`.
    #[must_use]
    pub fn new(entry: &str, role: &str) -> Self {
        Self {
            entry: entry.into(),
            role: role.into(),
            arguments: Vec::new(),
            wrapper: Vec::new(),
        }
    }

    /// Adds an argument; not empty, and without control characters.
    #[must_use]
    pub fn argument(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// Runs the child through another program, such as `["setpriv", "--reuid=1000",
    /// "--clear-groups"]` or `["unshare", "-m"]`.
    #[must_use]
    pub fn through<S: ToString>(mut self, program: impl IntoIterator<Item = S>) -> Self {
        self.wrapper = program.into_iter().map(|word| word.to_string()).collect();
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the test binary cannot be started again.
    pub fn spawn(&self) -> Child {
        let binary = std::env::current_exe().expect("the test binary knows its path");
        let mut command = match self.wrapper.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        let mut child = command
            .args([&self.entry, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, &self.role)
            .env(ARGUMENTS, self.arguments.join(SEPARATOR))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary starts again");
        let input = child.stdin.take().expect("stdin is piped");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Child {
            process: child,
            input: Some(input),
            output,
        }
    }
}

/// A running child; killed when dropped.
#[derive(Debug)]
#[must_use = "the child is killed when this is dropped"]
pub struct Child {
    process: std::process::Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Its process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The child's next message; `None` when it has ended.
    ///
    /// # Panics
    /// When the pipe cannot be read.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self
                .output
                .read_line(&mut line)
                .expect("the child's output can be read")
                == 0
            {
                return None;
            }
            if let Some(message) = line.trim_end().strip_prefix(MARK) {
                return Some(message.to_owned());
            }
        }
    }

    /// Waits until it says exactly `message`.
    ///
    /// # Panics
    /// When it says something else or ends.
    #[track_caller]
    pub fn expect(&mut self, message: &str) {
        assert_eq!(self.hear().as_deref(), Some(message), "what the child said");
    }

    /// Sends it a line.
    ///
    /// # Panics
    /// When it is gone.
    pub fn tell(&mut self, message: &str) {
        let input = self
            .input
            .as_mut()
            .expect("the input is open until the child is waited for");
        input
            .write_all(format!("{message}\n").as_bytes())
            .expect("the child listens");
        input.flush().expect("the child listens");
    }

    /// Kills it with SIGKILL and waits until it is gone, with all its locks.
    ///
    /// # Panics
    /// When the process cannot be waited for.
    pub fn kill(mut self) -> ExitStatus {
        self.process.kill().expect("the child can be killed");
        self.process.wait().expect("the child can be waited for")
    }

    /// Closes its input and waits for its end.
    ///
    /// # Panics
    /// When it has not ended after two minutes, which means that it hangs.
    pub fn wait(mut self) -> ExitStatus {
        drop(self.input.take());
        let hangs = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self
                .process
                .try_wait()
                .expect("the child can be waited for")
            {
                return status;
            }
            assert!(Instant::now() < hangs, "the child hangs");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only when the child has already been waited for.
        layerhold_sys::best_effort(self.process.kill());
        layerhold_sys::best_effort(self.process.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    const ENTRY: &str = "child::tests::child_entry";

    #[test]
    fn child_entry() {
        let Some(role) = child_role() else { return };
        match role.name() {
            "echo" => {
                role.say(&format!("{}+{}", role.argument(0), role.argument(1)));
                let heard = role.listen();
                role.say(&heard);
            }
            "fail" => panic!("as told"),
            other => panic!("unknown role {other}"),
        }
    }

    #[test]
    fn parent_and_child_talk() {
        let mut child = ChildSpec::new(ENTRY, "echo")
            .argument("a b")
            .argument(7)
            .spawn();
        child.expect("a b+7");
        child.tell("hello");
        child.expect("hello");
        assert!(child.wait().success());
    }

    #[test]
    fn a_failing_child_is_seen() {
        let mut child = ChildSpec::new(ENTRY, "fail").spawn();
        assert_eq!(child.hear(), None);
        assert!(!child.wait().success());
    }

    #[test]
    fn a_killed_child_is_gone() {
        let mut child = ChildSpec::new(ENTRY, "echo")
            .argument("x")
            .argument("y")
            .spawn();
        child.expect("x+y");
        assert_eq!(child.kill().signal(), Some(9));
    }
}
