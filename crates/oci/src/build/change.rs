//! Changes to the configuration of an image.

use serde_json::{Map, Value, json};

use crate::platform::Platform;

/// What a builder replaces in the configuration of the base image.
#[derive(Clone, Debug, Default)]
pub(super) struct ConfigChange {
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) command: Option<Vec<String>>,
    /// Names and values, in the order in which they were given.
    pub(super) variables: Vec<(String, String)>,
    pub(super) labels: Map<String, Value>,
    pub(super) ports: Map<String, Value>,
    pub(super) volumes: Map<String, Value>,
    pub(super) user: Option<String>,
    pub(super) working_directory: Option<String>,
    pub(super) stop_signal: Option<String>,
    pub(super) author: Option<String>,
    pub(super) platform: Option<Platform>,
}

/// A value that a configuration cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot set the {field} to {value:?}: {reason}")]
pub struct InvalidSetting {
    /// What was to be set.
    pub field: &'static str,
    /// The value.
    pub value: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl ConfigChange {
    /// Adds a port: `80`, `80/udp` or `8000-8010/tcp`.
    pub(super) fn add_port(&mut self, port: &str) {
        let full = match port.contains('/') {
            true => port.to_owned(),
            false => format!("{port}/tcp"),
        };
        drop(self.ports.insert(full, json!({})));
    }

    /// Checks what the types do not: podman reads these texts when it creates a container.
    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        let bad = |field, value: &str, reason| {
            Err(InvalidSetting {
                field,
                value: value.to_owned(),
                reason,
            })
        };
        for (name, value) in &self.variables {
            if name.is_empty() || name.contains('=') {
                let reason = "a name is not empty and has no \"=\"";
                return bad("environment variable", name, reason);
            }
            if name.contains('\0') || value.contains('\0') {
                return bad("environment variable", name, "it has a null byte");
            }
        }
        for port in self.ports.keys() {
            if !is_port(port) {
                let reason = "expected PORT, PORT-PORT, or either with /tcp, /udp or /sctp";
                return bad("exposed port", port, reason);
            }
        }
        for volume in self.volumes.keys() {
            if !volume.starts_with('/') {
                return bad("volume", volume, "its path is not absolute");
            }
        }
        match &self.working_directory {
            Some(directory) if !directory.starts_with('/') => {
                bad("working directory", directory, "its path is not absolute")
            }
            _ => Ok(()),
        }
    }
}

fn is_port(text: &str) -> bool {
    let Some((range, protocol)) = text.split_once('/') else {
        return false;
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let in_order = matches!((number(first), number(last)), (Some(a), Some(b)) if a <= b);
    in_order && ["tcp", "udp", "sctp"].contains(&protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_completed_and_checked() {
        for (port, full) in [
            ("80", Ok("80/tcp")),
            ("53/udp", Ok("53/udp")),
            ("1-2", Ok("1-2/tcp")),
            ("2-1", Err("2-1/tcp")),
            ("0", Err("0/tcp")),
            ("70000", Err("70000/tcp")),
            ("80/x", Err("80/x")),
            ("", Err("/tcp")),
        ] {
            let mut change = ConfigChange::default();
            change.add_port(port);
            match (change.check(), full) {
                (Ok(()), Ok(full)) => assert!(change.ports.contains_key(full), "{port}"),
                (Err(error), Err(full)) => {
                    assert_eq!((error.field, &*error.value), ("exposed port", full))
                }
                other => panic!("{port}: {other:?}"),
            }
        }
    }

    #[test]
    fn names_and_paths_are_checked() {
        let mut change = ConfigChange::default();
        change.variables.push(("A=".to_owned(), String::new()));
        assert_eq!(change.check().unwrap_err().field, "environment variable");
        let change = ConfigChange {
            working_directory: Some("x".to_owned()),
            ..ConfigChange::default()
        };
        assert_eq!(
            change.check().unwrap_err().to_string(),
            "cannot set the working directory to \"x\": its path is not absolute"
        );
        let mut change = ConfigChange::default();
        drop(change.volumes.insert("data".to_owned(), json!({})));
        assert_eq!(change.check().unwrap_err().value, "data");
    }
}
