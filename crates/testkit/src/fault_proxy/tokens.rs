//! A token server, and what its tokens allow
//! (<https://distribution.github.io/distribution/spec/auth/token/>).

use std::collections::HashMap;
use std::sync::Mutex;

use super::answer::Answer;
use super::message::{Kind, Request, Response};

/// `USER:PASSWORD` of the registry module in base 64.
const LOGIN: &str = "Basic dGVzdGVyOm9wZW46c2VzYW1l";
/// The identity token that stands for [`USER`](crate::registry::USER) at the token server, as
/// `docker login` keeps it for some registries.
pub const IDENTITY_TOKEN: &str = "identity-of-tester";

/// How the token server of [`Personality::Tokens`](super::Personality::Tokens) behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Tokens {
    uses: usize,
    login: bool,
    size: usize,
    field: &'static str,
}

impl Tokens {
    /// Tokens for any client, each good for so many requests. After that, the next request is
    /// answered with 401, in the middle of whatever the client does.
    pub fn lasting(requests: usize) -> Self {
        Self {
            uses: requests,
            login: false,
            size: 0,
            field: "token",
        }
    }

    /// Gives tokens only for [`USER`](crate::registry::USER) with
    /// [`PASSWORD`](crate::registry::PASSWORD) by basic authentication, or with either the password
    /// or the [`IDENTITY_TOKEN`] by POST as OAuth 2 has it.
    pub fn with_login(mut self) -> Self {
        self.login = true;
        self
    }

    /// Makes each token at least so many bytes long.
    pub fn padded_to(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Sends the token as `access_token`, as OAuth 2 has it, and not as `token`.
    pub fn as_access_token(mut self) -> Self {
        self.field = "access_token";
        self
    }
}

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(super) struct Issued(Mutex<HashMap<String, Token>>);

#[derive(Debug)]
struct Token {
    left: usize,
    scopes: Vec<String>,
}

impl Issued {
    /// Answers a request at the token server; `form` is its body.
    pub(super) fn answer(&self, tokens: &Tokens, request: &Request, form: &str) -> Answer {
        if tokens.login && !knows_password(request, form) {
            return Answer::json(401, r#"{"details":"incorrect username or password"}"#);
        }
        let query = request
            .target
            .split_once('?')
            .map_or("", |(_, query)| query);
        let scopes = [query, form]
            .into_iter()
            .flat_map(|pairs| values(pairs, "scope"))
            .flat_map(|value| value.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let mut issued = self.0.lock().expect("no thread panics with it");
        let mut name = format!("token-{}-", issued.len());
        while name.len() < tokens.size {
            name.push('x');
        }
        let left = tokens.uses;
        let answer = format!(r#"{{"{}":"{name}","expires_in":3600}}"#, tokens.field);
        issued.insert(name, Token { left, scopes });
        Answer::json(200, &answer)
    }

    /// Uses up a token for a request; otherwise the challenge. `realm` is the host and port of the
    /// token server.
    pub(super) fn check(&self, request: &Request, realm: &str) -> Option<Answer> {
        let given = request.headers.get("Authorization").unwrap_or_default();
        let name = given.strip_prefix("Bearer ").unwrap_or_default();
        let mut issued = self.0.lock().expect("no thread panics with it");
        let wanted = wanted(request);
        let why = match issued.get_mut(name) {
            None => None,
            Some(token) if token.left == 0 => Some("invalid_token"),
            Some(token) if !token.allows(wanted.as_ref()) => Some("insufficient_scope"),
            Some(token) => {
                token.left -= 1;
                return None;
            }
        };
        Some(challenge(realm, wanted, why))
    }
}

impl Token {
    fn allows(&self, wanted: Option<&(String, &str)>) -> bool {
        let Some((repository, action)) = wanted else {
            return true;
        };
        let begin = format!("repository:{repository}:");
        let granted = self
            .scopes
            .iter()
            .filter_map(|scope| scope.strip_prefix(&begin));
        granted
            .flat_map(|actions| actions.split(','))
            .any(|granted| granted == *action || granted == "*")
    }
}

/// The repository and the action that a request needs.
fn wanted(request: &Request) -> Option<(String, &'static str)> {
    let action = match request.method.as_str() {
        "GET" | "HEAD" if request.kind() != Kind::Upload => "pull",
        "DELETE" => "delete",
        _ => "push",
    };
    Some((request.repository()?.to_owned(), action))
}

fn challenge(realm: &str, wanted: Option<(String, &str)>, why: Option<&str>) -> Answer {
    let mut value = format!(r#"Bearer realm="http://{realm}/token",service="testkit""#);
    if let Some((repository, action)) = wanted {
        let actions = if action == "push" {
            "pull,push"
        } else {
            action
        };
        value += &format!(r#",scope="repository:{repository}:{actions}""#);
    }
    if let Some(why) = why {
        value += &format!(r#",error="{why}""#);
    }
    let mut answer = Answer::error(401, "UNAUTHORIZED");
    let Response { headers, .. } = &mut answer.response;
    headers.set("WWW-Authenticate", value);
    answer
}

fn knows_password(request: &Request, form: &str) -> bool {
    let has = |name, value: &str| values(form, name).iter().any(|given| given == value);
    let by_password = has("grant_type", "password")
        && has("username", crate::registry::USER)
        && has("password", crate::registry::PASSWORD);
    let by_identity = has("grant_type", "refresh_token") && has("refresh_token", IDENTITY_TOKEN);
    request.headers.get("Authorization") == Some(LOGIN) || by_password || by_identity
}

/// The values of a name in a query or form.
fn values(pairs: &str, name: &str) -> Vec<String> {
    let pairs = pairs.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| decode(value))
        .collect()
}

/// Undoes the escapes of a form.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok());
        let escaped = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        rest = behind;
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = "scope=repository%3Aa%2Fb%3Apull&scope=x+y&other=%zz";
        assert_eq!(values(form, "scope"), ["repository:a/b:pull", "x y"]);
        assert_eq!(values(form, "other"), ["%zz"]);
    }
}
