//! Checks and normalizes the registries of one file (Go: `postProcessRegistries`).

use std::collections::{BTreeMap, BTreeSet};

use layerhold_reference::is_registry;
use layerhold_toml_table::Document;

use crate::error::{Problem, RegistriesError, invalid};
use crate::prefix::WILDCARD;
use crate::registry::{Mirror, MirrorUse, Registry};
use crate::warning::Warning;

/// A table `[[registry]]` as it stands in the file.
#[derive(Debug, Default)]
pub(crate) struct RawRegistry<'d> {
    pub(crate) line: usize,
    pub(crate) prefix: &'d str,
    pub(crate) location: &'d str,
    pub(crate) insecure: bool,
    pub(crate) blocked: bool,
    pub(crate) mirror_by_digest_only: bool,
    pub(crate) pull_from_mirror: &'d str,
    pub(crate) mirrors: Vec<RawMirror<'d>>,
}

/// A table `[[registry.mirror]]` as it stands in the file.
#[derive(Debug)]
pub(crate) struct RawMirror<'d> {
    pub(crate) line: usize,
    pub(crate) location: &'d str,
    pub(crate) insecure: bool,
    pub(crate) pull_from_mirror: &'d str,
}

/// Returns the registries by prefix.
pub(crate) fn registries(
    document: &Document,
    raw: Vec<RawRegistry<'_>>,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<String, Registry>, RegistriesError> {
    let mut checked = Vec::new();
    for one in raw {
        checked.push((one.line, registry(document, one)?));
    }
    conflicts(document, &checked)?;
    let mut by_prefix = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (line, registry) in checked {
        let prefix = registry.prefix.clone();
        if seen.insert(prefix.clone()) {
            by_prefix.insert(prefix, registry);
        } else {
            warnings.push(Warning::SamePrefix {
                path: document.path().to_owned(),
                line,
                prefix,
            });
        }
    }
    Ok(by_prefix)
}

fn registry(document: &Document, raw: RawRegistry<'_>) -> Result<Registry, RegistriesError> {
    let invalid = |problem| invalid(document, raw.line, problem);
    let location = location(document, raw.line, raw.location)?;
    let prefix = match raw.prefix {
        "" if location.is_empty() => return Err(invalid(Problem::NoLocation)),
        "" => location.clone(),
        prefix => self::location(document, raw.line, prefix)?,
    };
    let is_wildcard = prefix.starts_with(WILDCARD);
    if location.is_empty() && !is_wildcard {
        return Err(invalid(Problem::LocationNeeded { prefix }));
    }
    if is_wildcard && prefix.contains(['/', '@', ':']) {
        return Err(invalid(Problem::Wildcard { prefix }));
    }
    if !raw.pull_from_mirror.is_empty() {
        return Err(invalid(Problem::NotAMirror { prefix }));
    }
    let mut mirrors = Vec::new();
    for one in &raw.mirrors {
        mirrors.push(mirror(document, &prefix, raw.mirror_by_digest_only, one)?);
    }
    Ok(Registry {
        prefix,
        location: Some(location).filter(|location| !location.is_empty()),
        insecure: raw.insecure,
        blocked: raw.blocked,
        mirrors,
        origin: document.path().to_owned(),
    })
}

fn mirror(
    document: &Document,
    prefix: &str,
    by_digest_only: bool,
    raw: &RawMirror<'_>,
) -> Result<Mirror, RegistriesError> {
    let invalid = |problem| invalid(document, raw.line, problem);
    let location = location(document, raw.line, raw.location)?;
    if location.is_empty() {
        let prefix = prefix.to_owned();
        return Err(invalid(Problem::MirrorLocation { prefix }));
    }
    if by_digest_only && !raw.pull_from_mirror.is_empty() {
        return Err(invalid(Problem::UsedTwice { mirror: location }));
    }
    let used_for = match raw.pull_from_mirror {
        "" if by_digest_only => MirrorUse::DigestOnly,
        "" | "all" => MirrorUse::All,
        "digest-only" => MirrorUse::DigestOnly,
        "tag-only" => MirrorUse::TagOnly,
        value => {
            let value = value.to_owned();
            return Err(invalid(Problem::MirrorUse { value }));
        }
    };
    Ok(Mirror {
        location,
        insecure: raw.insecure,
        used_for,
    })
}

/// Removes slashes at the end, and refuses URLs (Go: `parseLocation`).
pub(crate) fn location(
    document: &Document,
    line: usize,
    text: &str,
) -> Result<String, RegistriesError> {
    let trimmed = text.trim_end_matches('/');
    if trimmed.starts_with("http://") || trimmed.starts_with("https://") {
        let value = text.to_owned();
        return Err(invalid(document, line, Problem::Scheme { value }));
    }
    Ok(trimmed.to_owned())
}

/// Refuses two registries with one location that differ in what they allow.
fn conflicts(document: &Document, registries: &[(usize, Registry)]) -> Result<(), RegistriesError> {
    let mut first: BTreeMap<&str, &Registry> = BTreeMap::new();
    for (line, registry) in registries {
        let location = registry.location.as_ref().unwrap_or(&registry.prefix);
        let other = first.entry(location).or_insert(registry);
        let setting = match () {
            () if other.insecure != registry.insecure => "insecure",
            () if other.blocked != registry.blocked => "blocked",
            () => continue,
        };
        let location = location.clone();
        return Err(invalid(
            document,
            *line,
            Problem::Conflict { location, setting },
        ));
    }
    Ok(())
}

/// Checks the registries for short names.
pub(crate) fn search_registries(
    document: &Document,
    line: usize,
    texts: Vec<String>,
) -> Result<Vec<String>, RegistriesError> {
    let mut checked = Vec::new();
    for text in texts {
        let value = location(document, line, &text)?;
        if !is_registry(&value) {
            return Err(invalid(document, line, Problem::SearchRegistry { value }));
        }
        checked.push(value);
    }
    Ok(checked)
}
