//! Aliases of short names (Go: `shortnames.go`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use layerhold_reference::{Reference, is_registry, is_short_name};
use layerhold_toml_table::{Document, Table};

use crate::error::{Problem, RegistriesError, invalid};
use crate::section::map;

/// What short names stand for. `None` takes an alias away that an earlier file has.
pub(crate) type Aliases = BTreeMap<String, Option<Reference>>;

/// The aliases in `short-name-aliases.conf`: what people chose when a tool asked them which
/// registry a short name means. They win against those of `registries.conf`.
///
/// It is printed as podman writes the file. [`keep`](Self::keep) and [`forget`](Self::forget) change
/// the file itself; the other methods change this value alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShortNames {
    path: PathBuf,
    aliases: Aliases,
}

impl ShortNames {
    /// No aliases, for a file that does not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        ShortNames {
            path: path.into(),
            aliases: Aliases::new(),
        }
    }

    /// Parses the text of the file. The path is for messages.
    ///
    /// # Errors
    ///
    /// The text is not TOML, or an alias is no name.
    pub fn parse(path: impl Into<PathBuf>, text: &str) -> Result<Self, RegistriesError> {
        Self::of(&Document::from_text(path, text))
    }

    pub(crate) fn of(document: &Document) -> Result<Self, RegistriesError> {
        let parsed = document.parse()?;
        let aliases = match map(&mut parsed.root(), "aliases", &mut Vec::new()) {
            Some(section) => take(document, section)?,
            None => Aliases::new(),
        };
        let path = document.path().to_owned();
        Ok(ShortNames { path, aliases })
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the image that a short name stands for. The name has neither tag nor digest.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Reference> {
        self.aliases.get(name)?.as_ref()
    }

    /// Sets what a short name stands for, without the tag and the digest of the image.
    ///
    /// # Errors
    ///
    /// [`Problem::AliasName`] if the name has a registry, a tag or a digest, or is no name.
    pub fn insert(&mut self, name: &str, image: Reference) -> Result<(), Problem> {
        if !is_alias_name(name) {
            let name = name.to_owned();
            return Err(Problem::AliasName { name });
        }
        let image = image.without_tag().without_digest();
        self.aliases.insert(name.to_owned(), Some(image));
        Ok(())
    }

    /// Removes an alias, and returns whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.aliases.remove(name).is_some()
    }

    pub(crate) fn aliases(&self) -> &Aliases {
        &self.aliases
    }
}

impl fmt::Display for ShortNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[aliases]\n")?;
        for (name, image) in &self.aliases {
            let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            // Names of aliases have no character that quotes would have to escape.
            match name.bytes().all(is_bare) {
                true => write!(f, "  {name}")?,
                false => write!(f, "  \"{name}\"")?,
            }
            match image {
                Some(image) => writeln!(f, " = \"{image}\"")?,
                None => f.write_str(" = \"\"\n")?,
            }
        }
        Ok(())
    }
}

/// Takes a table of aliases.
pub(crate) fn take(document: &Document, section: Table<'_>) -> Result<Aliases, RegistriesError> {
    let mut aliases = Aliases::new();
    for value in section.rest() {
        let (line, name, value) = (value.line(), value.name(), value.text()?);
        if !is_alias_name(name) {
            let name = name.to_owned();
            return Err(invalid(document, line, Problem::AliasName { name }));
        }
        let image = match value {
            "" => None,
            value => Some(image(value).ok_or_else(|| {
                let (name, value) = (name.to_owned(), value.to_owned());
                invalid(document, line, Problem::AliasValue { name, value })
            })?),
        };
        aliases.insert(name.to_owned(), image);
    }
    Ok(aliases)
}

/// A name with neither registry nor tag nor digest. The first folder may look like a host without
/// periods, such as `Lib/app`; only an alias makes such a name useful.
fn is_alias_name(name: &str) -> bool {
    let rest = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => rest,
        _ => name,
    };
    // Behind a registry, any text is a repository and never an ID.
    is_short_name(name) && format!("localhost/{rest}").parse().is_ok_and(is_name_only)
}

/// The image of an alias: a registry and a repository.
fn image(value: &str) -> Option<Reference> {
    let image: Reference = value.parse().ok()?;
    (!is_short_name(value) && is_name_only(image.clone())).then_some(image)
}

fn is_name_only(image: Reference) -> bool {
    image.tag().is_none() && image.digest().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_aliases() {
        for (name, is_one) in [
            ("app", true),
            ("lib/app", true),
            ("Lib/app", true),
            ("1.0", true),
            (&"a".repeat(64), true),
            ("", false),
            ("App", false),
            ("app:1", false),
            ("lib/app:1", false),
            ("quay.io/app", false),
            ("localhost/app", false),
            ("app@sha256:1", false),
            ("a//b", false),
        ] {
            assert_eq!(is_alias_name(name), is_one, "{name}");
        }
    }

    #[test]
    fn the_file_is_written_as_podman_does() {
        let mut names = ShortNames::parse("c", "[aliases]\nold = \"\"\n").unwrap();
        names
            .insert("lib/app", "quay.io/x:1".parse().unwrap())
            .unwrap();
        names.insert("b", "docker.io/b".parse().unwrap()).unwrap();
        let text = "[aliases]\n  b = \"docker.io/library/b\"\n  \"lib/app\" = \"quay.io/x\"\n  old = \"\"\n";
        assert_eq!(names.to_string(), text);
        assert_eq!(ShortNames::parse("c", text).unwrap(), names);
        assert!(names.remove("old"));
        assert!(!names.remove("old"));
        let problem = names.insert("quay.io/x", "quay.io/x".parse().unwrap());
        let name = "quay.io/x".to_owned();
        assert_eq!(problem, Err(Problem::AliasName { name }));
    }
}
