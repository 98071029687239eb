//! `layerhold login`.

use std::fmt::Display;
use std::io::{IsTerminal, Read};

use layerhold_oci::Registries;
use layerhold_registry::{Answer, Problem};
use layerhold_registry_auth::{
    CredentialStore, Credentials, Login as Known, Place, RegistryKey, Secret,
};
use layerhold_sys::Cancel;
use serde_json::json;

use super::args::{Format, Login};
use super::ask::{AskError, LONGEST_PASSWORD, password, password_of};
use super::call::indented;
use super::remote::{Accounts, credentials, for_login, key};
use crate::environment::Environment;
use crate::failure::{Failure, stream};
use crate::streams::Streams;

/// What helps without a terminal.
const INSTEAD: &str = "use --username and --password-stdin";

/// Why a login fails.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error("not logged into {key}")]
    NotLoggedIn { key: RegistryKey },
    #[error("cannot log in to {key}: there is an identity token for it in {place}; log out first")]
    HasToken { key: RegistryKey, place: String },
    // Scripts look for the words in the middle, which are podman's.
    #[error("cannot log in to {key}: invalid username/password ({answer})")]
    Rejected { key: RegistryKey, answer: Answer },
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        Failure::value(error)
    }
}

pub(super) fn run(
    args: &Login,
    format: Format,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let accounts = Accounts {
        own: args.reaching.authfile.as_deref(),
        dockers: args.compat_auth_file.as_deref(),
    };
    let registries = for_login(&args.reaching, accounts, environment)?;
    let key = key(args.registry.as_deref(), registries.conf())?;
    let store = credentials(&registries, environment);
    // The terminal has to show what is typed again before a signal ends this.
    environment.interruption.watch_to_stop();
    let mut attempt = Attempt {
        args,
        format,
        registries: &registries,
        store: &store,
        cancel: environment.interruption.cancel(),
        key: &key,
        streams,
    };
    attempt.run()
}

struct Attempt<'a, 'b> {
    args: &'a Login,
    format: Format,
    registries: &'a Registries,
    store: &'a CredentialStore,
    cancel: Cancel,
    key: &'a RegistryKey,
    streams: &'a mut Streams<'b>,
}

impl Attempt<'_, '_> {
    fn run(&mut self) -> Result<(), Failure> {
        let known = self.store.get(self.key);
        let known = known.map_err(Failure::value)?;
        if self.args.get_login {
            return self.show(known.as_ref());
        }
        if let Some(login) = &known
            && matches!(login.credentials, Credentials::IdentityToken { .. })
        {
            let (key, place) = (self.key.clone(), login.place.to_string());
            return Err(LoginError::HasToken { key, place }.into());
        }
        let given = self.given_password()?;
        if let Some(known) = &known
            && self.args.username.is_none()
            && given.is_none()
            && self.is_logged_in(known)?
        {
            return Ok(());
        }
        let known = known.as_ref().map(|login| login.credentials.username());
        let credentials = Credentials::Password {
            username: self.username(known)?,
            password: match given {
                Some(password) => password,
                None => password(self.streams, INSTEAD)?,
            },
        };
        if let Some(answer) = self.refusal(&credentials)? {
            let key = self.key.clone();
            return Err(LoginError::Rejected { key, answer }.into());
        }
        let stored = self.store.set(self.key, &credentials);
        let place = stored.map_err(Failure::value)?;
        if self.format == Format::Json {
            return self.json(credentials.username(), &place);
        }
        if self.args.verbose {
            self.say(format_args!("Used:  {place}"))?;
        }
        self.say("Login Succeeded!")
    }

    /// Prints the name of the user who is logged in.
    fn show(&mut self, known: Option<&Known>) -> Result<(), Failure> {
        let Some(known) = known else {
            let key = self.key.clone();
            return Err(LoginError::NotLoggedIn { key }.into());
        };
        let username = known.credentials.username();
        match self.format {
            Format::Json => self.json(username, &known.place),
            Format::Table => self.streams.line(username).map_err(stream),
        }
    }

    /// Whether the credentials that are there are good. Says what comes of them, as podman does.
    fn is_logged_in(&mut self, known: &Known) -> Result<bool, Failure> {
        let key = self.key;
        self.say(format_args!(
            "Authenticating with existing credentials for {key}"
        ))?;
        if self.refusal(&known.credentials)?.is_some() {
            self.say("Existing credentials are invalid, please enter valid username and password")?;
            return Ok(false);
        }
        if self.format == Format::Json {
            self.json(known.credentials.username(), &known.place)?;
        }
        let registry = key.registry();
        self.say(format_args!(
            "Existing credentials are valid. Already logged in to {registry}"
        ))?;
        Ok(true)
    }

    /// Asks the registry about credentials. Returns what it says if it does not accept them.
    fn refusal(&self, credentials: &Credentials) -> Result<Option<Answer>, Failure> {
        let name = self.key.registry();
        let registry = self
            .registries
            .registry(name, Some(credentials), &self.cancel);
        match registry.map_err(Failure::value)?.check() {
            Ok(()) => Ok(None),
            Err(error) => match error.problem() {
                Problem::WrongCredentials { answer, .. } => Ok(Some(answer.clone())),
                _ => Err(Failure::value(error)),
            },
        }
    }

    /// The password in the arguments or on standard input.
    fn given_password(&mut self) -> Result<Option<Secret>, Failure> {
        if self.args.password_stdin {
            return self.piped_password().map(Some);
        }
        if self.args.password.is_some() {
            let warning = "other users of this machine can see a password in the arguments: --password-stdin or the terminal hides it";
            let line = format_args!("layerhold: {warning}");
            self.streams.note(line).map_err(stream)?;
        }
        Ok(self.args.password.clone())
    }

    /// All lines of standard input as one, as in podman.
    fn piped_password(&mut self) -> Result<Secret, Failure> {
        let mut text = Vec::new();
        let mut input = (&mut self.streams.input).take(LONGEST_PASSWORD as u64 + 1);
        input.read_to_end(&mut text).map_err(stream)?;
        if text.len() > LONGEST_PASSWORD {
            return Err(AskError::TooLong.into());
        }
        text.retain(|byte| !matches!(byte, b'\n' | b'\r'));
        password_of(text)
    }

    /// The name in the arguments, or the one that is typed; an empty one stands for the known one.
    fn username(&mut self, known: Option<&str>) -> Result<String, Failure> {
        let what = "user name";
        let mut name = match &self.args.username {
            Some(name) => name.clone(),
            None if !std::io::stdin().is_terminal() => {
                let instead = INSTEAD;
                return Err(AskError::NoTerminal { what, instead }.into());
            }
            None => {
                let known = known.map(|name| format!(" ({name})")).unwrap_or_default();
                let answer = self.streams.ask(format_args!("Username{known}: "));
                answer.map_err(stream)?.unwrap_or_default()
            }
        };
        if name.trim().is_empty() {
            name = known.unwrap_or_default().to_owned();
        }
        match name.trim() {
            "" => Err(AskError::Nothing { what }.into()),
            name => Ok(name.to_owned()),
        }
    }

    /// Writes a line for people.
    fn say(&mut self, text: impl Display) -> Result<(), Failure> {
        match self.format {
            Format::Json => Ok(()),
            Format::Table => self.streams.line(text).map_err(stream),
        }
    }

    fn json(&mut self, username: &str, place: &Place) -> Result<(), Failure> {
        let (key, place) = (self.key.as_str(), place.to_string());
        let value = json!({ "registry": key, "username": username, "place": place });
        indented(self.streams, &value)
    }
}
