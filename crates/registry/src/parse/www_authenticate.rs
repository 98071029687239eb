//! `WWW-Authenticate`: how a server wants to be shown credentials.

/// The most challenges, and parameters of one, that are kept.
const MOST: usize = 16;

/// One way to authenticate (RFC 9110, section 11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case, such as `bearer`.
    pub scheme: String,
    /// Names in lower case, and values without quotes, each name once.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Returns the value of a parameter, by its name in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(other, _)| other == name)?;
        Some(&found.1)
    }

    /// As in Go, the last of several values of one name counts.
    fn set(&mut self, name: &str, value: String) {
        let name = name.to_ascii_lowercase();
        let known = self.parameters.iter_mut().find(|(other, _)| *other == name);
        if let Some(parameter) = known {
            parameter.1 = value;
        } else if self.parameters.len() < MOST {
            self.parameters.push((name, value));
        }
    }
}

/// Parses the value of one header, which may have several challenges.
///
/// What comes after a mistake is left out; parameters before it count.
#[must_use]
pub fn parse_www_authenticate(value: &str) -> Vec<Challenge> {
    let mut rest = Rest(value);
    let mut challenges: Vec<Challenge> = Vec::new();
    while let Some(word) = rest.next_word() {
        if !rest.take("=") {
            if challenges.len() == MOST {
                break;
            }
            challenges.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                parameters: Vec::new(),
            });
            continue;
        }
        let (Some(challenge), Some(value)) = (challenges.last_mut(), rest.value()) else {
            break;
        };
        challenge.set(word, value);
    }
    challenges
}

/// What is not parsed yet.
struct Rest<'v>(&'v str);

impl<'v> Rest<'v> {
    /// Takes the next token, after any blanks and commas; `None` at the end and at a mistake.
    fn next_word(&mut self) -> Option<&'v str> {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
        let word = self.while_true(is_token_char);
        (!word.is_empty()).then_some(word)
    }

    /// Takes a text with blanks around it, if it comes next.
    fn take(&mut self, text: &str) -> bool {
        let Some(rest) = self.0.trim_start_matches([' ', '\t']).strip_prefix(text) else {
            return false;
        };
        self.0 = rest.trim_start_matches([' ', '\t']);
        true
    }

    /// Takes a quoted string or a bare value; `None` if a quote is not closed.
    fn value(&mut self) -> Option<String> {
        match self.0.strip_prefix('"') {
            Some(rest) => self.quoted(rest),
            // Servers leave out quotes around realms, which are no tokens.
            None => Some(
                self.while_true(|c| !matches!(c, ' ' | '\t' | ','))
                    .to_owned(),
            ),
        }
    }

    fn quoted(&mut self, text: &'v str) -> Option<String> {
        let mut value = String::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = text.get(at + 1..).unwrap_or_default();
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        None
    }

    fn while_true(&mut self, is_wanted: impl Fn(char) -> bool) -> &'v str {
        let end = self.0.find(|c| !is_wanted(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }
}

/// Characters of tokens (RFC 9110, section 5.6.2).
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[(&str, &[(&str, &str)])]) {
        let challenges = parse_www_authenticate(value);
        let found: Vec<(&str, Vec<(&str, &str)>)> = challenges
            .iter()
            .map(|challenge| {
                let parameters = challenge.parameters.iter();
                let parameters = parameters.map(|(name, value)| (name.as_str(), value.as_str()));
                (challenge.scheme.as_str(), parameters.collect())
            })
            .collect();
        let expected: Vec<(&str, Vec<(&str, &str)>)> = expected
            .iter()
            .map(|(scheme, parameters)| (*scheme, parameters.to_vec()))
            .collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn challenges() {
        check("", &[]);
        check("Basic", &[("basic", &[])]);
        check(r#"Basic realm="a b""#, &[("basic", &[("realm", "a b")])]);
        check(
            r#"Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push""#,
            &[(
                "bearer",
                &[
                    ("realm", "https://a/t"),
                    ("service", "s"),
                    ("scope", "repository:a/b:pull,push"),
                ],
            )],
        );
        check(
            r#"Negotiate, BASIC Realm = x , bearer realm="y\"\\z" , A=1"#,
            &[
                ("negotiate", &[]),
                ("basic", &[("realm", "x")]),
                ("bearer", &[("realm", "y\"\\z"), ("a", "1")]),
            ],
        );
        check(
            "Bearer realm=https://a/t,service=s",
            &[("bearer", &[("realm", "https://a/t"), ("service", "s")])],
        );
        check("Basic a=1,a=2", &[("basic", &[("a", "2")])]);
    }

    #[test]
    fn what_comes_after_a_mistake_is_left_out() {
        check(r#"Basic realm="open"#, &[("basic", &[])]);
        check(r#"Basic a=1, realm="\"#, &[("basic", &[("a", "1")])]);
        check("realm=1", &[]);
        check(r#"Basic a=1, "x", Bearer"#, &[("basic", &[("a", "1")])]);
        check("Basic ä=1", &[("basic", &[])]);
    }

    #[test]
    fn bounds() {
        assert_eq!(parse_www_authenticate(&"a,".repeat(99)).len(), MOST);
        let many: String = (0..99).map(|i| format!("p{i}=1,")).collect();
        let challenges = parse_www_authenticate(&format!("Basic {many}"));
        assert_eq!(challenges[0].parameters.len(), MOST);
    }
}
