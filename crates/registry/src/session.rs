//! Requests to one registry, with the credentials that it wants.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use ureq::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use ureq::http::{HeaderName, HeaderValue, Method};
use zeroize::Zeroizing;

use crate::deadline::Deadline;
use crate::endpoint::Endpoint;
use crate::error::{Answer, Problem, RedirectError};
use crate::http::{Http, Payload, Request, Response};
use crate::login::{Login, scrub};
use crate::manner::Manner;
use crate::options::ClientOptions;
use crate::parse::{
    Challenge, Token, Url, parse_retry_after, parse_token_body, parse_www_authenticate,
};
use crate::redirect::{Route, refused};
use crate::retry::Attempts;
use crate::token::{TokenQuery, Tokens, lock, sensitive};

/// The largest answer of a token server (Go: `MaxAuthTokenBodySize`).
const MAX_TOKEN_BODY: u64 = 1024 * 1024;

/// What podman says that it speaks.
const API_VERSION: (HeaderName, &str) = (
    HeaderName::from_static("docker-distribution-api-version"),
    "registry/2.0",
);

/// A registry, and what is known of it.
pub(crate) struct Session {
    pub(crate) options: ClientOptions,
    endpoint: Endpoint,
    login: Option<Login>,
    home: Http,
    abroad: Http,
    /// Found out by the first request.
    contact: Mutex<Option<Arc<Contact>>>,
    tokens: Tokens,
    /// How uploads succeeded.
    manner: Mutex<Manner>,
}

/// How a registry is reached.
pub(crate) struct Contact {
    /// The address of the registry, with a path that does not matter.
    base: Url,
    /// How it wants to be shown credentials.
    challenges: Mutex<Vec<Challenge>>,
}

impl Contact {
    /// Makes the address of a path.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Problem> {
        let joined = self.base.join(path);
        joined.map_err(|error| refused(&self.base, error.into()))
    }

    /// Makes the address that the registry sends for what follows.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }
}

/// What a request may do, and what a missing thing means.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Scopes of tokens: `repository:PATH:ACTIONS`.
    pub(crate) scopes: Vec<String>,
    pub(crate) missing: Missing,
}

/// What a status of 404 means, if the server does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Manifest,
    Blob,
    Repository,
}

/// Credentials as a request shows them.
struct Authorization {
    value: HeaderValue,
    /// The token in it, if it is one.
    token: Option<Zeroizing<String>>,
}

impl Session {
    pub(crate) fn new(
        options: ClientOptions,
        endpoint: Endpoint,
        login: Option<Login>,
        home: Http,
        abroad: Http,
    ) -> Self {
        Self {
            options,
            endpoint,
            login,
            home,
            abroad,
            contact: Mutex::default(),
            tokens: Tokens::default(),
            manner: Mutex::default(),
        }
    }

    /// Returns the name of the registry in references.
    pub(crate) fn name(&self) -> &str {
        self.endpoint.name()
    }

    /// Returns how uploads are tried first.
    pub(crate) fn manner(&self) -> Manner {
        *lock(&self.manner)
    }

    /// Notes how an upload succeeded.
    pub(crate) fn set_manner(&self, manner: Manner) {
        *lock(&self.manner) = manner;
    }

    /// Starts the time of an operation.
    pub(crate) fn attempts(&self) -> Attempts {
        Attempts::new(&self.options, Deadline::start(self.options.total_time))
    }

    /// Does work that may fail for a while.
    pub(crate) fn retrying<T>(
        &self,
        mut work: impl FnMut(&Contact, &Deadline) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut attempts = self.attempts();
        loop {
            let deadline = attempts.deadline();
            let done = self
                .contact(deadline)
                .and_then(|contact| work(&contact, deadline));
            match done {
                Ok(done) => return Ok(done),
                Err(problem) => attempts.wait_after(problem)?,
            }
        }
    }

    /// Sends a request once, twice if a token has to be renewed. All but success is an error.
    pub(crate) fn send(
        &self,
        contact: &Contact,
        access: &Access,
        deadline: &Deadline,
        mut request: Request<'_>,
    ) -> Result<Response, Problem> {
        let first = request.url.clone();
        request
            .headers
            .push((API_VERSION.0, API_VERSION.1.to_owned()));
        let route = self.route(&contact.base);
        let shown = self.authorization(contact, &access.scopes, deadline)?;
        let value = shown.as_ref().map(|shown| &shown.value);
        let response = route.send(&mut request, value, deadline)?;
        if response.status != 401 || !response.url.has_same_origin(&contact.base) {
            return self.check(contact, access, shown.as_ref(), response);
        }
        let scopes = self.learn(contact, access, shown.as_ref(), &response);
        let refusal = self.check(contact, access, shown.as_ref(), response);
        if matches!(request.payload, Payload::Stream(..)) {
            // It is used up. The caller sends what is left of it with another token.
            return refusal;
        }
        let renewed = self.authorization(contact, &scopes, deadline)?;
        let old = shown.as_ref().map(|shown| &shown.value);
        let new = renewed.as_ref().map(|renewed| &renewed.value);
        if new == old {
            return refusal;
        }
        request.url = first;
        let response = route.send(&mut request, new, deadline)?;
        self.check(contact, access, renewed.as_ref(), response)
    }

    fn route<'r>(&'r self, origin: &'r Url) -> Route<'r> {
        Route {
            home: &self.home,
            abroad: &self.abroad,
            origin,
            may_be_plain: self.endpoint.security().is_insecure(),
        }
    }

    /// Takes note of what a registry says that it wants, and returns the scopes to ask for.
    fn learn(
        &self,
        contact: &Contact,
        access: &Access,
        shown: Option<&Authorization>,
        response: &Response,
    ) -> Vec<String> {
        let challenges = challenges(response);
        if let Some(token) = shown.and_then(|shown| shown.token.as_ref()) {
            self.tokens.forget(token);
        }
        let mut scopes = access.scopes.clone();
        let wanted = challenges
            .iter()
            .filter(|challenge| challenge.parameter("error") == Some("insufficient_scope"));
        let wanted = wanted.filter_map(|challenge| challenge.parameter("scope"));
        for scope in wanted
            .flat_map(str::split_ascii_whitespace)
            .map(str::to_owned)
        {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        if !challenges.is_empty() {
            *lock(&contact.challenges) = challenges;
        }
        scopes
    }

    /// Makes what a request shows: for the first challenge that the credentials fit.
    ///
    /// As in podman, the challenges are those of the registry itself (Go: `setupRequestAuth`).
    fn authorization(
        &self,
        contact: &Contact,
        scopes: &[String],
        deadline: &Deadline,
    ) -> Result<Option<Authorization>, Problem> {
        let challenges = lock(&contact.challenges).clone();
        for challenge in &challenges {
            let shown = match challenge.scheme.as_str() {
                "basic" => self.basic(),
                "bearer" => self.bearer(contact, challenge, scopes, deadline)?,
                _ => None,
            };
            if shown.is_some() {
                return Ok(shown);
            }
        }
        Ok(None)
    }

    fn basic(&self) -> Option<Authorization> {
        let value = sensitive(&self.login.as_ref()?.basic()?)?;
        Some(Authorization { value, token: None })
    }

    fn bearer(
        &self,
        contact: &Contact,
        challenge: &Challenge,
        scopes: &[String],
        deadline: &Deadline,
    ) -> Result<Option<Authorization>, Problem> {
        let host = contact.base.authority();
        let bad = || Problem::bad_answer(&host, "a challenge without a valid realm");
        let login = self.login.as_ref();
        let query = TokenQuery::new(challenge, scopes, login).ok_or_else(bad)?;
        self.route(&contact.base)
            .check(&contact.base, &query.realm)?;
        let token = self
            .tokens
            .get(&query.key(), || self.fetch_token(&query, deadline))?;
        let text = Zeroizing::new(format!("Bearer {}", token.as_str()));
        let value = sensitive(&text).ok_or_else(bad)?;
        let token = Some(token);
        Ok(Some(Authorization { value, token }))
    }

    /// Asks the token server. As in podman, it is shown the credentials wherever it is.
    fn fetch_token(&self, query: &TokenQuery<'_>, deadline: &Deadline) -> Result<Token, Problem> {
        let refresh = self.login.as_ref().and_then(Login::refresh_token);
        let route = self.route(&query.realm);
        let response = match refresh {
            Some(refresh) => {
                let form = query.form(refresh);
                route.send(&mut query.post(&form), None, deadline)?
            }
            None => {
                let basic = self.basic();
                let value = basic.as_ref().map(|basic| &basic.value);
                route.send(&mut query.get(), value, deadline)?
            }
        };
        if !(200..300).contains(&response.status) {
            return Err(self.token_refusal(response));
        }
        let host = response.host();
        let body = Zeroizing::new(response.read_to_end(MAX_TOKEN_BODY)?);
        let bad = || Problem::bad_answer(&host, "an answer without a token");
        parse_token_body(&body).ok_or_else(bad)
    }

    /// Finds out how the registry is reached, once (Go: `detectProperties`).
    pub(crate) fn contact(&self, deadline: &Deadline) -> Result<Arc<Contact>, Problem> {
        let mut known = lock(&self.contact);
        if let Some(contact) = &*known {
            return Ok(Arc::clone(contact));
        }
        let contact = match self.ping(true, deadline) {
            Err(problem) if self.may_try_plain(&problem) => {
                let plain = self.ping(false, deadline);
                // A server that answered over TLS is not helped by a refusal without it.
                plain.map_err(|other| {
                    if problem.answer().is_some() {
                        problem
                    } else {
                        other
                    }
                })?
            }
            pinged => pinged?,
        };
        let contact = Arc::new(contact);
        *known = Some(Arc::clone(&contact));
        Ok(contact)
    }

    fn may_try_plain(&self, problem: &Problem) -> bool {
        let is_over = matches!(
            problem,
            Problem::Cancelled(_) | Problem::TotalTime { .. } | Problem::BadHost { .. }
        );
        self.endpoint.security().is_insecure() && !is_over
    }

    fn ping(&self, is_https: bool, deadline: &Deadline) -> Result<Contact, Problem> {
        let base = Url::at(is_https, self.endpoint.authority(), "/v2/");
        let base = base.map_err(|_| Problem::BadHost {
            name: self.endpoint.name().to_owned(),
        })?;
        let mut request = Request::new(Method::GET, base.clone());
        request
            .headers
            .push((API_VERSION.0, API_VERSION.1.to_owned()));
        let response = self.route(&base).send(&mut request, None, deadline)?;
        let challenges = challenges(&response);
        match response.status {
            200 | 401 => {
                // The connection can be used again once the body is read.
                let _read = response.into_answer();
            }
            _ => return Err(self.refusal(Missing::Repository, None, response)),
        }
        Ok(Contact {
            base,
            challenges: Mutex::new(challenges),
        })
    }

    /// Turns all but success into an error.
    fn check(
        &self,
        contact: &Contact,
        access: &Access,
        shown: Option<&Authorization>,
        response: Response,
    ) -> Result<Response, Problem> {
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        let is_home = response.url.has_same_origin(&contact.base);
        let problem = match (response.status, is_home) {
            (401, true) => self.unauthorized(shown, response),
            (403, true) => self.forbidden(shown, response),
            _ => self.refusal(access.missing, shown, response),
        };
        Err(problem)
    }

    fn unauthorized(&self, shown: Option<&Authorization>, response: Response) -> Problem {
        let registry = self.name().to_owned();
        let answer = self.answer(shown, response);
        match (shown, &self.login) {
            // The token server took the credentials, or gave a token without any.
            (Some(Authorization { token: Some(_), .. }), Some(_)) => {
                Problem::Denied { registry, answer }
            }
            (_, Some(_)) => Problem::WrongCredentials { registry, answer },
            (_, None) => Problem::LoginRequired { registry, answer },
        }
    }

    fn forbidden(&self, shown: Option<&Authorization>, response: Response) -> Problem {
        let retry_after = retry_after(&response);
        let registry = self.name().to_owned();
        let answer = self.answer(shown, response);
        match is_too_many(&answer) {
            true => Problem::TooManyRequests {
                answer,
                retry_after,
            },
            false => Problem::Denied { registry, answer },
        }
    }

    fn token_refusal(&self, response: Response) -> Problem {
        let is_about_credentials = matches!(response.status, 400 | 401 | 403);
        if !is_about_credentials {
            return self.refusal(Missing::Repository, None, response);
        }
        let registry = self.name().to_owned();
        let answer = self.answer(None, response);
        match &self.login {
            Some(_) => Problem::WrongCredentials { registry, answer },
            None => Problem::LoginRequired { registry, answer },
        }
    }

    fn refusal(
        &self,
        missing: Missing,
        shown: Option<&Authorization>,
        response: Response,
    ) -> Problem {
        let retry_after = retry_after(&response);
        let answer = self.answer(shown, response);
        match answer.status {
            404 if answer.has_code("BLOB_UPLOAD_UNKNOWN") => {}
            404 if answer.has_code("NAME_UNKNOWN") => return Problem::NameUnknown(answer),
            404 if answer.has_code("MANIFEST_UNKNOWN") => return Problem::ManifestUnknown(answer),
            404 if answer.has_code("BLOB_UNKNOWN") => return Problem::BlobUnknown(answer),
            404 => {
                return match missing {
                    Missing::Manifest => Problem::ManifestUnknown(answer),
                    Missing::Blob => Problem::BlobUnknown(answer),
                    Missing::Repository => Problem::NameUnknown(answer),
                };
            }
            _ if is_too_many(&answer) => {
                return Problem::TooManyRequests {
                    answer,
                    retry_after,
                };
            }
            _ => {}
        }
        Problem::Refused {
            answer,
            retry_after,
        }
    }

    /// Reads what a server says, and removes secrets that it repeats.
    fn answer(&self, shown: Option<&Authorization>, response: Response) -> Answer {
        let mut answer = response.into_answer();
        let token = shown.and_then(|shown| shown.token.as_ref());
        for error in &mut answer.errors {
            for text in [&mut error.code, &mut error.message] {
                if let Some(login) = &self.login {
                    *text = login.scrub(text);
                }
                if let Some(token) = token {
                    *text = scrub(text, token);
                }
            }
        }
        answer
    }

    /// Refuses an address that is not the registry's own.
    pub(crate) fn check_same_origin(&self, contact: &Contact, url: &Url) -> Result<(), Problem> {
        match url.has_same_origin(&contact.base) {
            true => Ok(()),
            false => Err(refused(
                &contact.base,
                RedirectError::OtherHost(url.origin()),
            )),
        }
    }

    /// Refuses an address that would send in the clear what was encrypted.
    pub(crate) fn check_encrypted(&self, contact: &Contact, url: &Url) -> Result<(), Problem> {
        self.route(&contact.base).check(&contact.base, url)
    }
}

fn is_too_many(answer: &Answer) -> bool {
    answer.status == 429 || answer.has_code("TOOMANYREQUESTS")
}

fn retry_after(response: &Response) -> Option<Duration> {
    parse_retry_after(response.header(&RETRY_AFTER)?, Timestamp::now())
}

fn challenges(response: &Response) -> Vec<Challenge> {
    let values = response.headers(&WWW_AUTHENTICATE);
    values
        .iter()
        .flat_map(|value| parse_www_authenticate(value))
        .collect()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("endpoint", &self.endpoint)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
