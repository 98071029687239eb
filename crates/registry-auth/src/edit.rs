//! Changes of the text of an authentication file.
//!
//! Only the bytes of the entry change: other entries, unknown members, their order and their
//! spaces stay as they are.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::auth_file::{AuthFile, FileFormat, docker_name};
use crate::credentials::Credentials;
use crate::entry::{encode, quoted};
use crate::key::RegistryKey;
use crate::members::{Object, ParseError};

/// Why a file cannot hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The file is of docker's old format, which is only read.
    #[error("docker's old format is only read")]
    Legacy,
    /// A file of docker has entries for registries only.
    #[error(
        "docker's files have credentials for registries, not for namespaces or repositories in them"
    )]
    Namespaced,
    /// The user name has a colon, which would end it in the file.
    #[error("the user name has a colon")]
    Username,
    /// The changed text cannot be read.
    #[error("its changed text is malformed")]
    Changed(#[source] ParseError),
}

impl AuthFile {
    /// Stores credentials for a key, in place of those that it had.
    ///
    /// # Errors
    ///
    /// The format cannot hold them. The file is unchanged then.
    pub fn set(&mut self, key: &RegistryKey, credentials: &Credentials) -> Result<(), EditError> {
        let name = self.name_of(key)?;
        if credentials.username().contains(':') {
            return Err(EditError::Username);
        }
        let style = Style::of(self);
        let value = style.entry(credentials);
        let mut changed = self.clone();
        // An older duplicate would come back if the last one were removed.
        let existing = changed.auths.iter().rev().find_map(|auths| {
            let member = auths.members.get(auths.position(name)?)?;
            Some(member.value.clone())
        });
        if let Some(place) = existing {
            changed.replace(place, &value)?;
        } else {
            if changed.auths.is_empty() {
                changed.insert(None, "auths", "{}", &style)?;
            }
            let last = changed.auths.last().cloned();
            changed.insert(last, name, &value, &style)?;
        }
        *self = changed;
        Ok(())
    }

    /// Removes the entries of exactly this key; tells whether there was one.
    ///
    /// # Errors
    ///
    /// The file is of a format that is only read.
    pub fn remove(&mut self, key: &RegistryKey) -> Result<bool, EditError> {
        let name = self.name_of(key)?;
        let mut changed = self.clone();
        let mut had_one = false;
        while let Some((place, rest)) = changed.removal(name) {
            changed.replace(place, rest)?;
            had_one = true;
        }
        *self = changed;
        Ok(had_one)
    }

    /// Removes all entries and all helpers of registries.
    ///
    /// # Errors
    ///
    /// The file is of a format that is only read.
    pub fn clear(&mut self) -> Result<(), EditError> {
        if self.format == FileFormat::DockerLegacy {
            return Err(EditError::Legacy);
        }
        let mut changed = self.clone();
        for name in ["auths", "credHelpers"] {
            for number in 0..changed.top.fields(name).count() {
                let place = changed.top.fields(name).nth(number);
                if let Some(place) = place.map(|member| member.value.clone()) {
                    changed.replace(place, "{}")?;
                }
            }
        }
        *self = changed;
        Ok(())
    }

    /// The name of a key in this file.
    fn name_of<'k>(&self, key: &'k RegistryKey) -> Result<&'k str, EditError> {
        match self.format {
            FileFormat::Containers => Ok(key.as_str()),
            FileFormat::Docker if key.is_namespaced() => Err(EditError::Namespaced),
            FileFormat::Docker => Ok(docker_name(key.as_str())),
            FileFormat::DockerLegacy => Err(EditError::Legacy),
        }
    }

    /// The part of the text to replace so that one entry of this name is gone, and by what.
    fn removal(&self, name: &str) -> Option<(Range<usize>, &'static str)> {
        let auths = self
            .auths
            .iter()
            .find(|auths| auths.position(name).is_some())?;
        let at = auths.position(name)?;
        let member = auths.members.get(at)?;
        let before = at.checked_sub(1).and_then(|at| auths.members.get(at));
        let after = auths.members.get(at + 1);
        Some(match (before, after) {
            (Some(before), _) => (before.value.end..member.value.end, ""),
            (None, Some(after)) => {
                let between = self.text.get(member.value.end..after.value.start)?;
                let comma = member.value.end + between.find(',')?;
                (auths.place.start + 1..comma + 1, "")
            }
            (None, None) => (auths.place.clone(), "{}"),
        })
    }

    /// Adds a member at the end of an object of the file; `None` is the file itself.
    fn insert(
        &mut self,
        object: Option<Object>,
        name: &str,
        value: &str,
        style: &Style,
    ) -> Result<(), EditError> {
        let depth = 1 + usize::from(object.is_some());
        let object = object.unwrap_or_else(|| self.top.clone());
        let colon = style.colon();
        let member = Zeroizing::new(format!(
            "{}{}{colon}{value}",
            style.line(depth),
            quoted(name).as_str()
        ));
        match object.members.last() {
            Some(last) => {
                let text = Zeroizing::new(format!(",{}", member.as_str()));
                self.replace(last.value.end..last.value.end, &text)
            }
            None => {
                let end = style.line(depth - 1);
                let text = Zeroizing::new(format!("{{{}{end}}}", member.as_str()));
                self.replace(object.place, &text)
            }
        }
    }

    fn replace(&mut self, place: Range<usize>, with: &str) -> Result<(), EditError> {
        let before = self.text.get(..place.start).unwrap_or_default();
        let after = self.text.get(place.end..).unwrap_or_default();
        let length = before.len() + with.len() + after.len();
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.extend([before, with, after]);
        *self = Self::of_text(text, self.format).map_err(EditError::Changed)?;
        Ok(())
    }
}

/// How a file is laid out: what one level is indented by, if it has lines.
struct Style(Option<String>);

impl Style {
    /// The style of a file, seen at its first member. New files have Go's: lines with tabs.
    fn of(file: &AuthFile) -> Self {
        let Some(first) = file.top.members.first() else {
            return Self(Some("\t".to_owned()));
        };
        let start = file.top.place.start + 1..first.value.start;
        let before = file.text.get(start).unwrap_or_default();
        let spaces = before.split('"').next().unwrap_or_default();
        let indentation = spaces.rsplit_once('\n').map(|(_, last)| last.to_owned());
        Self(indentation)
    }

    fn line(&self, depth: usize) -> String {
        match &self.0 {
            Some(indentation) => format!("\n{}", indentation.repeat(depth)),
            None => String::new(),
        }
    }

    fn colon(&self) -> &'static str {
        if self.0.is_some() { ": " } else { ":" }
    }

    fn entry(&self, credentials: &Credentials) -> Zeroizing<String> {
        let members = encode(credentials);
        // Room for all, so that no copy of a secret is left where a text grew.
        let room = members.iter().map(|(_, value)| value.len() + 100).sum();
        let mut text = Zeroizing::new(String::with_capacity(room));
        text.push('{');
        for (number, (name, value)) in members.iter().enumerate() {
            text.push_str(if number == 0 { "" } else { "," });
            let parts = [
                &*self.line(3),
                "\"",
                name,
                "\"",
                self.colon(),
                value.as_str(),
            ];
            text.extend(parts);
        }
        text.push_str(&self.line(2));
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth_file::Found;

    fn file(text: &str) -> AuthFile {
        AuthFile::parse(text.as_bytes(), FileFormat::Containers).unwrap()
    }

    fn text(file: &AuthFile) -> &str {
        std::str::from_utf8(file.as_bytes()).unwrap()
    }

    fn set(before: &str, key: &str) -> String {
        let mut file = file(before);
        let credentials = Credentials::password("u", "p");
        file.set(&key.parse().unwrap(), &credentials).unwrap();
        text(&file).to_owned()
    }

    fn remove(before: &str, key: &str) -> Option<String> {
        let mut file = file(before);
        let had_one = file.remove(&key.parse().unwrap()).unwrap();
        assert!(had_one || text(&file) == before);
        had_one.then(|| text(&file).to_owned())
    }

    #[test]
    fn a_new_file_looks_like_gos() {
        let mut file = AuthFile::empty(FileFormat::Containers);
        let token = Credentials::identity_token("a\"b");
        file.set(&"b/c".parse().unwrap(), &Credentials::password("u", "p"))
            .unwrap();
        file.set(&"a".parse().unwrap(), &token).unwrap();
        let wanted = "{\n\t\"auths\": {\n\t\t\"b/c\": {\n\t\t\t\"auth\": \"dTpw\"\n\t\t},\n\t\t\"a\": {\n\t\t\t\"auth\": \"Og==\",\n\t\t\t\"identitytoken\": \"a\\\"b\"\n\t\t}\n\t}\n}";
        assert_eq!(text(&file), wanted);
        let found = file.find(&"a".parse().unwrap());
        assert_eq!(found, Ok(Found::Credentials(token)));
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let new = "{\"auth\":\"dTpw\"}";
        for (before, key, after) in [
            (
                "{}",
                "a",
                "{\n\t\"auths\": {\n\t\t\"a\": {\n\t\t\t\"auth\": \"dTpw\"\n\t\t}\n\t}\n}"
                    .to_owned(),
            ),
            (
                "{\"x\" :1e2 }",
                "a",
                format!("{{\"x\" :1e2,\"auths\":{{\"a\":{new}}} }}"),
            ),
            (
                "{\"auths\":null}\n",
                "a",
                format!("{{\"auths\":{{\"a\":{new}}}}}\n"),
            ),
            (
                "{\"auths\": { }}",
                "a",
                format!("{{\"auths\": {{\"a\":{new}}}}}"),
            ),
            (
                "{\"auths\": {\"b\\u0063\": {\"y\": 1.0} , \"a\":{\"auth\":\"x\"}}, \"auths2\": 5}",
                "a",
                format!(
                    "{{\"auths\": {{\"b\\u0063\": {{\"y\": 1.0}} , \"a\":{new}}}, \"auths2\": 5}}"
                ),
            ),
            (
                "{\"auths\": {\"b\": {}}}",
                "a",
                format!("{{\"auths\": {{\"b\": {{}},\"a\":{new}}}}}"),
            ),
        ] {
            assert_eq!(set(before, key), after, "{before}");
        }
        let spaces = "{\n  \"auths\": {\n    \"b\": {}\n  }\n}\n";
        let wanted = "{\n  \"auths\": {\n    \"b\": {},\n    \"a\": {\n      \"auth\": \"dTpw\"\n    }\n  }\n}\n";
        assert_eq!(set(spaces, "a"), wanted);
    }

    #[test]
    fn entries_are_removed_with_their_comma_alone() {
        for (before, after) in [
            (
                "{\"auths\": {\"a\": {}}, \"x\": 1}",
                Some("{\"auths\": {}, \"x\": 1}"),
            ),
            (
                "{\"auths\": {\"a\": {} , \"b\": 1}}",
                Some("{\"auths\": { \"b\": 1}}"),
            ),
            (
                "{\"auths\": {\"b\": 1 , \"a\": {} }}",
                Some("{\"auths\": {\"b\": 1 }}"),
            ),
            (
                "{\"auths\": {\"b\": 1, \"a\": {}, \"c\": 2}}",
                Some("{\"auths\": {\"b\": 1, \"c\": 2}}"),
            ),
            (
                "{\"auths\": {\"a\": 1, \"a\": {}}, \"Auths\": {\"a\": 3}}",
                Some("{\"auths\": {}, \"Auths\": {}}"),
            ),
            ("{\"auths\": {\"a/b\": {}}}", None),
            ("null", None),
        ] {
            assert_eq!(remove(before, "a").as_deref(), after, "{before}");
        }
    }

    #[test]
    fn docker_has_its_own_name_and_no_namespaces() {
        let mut file = AuthFile::empty(FileFormat::Docker);
        let credentials = Credentials::password("u", "p");
        let docker = "docker.io".parse().unwrap();
        file.set(&docker, &credentials).unwrap();
        assert!(text(&file).contains("\"https://index.docker.io/v1/\": {"));
        assert_eq!(
            file.find(&docker),
            Ok(Found::Credentials(credentials.clone()))
        );
        let namespaced = "docker.io/x".parse().unwrap();
        assert_eq!(
            file.set(&namespaced, &credentials),
            Err(EditError::Namespaced)
        );
        assert_eq!(file.remove(&docker), Ok(true));
        assert!(file.keys().is_empty());

        let mut legacy = AuthFile::empty(FileFormat::DockerLegacy);
        assert_eq!(legacy.set(&docker, &credentials), Err(EditError::Legacy));
        assert_eq!(legacy.remove(&docker), Err(EditError::Legacy));
        assert_eq!(legacy.clear(), Err(EditError::Legacy));
        let colon = Credentials::password("u:v", "p");
        assert_eq!(file.set(&docker, &colon), Err(EditError::Username));
    }

    #[test]
    fn clearing_keeps_what_is_not_about_credentials() {
        let mut file = file(
            "{\"auths\": {\"a\": {}}, \"x\": [ ], \"credHelpers\": {\"b\": \"c\"}, \"AUTHS\": null}",
        );
        file.clear().unwrap();
        assert_eq!(
            text(&file),
            "{\"auths\": {}, \"x\": [ ], \"credHelpers\": {}, \"AUTHS\": {}}"
        );
    }

    proptest! {
        #[test]
        fn what_is_set_is_found_and_what_is_removed_is_gone(
            text in "\\{( ?\"x\": ?\\[1\\],)?\n?\"[aA]uths\": ?(null|\\{ ?(\"[a-c]\": ?\\{\\} ?, ?){0,4}\n\"[a-c]\" ?:\\{\"z\": 1\\} ?\\})( ?, \"auths\": \\{\"a\": \\{\\}\\})?\\}",
            key in "[a-c]", username in "[^:]{0,5}", password in "[^\0]{0,9}",
        ) {
            prop_assume!(!(username.is_empty() && password.is_empty()));
            let before = file(&text);
            let key: RegistryKey = key.parse().unwrap();
            let credentials = Credentials::password(username, password);
            let mut after = before.clone();
            after.set(&key, &credentials).unwrap();
            prop_assert_eq!(after.find(&key), Ok(Found::Credentials(credentials)));
            for other in before.keys().iter().filter(|other| **other != key) {
                prop_assert_eq!(before.find(other), after.find(other));
            }
            prop_assert_eq!(after.remove(&key), Ok(true));
            prop_assert_eq!(after.find(&key), Ok(Found::Nothing));
            let mut rest = before.keys();
            rest.retain(|other| *other != key);
            prop_assert_eq!(after.keys(), rest);
        }
    }
}
