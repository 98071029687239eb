//! The text of an authentication file: looking up in it.

use std::fmt;

use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::entry::{EntryError, decode};
use crate::helper_name::HelperName;
use crate::key::{RegistryKey, without_scheme};
use crate::members::{Member, Object, ParseError, string_at};

/// The rules by which a file is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFormat {
    /// `auth.json` of podman, buildah and skopeo.
    Containers,
    /// `config.json` of docker. It is read as `auth.json` is. What is written is for a registry,
    /// not a namespace, and for docker.io under `https://index.docker.io/v1/`.
    Docker,
    /// `.dockercfg` of old dockers: only the entries. It is never written.
    DockerLegacy,
}

/// The contents of an authentication file.
///
/// Looking up takes nothing from the file but what it looks for: another entry may be malformed.
///
/// ```
/// use layerhold_registry_auth::{AuthFile, Credentials, FileFormat, Found};
///
/// let text = br#"{"auths": {"quay.io/team": {"auth": "YW5uOnB3"}}}"#;
/// let file = AuthFile::parse(text, FileFormat::Containers)?;
/// let found = file.find(&"quay.io/team/app".parse()?)?;
/// assert_eq!(found, Found::Credentials(Credentials::password("ann", "pw")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AuthFile {
    pub(crate) format: FileFormat,
    pub(crate) text: Zeroizing<String>,
    pub(crate) top: Object,
    /// Usually one. A file may have several, of which later ones win, as in Go.
    pub(crate) auths: Vec<Object>,
    helpers: Vec<Object>,
}

/// What a file says about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Credentials.
    Credentials(Credentials),
    /// A helper has the credentials of this registry (`credHelpers`).
    Helper(HelperName),
    /// The file has no credentials, and names a helper for all registries (docker's `credsStore`).
    DefaultHelper(HelperName),
}

impl fmt::Debug for AuthFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFile")
            .field("format", &self.format)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

impl AuthFile {
    /// Makes a file without entries.
    #[must_use]
    pub fn empty(format: FileFormat) -> Self {
        Self {
            format,
            text: Zeroizing::new("{}".to_owned()),
            top: Object {
                place: 0..2,
                members: Vec::new(),
            },
            auths: Vec::new(),
            helpers: Vec::new(),
        }
    }

    /// Parses the bytes of a file.
    ///
    /// # Errors
    ///
    /// They are not a JSON object, or `auths` or `credHelpers` is none. An empty file is an error,
    /// as in Go.
    pub fn parse(bytes: &[u8], format: FileFormat) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ParseError::Encoding)?;
        Self::of_text(Zeroizing::new(text.to_owned()), format)
    }

    pub(crate) fn of_text(text: Zeroizing<String>, format: FileFormat) -> Result<Self, ParseError> {
        let mut top = Object::at(&text, 0..text.len(), "the file")?;
        // JSON's spaces are all of ASCII.
        let (start, end) = (text.trim_ascii_start(), text.trim_ascii_end());
        top.place = text.len() - start.len()..end.len();
        let objects = |name| -> Result<Vec<Object>, ParseError> {
            top.fields(name)
                .map(|member| Object::at(&text, member.value.clone(), name))
                .collect()
        };
        let (auths, helpers) = match format {
            FileFormat::DockerLegacy => (vec![top.clone()], Vec::new()),
            _ => (objects("auths")?, objects("credHelpers")?),
        };
        Ok(Self {
            format,
            top,
            auths,
            helpers,
            text,
        })
    }

    /// Returns the bytes of the file. They contain secrets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Looks a key up (Go: `findCredentialsInFile`): the registry in `credHelpers`; then the key
    /// and all that it is part of in `auths`, the longest first; then the registry among entries
    /// that docker wrote as URLs, and under all names of docker.io. The first entry decides.
    ///
    /// # Errors
    ///
    /// The entry is malformed.
    pub fn find(&self, key: &RegistryKey) -> Result<Found, EntryError> {
        if let Some(name) = self.helper_of(key.registry())? {
            return Ok(Found::Helper(name));
        }
        let entry = self.entry_of(key);
        let text = entry.and_then(|entry| self.text.get(entry.value.clone()));
        if let Some(credentials) = text.map(decode).transpose()?.flatten() {
            return Ok(Found::Credentials(credentials));
        }
        Ok(match self.default_helper()? {
            Some(name) => Found::DefaultHelper(name),
            None => Found::Nothing,
        })
    }

    fn entry_of(&self, key: &RegistryKey) -> Option<&Member> {
        let exact = match self.format {
            FileFormat::DockerLegacy => self.entry(key.registry()),
            _ => key.and_parents().find_map(|key| self.entry(key)),
        };
        let wanted = normalized(key.registry());
        let mut entries = self.auths.iter().flat_map(|auths| &auths.members);
        exact.or_else(|| entries.find(|entry| self.host(&entry.name) == wanted))
    }

    fn entry(&self, name: &str) -> Option<&Member> {
        let mut objects = self.auths.iter().rev();
        objects.find_map(|auths| auths.members.get(auths.position(name)?))
    }

    /// The helper that `credHelpers` names for a registry.
    pub(crate) fn helper_of(&self, registry: &str) -> Result<Option<HelperName>, EntryError> {
        let mut objects = self.helpers.iter().rev();
        let member = objects.find_map(|helpers| helpers.members.get(helpers.position(registry)?));
        member.map_or(Ok(None), |member| self.helper_in(member))
    }

    /// The helper that docker asks for all registries.
    fn default_helper(&self) -> Result<Option<HelperName>, EntryError> {
        let member = match self.format {
            FileFormat::DockerLegacy => None,
            _ => self.top.fields("credsStore").next_back(),
        };
        member.map_or(Ok(None), |member| self.helper_in(member))
    }

    fn helper_in(&self, member: &Member) -> Result<Option<HelperName>, EntryError> {
        let name = string_at(&self.text, &member.value, &member.name)?;
        let name = name.filter(|name| !name.is_empty());
        Ok(name.map(|name| name.parse()).transpose()?)
    }

    /// The registries in `credHelpers` with their helpers.
    pub(crate) fn helpers(&self) -> Result<Vec<(&str, HelperName)>, EntryError> {
        let members = self.helpers.iter().flat_map(|helpers| &helpers.members);
        let mut found = Vec::new();
        for member in members {
            found.extend(self.helper_in(member)?.map(|name| (&*member.name, name)));
        }
        Ok(found)
    }

    /// Returns the keys that the file has entries or helpers for. URLs that docker wrote become
    /// hosts, and the names of docker.io become `docker.io`. Entries may be empty, and entries
    /// whose name is no key are left out.
    #[must_use]
    pub fn keys(&self) -> Vec<RegistryKey> {
        let entries = self.auths.iter().flat_map(|auths| &auths.members);
        let helpers = self.helpers.iter().flat_map(|helpers| &helpers.members);
        let names = entries.map(|entry| match self.host(&entry.name) {
            DOCKER_HOST => "docker.io",
            host => host,
        });
        let mut keys: Vec<_> = names
            .chain(helpers.map(|helper| &*helper.name))
            .filter_map(|name| name.parse().ok())
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The host that an entry is for, if docker wrote it as a URL; else its name.
    fn host<'a>(&self, name: &'a str) -> &'a str {
        let rest = without_scheme(name);
        let host = match self.format == FileFormat::DockerLegacy || rest.is_some() {
            true => rest.unwrap_or(name).split('/').next().unwrap_or(name),
            false => name,
        };
        normalized(host)
    }
}

/// The name of docker.io in files of docker.
const DOCKER_HOST: &str = "index.docker.io";

fn normalized(registry: &str) -> &str {
    match registry {
        "docker.io" | "registry-1.docker.io" => DOCKER_HOST,
        other => other,
    }
}

/// What docker calls a registry in its files and to its helpers.
pub(crate) fn docker_name(registry: &str) -> &str {
    match registry {
        "docker.io" | DOCKER_HOST => "https://index.docker.io/v1/",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANN: &str = "{\"auth\": \"YW5uOnB3\"}";
    const BEN: &str = "{\"auth\": \"YmVuOnB3\"}";

    fn find(format: FileFormat, text: &str, key: &str) -> Result<Found, EntryError> {
        let text = text.replace("ANN", ANN).replace("BEN", BEN);
        let file = AuthFile::parse(text.as_bytes(), format).unwrap();
        file.find(&key.parse().unwrap())
    }

    fn user(format: FileFormat, text: &str, key: &str) -> String {
        match find(format, text, key).unwrap() {
            Found::Credentials(credentials) => credentials.username().to_owned(),
            Found::Nothing => "-".to_owned(),
            Found::Helper(name) => format!("helper {name}"),
            Found::DefaultHelper(name) => format!("default {name}"),
        }
    }

    #[test]
    fn the_longest_key_wins() {
        let text = "{\"auths\": {\"a.b\": ANN, \"a.b/c/d\": BEN}}";
        for (key, wanted) in [
            ("a.b", "ann"),
            ("a.b/c", "ann"),
            ("a.b/c/d", "ben"),
            ("a.b/c/d/e", "ben"),
            ("a.b/c/de", "ann"),
            ("b", "-"),
            ("a.b:443", "-"),
        ] {
            assert_eq!(user(FileFormat::Containers, text, key), wanted, "{key}");
        }
    }

    #[test]
    fn docker_wrote_urls_and_has_an_old_name() {
        let text = "{\"auths\": {\"https://index.docker.io/v1/\": ANN, \"http://a.b/v2\": BEN}}";
        for (key, wanted) in [
            ("docker.io/library/x", "ann"),
            ("index.docker.io", "ann"),
            ("registry-1.docker.io", "ann"),
            ("a.b/c", "ben"),
        ] {
            assert_eq!(user(FileFormat::Docker, text, key), wanted, "{key}");
        }
        let text = "{\"auths\": {\"docker.io\": ANN, \"index.docker.io\": BEN}}";
        assert_eq!(user(FileFormat::Containers, text, "docker.io/x"), "ann");
        let text = "{\"auths\": {\"index.docker.io/x\": ANN}}";
        assert_eq!(user(FileFormat::Containers, text, "docker.io/x"), "-");
    }

    #[test]
    fn legacy_files_hold_only_registries() {
        let text = "{\"a.b/v1/\": ANN, \"https://c/v1/x\": BEN, \"auths\": {}}";
        for (key, wanted) in [("a.b/x", "ann"), ("c", "ben"), ("auths", "-")] {
            assert_eq!(user(FileFormat::DockerLegacy, text, key), wanted, "{key}");
        }
    }

    #[test]
    fn helpers_of_a_registry_come_first_and_those_of_all_last() {
        let text = "{\"auths\": {\"a\": ANN, \"b\": ANN, \"c\": {}},
            \"credHelpers\": {\"a\": \"pass\", \"b\": \"\"}, \"credsStore\": \"all\"}";
        for (key, wanted) in [
            ("a/x", "helper pass"),
            ("b", "ann"),
            ("c", "default all"),
            ("d", "default all"),
        ] {
            assert_eq!(user(FileFormat::Docker, text, key), wanted, "{key}");
        }
        let text = "{\"credHelpers\": {\"a\": \"../x\", \"b\": 1}}";
        let error = find(FileFormat::Docker, text, "a").unwrap_err();
        assert!(
            matches!(&error, EntryError::Helper(error) if error.text == "../x"),
            "{error}"
        );
        let error = find(FileFormat::Docker, text, "b").unwrap_err();
        assert_eq!(error.to_string(), "b is not a string");
        assert_eq!(find(FileFormat::Docker, text, "c"), Ok(Found::Nothing));
    }

    #[test]
    fn members_are_found_as_go_finds_them() {
        let text = " {\"Auths\": {\"a\": ANN, \"b\": ANN}, \"auths\": {\"a\": BEN}, \"x\": 1} \n";
        assert_eq!(user(FileFormat::Containers, text, "a"), "ben");
        assert_eq!(user(FileFormat::Containers, text, "b"), "ann");
        for text in ["null", "{}", "{\"auths\": null, \"credHelpers\": null}"] {
            assert_eq!(user(FileFormat::Containers, text, "a"), "-");
        }
    }

    #[test]
    fn files_that_are_none_are_refused() {
        let parse = |bytes: &[u8]| {
            let error = AuthFile::parse(bytes, FileFormat::Containers).unwrap_err();
            error.to_string()
        };
        assert_eq!(parse(b""), "it is not JSON: mistake in line 1, column 0");
        assert_eq!(
            parse(b"{\"auths\": {\"a\": {}}"),
            "it is not JSON: mistake in line 1, column 19"
        );
        assert_eq!(parse(b"{\"auths\": []}"), "auths is not an object");
        assert_eq!(parse(b"\xff"), "it is not UTF-8");
        assert_eq!(parse(b"\"secret\""), "the file is not an object");
    }

    #[test]
    fn what_is_printed_has_no_secrets() {
        let text = format!("{{\"auths\": {{\"https://index.docker.io/v1/\": {ANN}}}}}");
        let file = AuthFile::parse(text.as_bytes(), FileFormat::Docker).unwrap();
        assert_eq!(
            format!("{file:?}"),
            "AuthFile { format: Docker, keys: [RegistryKey(\"docker.io\")], .. }"
        );
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(
            text in "\\PC{0,40}|[\\[\\]{}:,\"a-c0-9 \\\\u]{0,60}",
            auths in "([{}\\[\\],: ]|\"(a|b|auth|identitytoken|dTpw|\\\\u00e4)\"){0,12}",
            key in "[ab./:]{1,6}",
        ) {
            for text in [
                text.clone(),
                auths.clone(),
                format!("{{\"auths\": {{\"a\": {text}}}}}"),
                format!("{{\"auths\": {{\"a\": {auths}, \"b\": {{{auths}}}}}}}"),
                format!("{{\"auths\": {auths}, \"credsStore\": {text}}}"),
            ] {
                for format in [FileFormat::Containers, FileFormat::DockerLegacy] {
                    if let (Ok(file), Ok(key)) = (AuthFile::parse(text.as_bytes(), format), key.parse()) {
                        drop((file.find(&key), file.keys(), file.helpers().is_ok()));
                    }
                }
            }
        }
    }
}
