//! Tokens for scopes, fetched when they are needed and kept while they are valid.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ureq::http::header::CONTENT_TYPE;
use ureq::http::{HeaderValue, Method};
use zeroize::Zeroizing;

use crate::error::Problem;
use crate::http::{Payload, Request};
use crate::login::Login;
use crate::parse::{Challenge, Token, Url, encode};

/// The identity of this client towards token servers. Those of registries know the name of Go's
/// library (`getBearerTokenOAuth2`).
const CLIENT_ID: &str = "containers/image";

/// Locks, also after a panic of another thread: the values are whole at any time.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tokens of one registry. Threads that want the same one wait for the first of them.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Slot>>);

type Slot = Arc<Mutex<Option<Kept>>>;

struct Kept {
    text: Zeroizing<String>,
    end: Instant,
}

impl Tokens {
    /// Returns the token for a key, or fetches it.
    pub(crate) fn get(
        &self,
        key: &str,
        fetch: impl FnOnce() -> Result<Token, Problem>,
    ) -> Result<Zeroizing<String>, Problem> {
        let slot = Arc::clone(lock(&self.0).entry(key.to_owned()).or_default());
        let mut slot = lock(&slot);
        let now = Instant::now();
        if let Some(kept) = slot.as_ref().filter(|kept| kept.end > now) {
            return Ok(kept.text.clone());
        }
        *slot = None;
        let token = fetch()?;
        let end = now.checked_add(token.life).unwrap_or(now);
        let text = token.text.clone();
        *slot = Some(Kept {
            text: token.text,
            end,
        });
        Ok(text)
    }

    /// Forgets a token that the registry did not accept.
    pub(crate) fn forget(&self, refused: &str) {
        let slots: Vec<Slot> = lock(&self.0).values().cloned().collect();
        for slot in slots {
            let mut slot = lock(&slot);
            if slot
                .as_ref()
                .is_some_and(|kept| kept.text.as_str() == refused)
            {
                *slot = None;
            }
        }
    }
}

/// What a token is asked for.
pub(crate) struct TokenQuery<'q> {
    pub(crate) realm: Url,
    pub(crate) service: Option<&'q str>,
    pub(crate) scopes: &'q [String],
    pub(crate) login: Option<&'q Login>,
}

impl<'q> TokenQuery<'q> {
    /// Makes the question that a challenge asks for; `None` if it lacks a usable realm.
    pub(crate) fn new(
        challenge: &'q Challenge,
        scopes: &'q [String],
        login: Option<&'q Login>,
    ) -> Option<Self> {
        Some(Self {
            realm: challenge.parameter("realm")?.parse().ok()?,
            service: challenge
                .parameter("service")
                .filter(|text| !text.is_empty()),
            scopes,
            login,
        })
    }

    /// What tells tokens apart.
    pub(crate) fn key(&self) -> String {
        let service = self.service.unwrap_or_default();
        format!(
            "{}\n{service}\n{}",
            self.realm.expose(),
            self.scopes.join("\n")
        )
    }

    /// The parameters that both kinds of requests have.
    fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let service = self.service.map(|service| ("service", service));
        let scopes = self.scopes.iter().map(|scope| ("scope", scope.as_str()));
        service.into_iter().chain(scopes)
    }

    /// The request with a user name and a password, or without credentials (Go: `getBearerToken`).
    pub(crate) fn get(&self) -> Request<'static> {
        let account = self.login.and_then(Login::username);
        let account = account.filter(|name| !name.is_empty());
        let account = account.map(|name| ("account", name));
        let mut url = self.realm.clone();
        for (name, value) in account.into_iter().chain(self.parameters()) {
            url = url.with_parameter(name, value);
        }
        Request::new(Method::GET, url)
    }

    /// The form that exchanges an identity token (Go: `getBearerTokenOAuth2`).
    pub(crate) fn form(&self, identity_token: &str) -> Zeroizing<String> {
        let mut form = Zeroizing::new(format!(
            "grant_type=refresh_token&client_id={}",
            encode(CLIENT_ID)
        ));
        for (name, value) in self.parameters() {
            form.push_str(&format!("&{name}={}", encode(value)));
        }
        let token = Zeroizing::new(encode(identity_token).to_string());
        Zeroizing::new(format!(
            "{}&refresh_token={}",
            form.as_str(),
            token.as_str()
        ))
    }

    /// The request with a form.
    pub(crate) fn post<'f>(&self, form: &'f str) -> Request<'f> {
        Request::new(Method::POST, self.realm.clone())
            .with_header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .with_payload(Payload::Bytes(form.as_bytes()))
    }
}

/// Makes a header value that is not printed.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn token(text: &str, life: Duration) -> Result<Token, Problem> {
        let text = Zeroizing::new(text.to_owned());
        Ok(Token { text, life })
    }

    #[test]
    fn tokens_are_kept_while_they_are_valid() {
        let tokens = Tokens::default();
        let long = Duration::from_secs(60);
        let unexpected = || panic!("the token is there");
        assert_eq!(tokens.get("a", || token("1", long)).unwrap().as_str(), "1");
        assert_eq!(tokens.get("a", unexpected).unwrap().as_str(), "1");
        assert_eq!(
            tokens
                .get("b", || token("2", Duration::ZERO))
                .unwrap()
                .as_str(),
            "2"
        );
        assert_eq!(tokens.get("b", || token("3", long)).unwrap().as_str(), "3");
        tokens.forget("1");
        assert_eq!(tokens.get("a", || token("4", long)).unwrap().as_str(), "4");
        assert_eq!(tokens.get("b", unexpected).unwrap().as_str(), "3");
    }

    #[test]
    fn questions() {
        let challenge = Challenge {
            scheme: "bearer".to_owned(),
            parameters: vec![
                ("realm".to_owned(), "https://auth/token?a=b".to_owned()),
                ("service".to_owned(), "the registry".to_owned()),
            ],
        };
        let scopes = [
            "repository:a:pull".to_owned(),
            "repository:b:pull".to_owned(),
        ];
        let login = Login::password("ann", "pw");
        let query = TokenQuery::new(&challenge, &scopes, Some(&login)).unwrap();
        assert_eq!(
            query.get().url.expose(),
            "https://auth/token?a=b&account=ann&service=the%20registry\
             &scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull"
        );
        assert_eq!(
            query.form("re fresh").as_str(),
            "grant_type=refresh_token&client_id=containers%2Fimage&service=the%20registry\
             &scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull&refresh_token=re%20fresh"
        );
    }
}
