//! Typing that a terminal does not show.

use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::error::{PathError, Result};

/// A terminal that does not show what is typed, as for a password. It does again when this is
/// dropped.
///
/// A signal that ends the process leaves the terminal as it is, so a program receives the signals
/// first ([`EndingSignals`](crate::EndingSignals)).
#[derive(Debug)]
#[must_use = "the terminal shows what is typed when this is dropped"]
pub struct HiddenTyping {
    terminal: OwnedFd,
    before: Termios,
}

impl HiddenTyping {
    /// Hides what is typed from now on, except the end of a line. What was typed before stays to be
    /// read.
    ///
    /// # Errors
    ///
    /// The descriptor is not that of a terminal.
    pub fn new(terminal: impl AsFd) -> Result<Self> {
        let failed = |cause| PathError::new("hide what is typed at", "the terminal", cause);
        let terminal = terminal.as_fd().try_clone_to_owned().map_err(failed)?;
        let before = tcgetattr(&terminal).map_err(|cause| failed(cause.into()))?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden
            .local_modes
            .insert(LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Now, &hidden)
            .map_err(|cause| failed(cause.into()))?;
        Ok(Self { terminal, before })
    }
}

impl Drop for HiddenTyping {
    fn drop(&mut self) {
        crate::best_effort(tcsetattr(
            &self.terminal,
            OptionalActions::Now,
            &self.before,
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    fn a_terminal_echoes_again_afterwards() {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&control).unwrap();
        unlockpt(&control).unwrap();
        let name = ptsname(&control, Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let terminal = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
        let echoes = || tcgetattr(&terminal).unwrap().local_modes & LocalModes::ECHO;
        assert_eq!(echoes(), LocalModes::ECHO);
        let hidden = HiddenTyping::new(&terminal).unwrap();
        assert_eq!(echoes(), LocalModes::empty());
        drop(hidden);
        assert_eq!(echoes(), LocalModes::ECHO);
    }

    #[test]
    fn a_file_is_no_terminal() {
        let file = File::open("/dev/null").unwrap();
        let error = HiddenTyping::new(&file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(25));
    }
}
