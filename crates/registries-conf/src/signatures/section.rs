//! The sections of one file, with the strictness of Go's parser: unknown keys have no effect, keys
//! that are there twice are errors, and any scalar is a text.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::signatures::error::YamlProblem;
use crate::signatures::yaml::{At, Node, Value, parse};

/// What a file says about one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    lookaside: Option<String>,
    lookaside_staging: Option<String>,
    sigstore: Option<String>,
    sigstore_staging: Option<String>,
    pub(super) use_sigstore_attachments: Option<bool>,
}

/// The sections of one file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) default: Option<Section>,
    pub(super) docker: BTreeMap<String, Section>,
    /// Unknown keys with their lines.
    pub(super) unknown: Vec<(usize, String)>,
}

impl Section {
    /// The URL for reading. The old name counts where the new one is missing.
    pub(super) fn read(&self) -> Option<&str> {
        self.lookaside.as_deref().or(self.sigstore.as_deref())
    }

    /// The URL for writing.
    pub(super) fn write(&self) -> Option<&str> {
        let staging = self.lookaside_staging.as_deref();
        let staging = staging.or(self.sigstore_staging.as_deref());
        staging.or_else(|| self.read())
    }
}

/// Parses a file.
pub(super) fn file(text: &str) -> Result<File, At> {
    let mut file = File::default();
    let Some(root) = parse(text)?.filter(|root| !root.is_null()) else {
        return Ok(file);
    };
    for (key, node) in entries(&root, "the file")? {
        match &*key {
            _ if node.is_null() => {}
            "default-docker" => {
                file.default = Some(section(&key, &node, &mut file.unknown)?);
            }
            "docker" => {
                for (scope, node) in entries(&node, &key)? {
                    let name = format!("docker.{scope}");
                    let section = section(&name, &node, &mut file.unknown)?;
                    file.docker.insert(scope, section);
                }
            }
            _ => file.unknown.push((node.line, key)),
        }
    }
    Ok(file)
}

fn section(name: &str, node: &Node, unknown: &mut Vec<(usize, String)>) -> Result<Section, At> {
    let mut section = Section::default();
    if node.is_null() {
        return Ok(section);
    }
    for (key, node) in entries(node, name)? {
        let full = format!("{name}.{key}");
        match &*key {
            "lookaside" => section.lookaside = text(&full, &node)?,
            "lookaside-staging" => section.lookaside_staging = text(&full, &node)?,
            "sigstore" => section.sigstore = text(&full, &node)?,
            "sigstore-staging" => section.sigstore_staging = text(&full, &node)?,
            "use-sigstore-attachments" => {
                section.use_sigstore_attachments = boolean(&full, &node)?;
            }
            _ => unknown.push((node.line, full)),
        }
    }
    Ok(section)
}

/// The entries of a mapping. Those with a null as key are skipped, as in Go.
fn entries(node: &Node, name: &str) -> Result<Vec<(String, Rc<Node>)>, At> {
    let Value::Mapping(pairs) = &node.value else {
        return Err(wrong(name, node, "a mapping"));
    };
    let mut seen = BTreeSet::new();
    let mut entries = Vec::new();
    for (key, value) in pairs {
        let Value::Scalar { text, is_plain } = &key.value else {
            return Err(wrong(&format!("a key of {name}"), key, "a text"));
        };
        if *is_plain && text == "<<" {
            let what = "a merge key (<<)";
            return Err(key.at(YamlProblem::Unsupported { what }));
        }
        if !seen.insert(text) {
            let key_text = text.clone();
            return Err(key.at(YamlProblem::Twice { key: key_text }));
        }
        if !key.is_null() {
            entries.push((text.clone(), Rc::clone(value)));
        }
    }
    Ok(entries)
}

/// A text; nothing if it is empty or null.
fn text(key: &str, node: &Node) -> Result<Option<String>, At> {
    match &node.value {
        _ if node.is_null() => Ok(None),
        Value::Scalar { text, .. } => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        _ => Err(wrong(key, node, "a text")),
    }
}

/// A boolean. Go also takes the words of YAML 1.1, with and without quotes.
fn boolean(key: &str, node: &Node) -> Result<Option<bool>, At> {
    let expected = "true or false";
    match &node.value {
        _ if node.is_null() => Ok(None),
        Value::Scalar { text, is_plain } => match &**text {
            "true" | "True" | "TRUE" if *is_plain => Ok(Some(true)),
            "false" | "False" | "FALSE" if *is_plain => Ok(Some(false)),
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Ok(Some(true)),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Ok(Some(false)),
            _ => Err(wrong(key, node, expected)),
        },
        _ => Err(wrong(key, node, expected)),
    }
}

fn wrong(key: &str, node: &Node, expected: &'static str) -> At {
    node.at(YamlProblem::Type {
        key: key.to_owned(),
        expected,
        found: node.described(),
    })
}
