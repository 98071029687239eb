//! Parses one file (Go: `loadConfigFile`).

use std::collections::BTreeMap;

use layerhold_toml_table::{Document, Table};

use crate::aliases::{self, Aliases};
use crate::check::{self, RawMirror, RawRegistry};
use crate::conf::{CredentialHelper, FileKind, ShortNameMode};
use crate::error::{Problem, RegistriesError, invalid};
use crate::registry::Registry;
use crate::section::{List, boolean, finish, list, map, tables, text};
use crate::v1::Lists;
use crate::warning::Warning;

/// The settings of one file. `None` leaves those of earlier files.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) registries: BTreeMap<String, Registry>,
    pub(crate) search_registries: Option<Vec<String>>,
    pub(crate) credential_helpers: Option<Vec<CredentialHelper>>,
    pub(crate) short_name_mode: Option<ShortNameMode>,
    pub(crate) layer_store_helper: Option<String>,
    pub(crate) aliases: Aliases,
}

pub(crate) fn parse(
    document: &Document,
    kind: FileKind,
    warnings: &mut Vec<Warning>,
) -> Result<File, RegistriesError> {
    let parsed = document.parse()?;
    let mut root = parsed.root();
    let registries = tables(&mut root, "registry")?;
    let search = list(&mut root, "unqualified-search-registries")?;
    let helpers = list(&mut root, "credential-helpers")?;
    let (mode_line, mode) = match root.take("short-name-mode") {
        Some(value) => (value.line(), value.text()?),
        None => (1, ""),
    };
    let layer_store_helper = text(&mut root, "additional-layer-store-auth-helper")?;
    let aliases = map(&mut root, "aliases", warnings);
    let old = match root.table("registries")? {
        Some(section) => Lists::take(section, warnings)?,
        None => Lists::default(),
    };
    finish(root, warnings);

    if let Some(line) = old.line() {
        let is_new = registries.is_some()
            || search.is_some()
            || helpers.is_some()
            || aliases.is_some()
            || !mode.is_empty()
            || !layer_store_helper.is_empty();
        return match kind {
            FileKind::DropIn => Err(invalid(document, line, Problem::OldDropIn)),
            FileKind::Main if is_new => Err(invalid(document, line, Problem::TwoVersions)),
            FileKind::Main => version_1(document, old, warnings),
        };
    }
    let mut raw = Vec::new();
    for section in registries.unwrap_or_default() {
        raw.push(registry(section, warnings)?);
    }
    Ok(File {
        registries: check::registries(document, raw, warnings)?,
        search_registries: search_registries(document, search)?,
        credential_helpers: helpers
            .map(|(_, helpers)| helpers.into_iter().map(CredentialHelper::new).collect()),
        short_name_mode: self::mode(document, mode_line, mode)?,
        layer_store_helper: Some(layer_store_helper.to_owned()).filter(|text| !text.is_empty()),
        aliases: aliases.map_or(Ok(Aliases::new()), |section| {
            aliases::take(document, section)
        })?,
    })
}

fn version_1(
    document: &Document,
    lists: Lists,
    warnings: &mut Vec<Warning>,
) -> Result<File, RegistriesError> {
    Ok(File {
        registries: check::registries(document, lists.registries(document)?, warnings)?,
        search_registries: search_registries(document, lists.search)?,
        ..File::default()
    })
}

fn search_registries(
    document: &Document,
    list: Option<List>,
) -> Result<Option<Vec<String>>, RegistriesError> {
    list.map(|(line, texts)| check::search_registries(document, line, texts))
        .transpose()
}

fn mode(
    document: &Document,
    line: usize,
    text: &str,
) -> Result<Option<ShortNameMode>, RegistriesError> {
    match text {
        "" => Ok(None),
        "enforcing" => Ok(Some(ShortNameMode::Enforcing)),
        "permissive" => Ok(Some(ShortNameMode::Permissive)),
        "disabled" => Ok(Some(ShortNameMode::Disabled)),
        value => {
            let value = value.to_owned();
            Err(invalid(document, line, Problem::Mode { value }))
        }
    }
}

fn registry<'d>(
    mut section: Table<'d>,
    warnings: &mut Vec<Warning>,
) -> Result<RawRegistry<'d>, RegistriesError> {
    let mut raw = RawRegistry {
        line: section.line(),
        prefix: text(&mut section, "prefix")?,
        location: text(&mut section, "location")?,
        insecure: boolean(&mut section, "insecure")?,
        blocked: boolean(&mut section, "blocked")?,
        mirror_by_digest_only: boolean(&mut section, "mirror-by-digest-only")?,
        pull_from_mirror: text(&mut section, "pull-from-mirror")?,
        mirrors: Vec::new(),
    };
    for mirror in tables(&mut section, "mirror")?.unwrap_or_default() {
        raw.mirrors.push(self::mirror(mirror, warnings)?);
    }
    finish(section, warnings);
    Ok(raw)
}

fn mirror<'d>(
    mut section: Table<'d>,
    warnings: &mut Vec<Warning>,
) -> Result<RawMirror<'d>, RegistriesError> {
    let raw = RawMirror {
        line: section.line(),
        location: text(&mut section, "location")?,
        insecure: boolean(&mut section, "insecure")?,
        pull_from_mirror: text(&mut section, "pull-from-mirror")?,
    };
    finish(section, warnings);
    Ok(raw)
}
