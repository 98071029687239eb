//! The protocol of credential helpers (Go: docker-credential-helpers, `client`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use layerhold_sys::{FileType, stat_ambient};
use zeroize::Zeroizing;

use layerhold_environment::Environment;

use crate::child::{HelperFailure, run};
use crate::credentials::Credentials;
use crate::entry::quoted;
use crate::helper_name::HelperName;
use crate::members::{Object, string_at};

/// What all helpers say if they have no credentials for a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name that marks an identity token.
const TOKEN_USER: &str = "<token>";
/// The longest message of a helper that is shown, in characters.
const MAX_MESSAGE: usize = 200;
/// A helper may ask for a password first.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A program that keeps credentials: `docker-credential-NAME`.
///
/// It is looked for in the absolute directories of `PATH`, and run without a shell. Registries are
/// texts here, because helpers know some by a URL: docker.io is `https://index.docker.io/v1/` if
/// docker stored it.
#[derive(Clone, Debug)]
pub struct Helper {
    name: HelperName,
    environment: Environment,
    limit: Duration,
}

/// A helper did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} credentials with the helper {helper}")]
#[non_exhaustive]
pub struct HelperError {
    /// The helper.
    pub helper: HelperName,
    /// What it was asked for: `get`, `store`, `erase` or `list`.
    pub action: &'static str,
    /// How it failed.
    pub source: HelperFailure,
}

impl Helper {
    /// A helper that runs with an environment, for at most 60 seconds.
    #[must_use]
    pub fn new(name: HelperName, environment: Environment) -> Self {
        Self {
            name,
            environment,
            limit: TIME_LIMIT,
        }
    }

    /// Sets how long the helper may run.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Gets the credentials of a registry; `None` if the helper has none.
    ///
    /// # Errors
    ///
    /// The helper fails, or its answer is malformed.
    pub fn get(&self, registry: &str) -> Result<Option<Credentials>, HelperError> {
        let input = Zeroizing::new(registry.as_bytes().to_vec());
        let Some(output) = self.ask("get", input, None)? else {
            return Ok(None);
        };
        let answer = || {
            let text = std::str::from_utf8(&output).ok()?;
            let answer = Object::at(text, 0..text.len(), "the answer").ok()?;
            let field = |name| {
                let member = answer.fields(name).next_back();
                let string = member.map(|member| string_at(text, &member.value, name));
                Some(string.transpose().ok()?.flatten().unwrap_or_default())
            };
            Some((field("Username")?, Zeroizing::new(field("Secret")?)))
        };
        let (username, secret) =
            answer().ok_or_else(|| self.error("get", HelperFailure::Answer))?;
        Ok(match username.as_str() {
            "" if secret.is_empty() => None,
            TOKEN_USER => Some(Credentials::identity_token(secret.as_str())),
            _ => Some(Credentials::password(username, secret.as_str())),
        })
    }

    /// Stores credentials for a registry.
    ///
    /// # Errors
    ///
    /// The helper fails.
    pub fn store(&self, registry: &str, credentials: &Credentials) -> Result<(), HelperError> {
        let (username, secret) = match credentials {
            Credentials::Password { username, password } => (username.as_str(), password),
            Credentials::IdentityToken { token, .. } => (TOKEN_USER, token),
        };
        let input = format!(
            "{{\"ServerURL\":{},\"Username\":{},\"Secret\":{}}}\n",
            quoted(registry).as_str(),
            quoted(username).as_str(),
            quoted(secret.expose()).as_str()
        );
        let input = Zeroizing::new(input.into_bytes());
        match self.ask("store", input, Some(secret.expose()))? {
            Some(_) => Ok(()),
            None => {
                let message = Some(NOT_FOUND.to_owned());
                Err(self.error(
                    "store",
                    HelperFailure::Failed {
                        code: None,
                        message,
                    },
                ))
            }
        }
    }

    /// Erases the credentials of a registry; tells whether there were any. Many helpers do not tell
    /// that, so `true` may also mean that there were none.
    ///
    /// # Errors
    ///
    /// The helper fails.
    pub fn erase(&self, registry: &str) -> Result<bool, HelperError> {
        let input = Zeroizing::new(registry.as_bytes().to_vec());
        Ok(self.ask("erase", input, None)?.is_some())
    }

    /// Lists the registries that the helper has credentials for, with the user names.
    ///
    /// # Errors
    ///
    /// The helper fails, or its answer is malformed.
    pub fn list(&self) -> Result<BTreeMap<String, String>, HelperError> {
        // Go sends a word too, for helpers that wait for input.
        let output = self.ask("list", Zeroizing::new(b"unused".to_vec()), None)?;
        let output = output.unwrap_or_else(|| Zeroizing::new(b"{}".to_vec()));
        let names: Result<Option<BTreeMap<String, String>>, _> = serde_json::from_slice(&output);
        // The parser's message may show a value.
        let names = names.map_err(|_| self.error("list", HelperFailure::Answer))?;
        Ok(names.unwrap_or_default())
    }

    /// Runs the helper and returns its output; `None` if it has no such credentials.
    fn ask(
        &self,
        action: &'static str,
        input: Zeroizing<Vec<u8>>,
        secret: Option<&str>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, HelperError> {
        let program = self.program().ok_or_else(|| {
            let program = self.name.program();
            self.error(action, HelperFailure::NotInstalled { program })
        })?;
        let variables = &self.environment.variables;
        let ended = run(&program, action, input, variables, self.limit)
            .map_err(|failure| self.error(action, failure))?;
        if ended.code == Some(0) {
            return Ok(Some(ended.output));
        }
        let text = Zeroizing::new(String::from_utf8_lossy(&ended.output).into_owned());
        if text.trim() == NOT_FOUND {
            return Ok(None);
        }
        let failure = HelperFailure::Failed {
            code: ended.code,
            message: message(&text, secret),
        };
        Err(self.error(action, failure))
    }

    fn error(&self, action: &'static str, source: HelperFailure) -> HelperError {
        HelperError {
            helper: self.name.clone(),
            action,
            source,
        }
    }

    /// The program in the first directory of `PATH` that has it. A relative directory would depend
    /// on where the caller is, so it is skipped; Go refuses programs there.
    fn program(&self) -> Option<PathBuf> {
        let path = self.environment.get("PATH")?;
        std::env::split_paths(path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(self.name.program()))
            .find(|program| {
                let stat = stat_ambient(program).ok().flatten();
                stat.is_some_and(|stat| {
                    FileType::from_mode(stat.mode) == FileType::File && stat.mode & 0o111 != 0
                })
            })
    }
}

/// What a helper said of its failure, unless it may hold credentials: they come as an object.
fn message(text: &str, secret: Option<&str>) -> Option<String> {
    let line = text.trim().lines().next()?;
    let has_secret = secret.is_some_and(|secret| !secret.is_empty() && text.contains(secret));
    if has_secret || text.contains('{') {
        return None;
    }
    let shown = line.chars().filter(|c| !c.is_control());
    Some(shown.take(MAX_MESSAGE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_short_and_without_secrets() {
        assert_eq!(
            message(" no \u{1b}key\nmore", None).as_deref(),
            Some("no key")
        );
        assert_eq!(message("", None), None);
        assert_eq!(message("bad {\"Secret\":\"x\"}", None), None);
        assert_eq!(message("cannot store hunter2", Some("hunter2")), None);
        assert_eq!(message(&"x".repeat(1000), Some("")), Some("x".repeat(200)));
    }
}
