//! The process of the registry.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The registry logs this with its address once it listens.
const LISTENING: &str = "listening on 127.0.0.1:";
/// How long a loaded machine may take to start it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running registry, killed on drop.
///
/// A thread of its own starts it and waits for the end: the kernel kills the process when the
/// *thread* that started it ends (`PR_SET_PDEATHSIG`), and a test may hand the registry to another
/// thread.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    // Dropping the sender tells the thread to end.
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it with `config.yml` in `place`, and waits until it listens.
    pub(super) fn start(place: &Path) -> Self {
        let (stop, stopped) = channel();
        let (ready, started) = channel();
        let of_thread = place.to_owned();
        let keeper = std::thread::Builder::new()
            .name("docker-registry".into())
            .spawn(move || keep(&of_thread, &ready, &stopped))
            .expect("a thread can be started");
        let port = started.recv().unwrap_or_else(|_| {
            panic!("docker-registry does not start: {}", log(place));
        });
        Self {
            port,
            stop: Some(stop),
            keeper: Some(keeper),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.keeper.take().map(JoinHandle::join);
        debug_assert!(ended.is_none_or(|ended| ended.is_ok()));
    }
}

/// Runs the registry until the other side of `stopped` is dropped.
fn keep(place: &Path, ready: &Sender<u16>, stopped: &Receiver<()>) {
    let mut child = spawn(place);
    if let Some(port) = wait_for_port(&mut child, place) {
        // Both ends fail only when the other thread is gone, which ends the registry too.
        layerhold_sys::best_effort(ready.send(port));
        layerhold_sys::best_effort(stopped.recv());
    }
    layerhold_sys::best_effort(child.kill());
    layerhold_sys::best_effort(child.wait());
}

fn spawn(place: &Path) -> Child {
    let output = |name| Stdio::from(File::create(place.join(name)).expect("the place is writable"));
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "docker-registry", "serve"]);
    command.arg(place.join("config.yml"));
    // Variables that begin with REGISTRY_ change the configuration.
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
    command
        .stdin(Stdio::null())
        .stdout(output("requests.log"))
        .stderr(output("errors.log"))
        .spawn()
        .expect("setpriv of util-linux is installed")
}

/// The port that the registry chose; `None` when it has ended.
fn wait_for_port(child: &mut Child, place: &Path) -> Option<u16> {
    let late = Instant::now() + PATIENCE;
    while Instant::now() < late {
        if let Some(port) = port_in(&log(place)) {
            return Some(port);
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn port_in(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once(LISTENING)?;
    // What follows the number shows that it is whole.
    let end = rest.find(|next: char| !next.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// Standard error of the registry in `place`.
pub(super) fn log(place: &Path) -> String {
    read(&place.join("errors.log"))
}

/// The access log, by lines.
pub(super) fn requests(place: &Path) -> Vec<String> {
    let text = read(&place.join("requests.log"));
    text.lines().map(str::to_owned).collect()
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_once_it_is_whole() {
        assert_eq!(port_in("msg=\"listening on 127.0.0.1:4474"), None);
        let line = "msg=\"listening on 127.0.0.1:44749\" x";
        assert_eq!(port_in(line), Some(44749));
        let line = "msg=\"listening on 127.0.0.1:44749, tls\" x";
        assert_eq!(port_in(line), Some(44749));
        assert_eq!(port_in("level=fatal"), None);
    }
}
