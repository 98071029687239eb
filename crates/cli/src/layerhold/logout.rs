//! `layerhold logout`.

use std::path::PathBuf;

use layerhold_registry_auth::{Login, RegistryKey};
use layerhold_sys::stat_ambient;
use serde_json::{Value, json};

use super::args::{Format, Logout};
use super::remote::{Accounts, credentials, key};
use crate::environment::Environment;
use crate::failure::{Failure, stream};
use crate::streams::Streams;

/// Why a logout fails.
#[derive(Debug, thiserror::Error)]
enum LogoutError {
    #[error("not logged into {key}")]
    NotLoggedIn { key: RegistryKey },
    #[error("cannot find the file of credentials {}", path.display())]
    NoFile { path: PathBuf },
}

pub(super) fn run(
    args: &Logout,
    format: Format,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let accounts = Accounts {
        own: args.authfile.as_deref(),
        dockers: args.compat_auth_file.as_deref(),
    };
    if let Some(path) = accounts.path()
        && let Ok(None) = stat_ambient(environment.directory.join(path))
    {
        let path = path.to_owned();
        return Err(Failure::value(LogoutError::NoFile { path }));
    }
    let registries = accounts.registries(environment)?;
    let credentials = credentials(&registries, environment);
    let mut answer = Answer { format, streams };
    if args.all {
        credentials.clear().map_err(Failure::value)?;
        let text = "Removed login credentials for all registries";
        return answer.give(text, json!({ "removed": "all" }));
    }
    let key = key(args.registry.as_deref(), registries.conf())?;
    let removed = credentials.remove(&key).map_err(Failure::value)?;
    // In a file that only other tools change, or for what the key is part of.
    let left = credentials.get(&key).map_err(Failure::value)?;
    match (removed, left) {
        (true, left) => {
            let text = format!("Removed login credentials for {key}");
            answer.give(&text, json!({ "removed": key.as_str() }))?;
            left.map_or(Ok(()), |left| answer.note_left(&key, &left))
        }
        (false, Some(left)) => {
            // Podman's words, except that it takes the credentials for docker's.
            let text = format!(
                "Not logged into {key} with current tool. Existing credentials are in {}",
                left.place
            );
            answer.give(&text, json!({ "left": left.place.to_string() }))
        }
        (false, None) => Err(Failure::value(LogoutError::NotLoggedIn { key })),
    }
}

struct Answer<'a, 'b> {
    format: Format,
    streams: &'a mut Streams<'b>,
}

impl Answer<'_, '_> {
    fn give(&mut self, text: &str, value: Value) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.streams.json(value.to_string()),
            Format::Table => self.streams.line(text),
        }
        .map_err(stream)
    }

    fn note_left(&mut self, key: &RegistryKey, left: &Login) -> Result<(), Failure> {
        let place = &left.place;
        let line = format_args!("layerhold: {place} has credentials for {key} too");
        self.streams.note(line).map_err(stream)
    }
}
