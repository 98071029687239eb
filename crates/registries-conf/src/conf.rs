//! The merged configuration, and what it says about names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_reference::Reference;
use layerhold_toml_table::Document;

use crate::aliases::ShortNames;
use crate::error::RegistriesError;
use crate::file::{self, File};
use crate::prefix::matched;
use crate::registry::{PullSource, PullSourceError, Registry};
use crate::warning::Warning;

/// The configuration of registries: `registries.conf` and its drop-ins.
///
/// The default is the configuration without any file: no registry is searched for short names, and
/// each image is pulled from where its name says.
#[derive(Clone, Debug)]
pub struct RegistriesConf {
    registries: BTreeMap<String, Registry>,
    pub(crate) search_registries: Vec<String>,
    pub(crate) search_origin: Option<PathBuf>,
    credential_helpers: Vec<CredentialHelper>,
    short_name_mode: ShortNameMode,
    layer_store_helper: Option<String>,
    pub(crate) aliases: BTreeMap<String, Alias>,
    /// An invalid file matters only when a short name is resolved.
    pub(crate) short_names: Result<ShortNames, Arc<RegistriesError>>,
    sources: Vec<PathBuf>,
    warnings: Vec<Warning>,
}

/// What a short name stands for, and the file that says it.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub(crate) image: Option<Reference>,
    pub(crate) origin: PathBuf,
}

/// Which format a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// `registries.conf`: version 1 or 2.
    Main,
    /// A file of `registries.conf.d`: version 2.
    DropIn,
}

/// How a short name without an alias is resolved, if there are several registries for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShortNameMode {
    /// A person chooses; without a terminal, it is an error.
    Enforcing,
    /// A person chooses; without a terminal, the registries are tried in order.
    #[default]
    Permissive,
    /// The registries are tried in order.
    Disabled,
}

/// Where credentials are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialHelper {
    /// In the files `auth.json` (`containers-auth.json` in the configuration).
    AuthFiles,
    /// By the program `docker-credential-NAME`, whose name this is.
    Program(String),
}

impl CredentialHelper {
    pub(crate) fn new(name: String) -> Self {
        match &*name {
            "containers-auth.json" => CredentialHelper::AuthFiles,
            _ => CredentialHelper::Program(name),
        }
    }
}

impl Default for RegistriesConf {
    fn default() -> Self {
        RegistriesConf {
            registries: BTreeMap::new(),
            search_registries: Vec::new(),
            search_origin: None,
            credential_helpers: vec![CredentialHelper::AuthFiles],
            short_name_mode: ShortNameMode::default(),
            layer_store_helper: None,
            aliases: BTreeMap::new(),
            short_names: Ok(ShortNames::default()),
            sources: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl RegistriesConf {
    /// Adds a file. Its registries replace those with the same prefix, its aliases those with the
    /// same name, and its other settings those of earlier files, each as a whole (Go:
    /// `updateWithConfigurationFrom`).
    ///
    /// The path is for messages and origins.
    ///
    /// # Errors
    ///
    /// The text is not TOML, or a value is not allowed. Nothing is changed then.
    pub fn add(
        &mut self,
        path: impl Into<PathBuf>,
        kind: FileKind,
        text: &str,
    ) -> Result<(), RegistriesError> {
        self.add_document(&Document::from_text(path, text), kind)
    }

    pub(crate) fn add_document(
        &mut self,
        document: &Document,
        kind: FileKind,
    ) -> Result<(), RegistriesError> {
        let mut warnings = Vec::new();
        let file = file::parse(document, kind, &mut warnings)?;
        self.merge(file, document.path(), kind);
        self.warnings.append(&mut warnings);
        self.sources.push(document.path().to_owned());
        Ok(())
    }

    fn merge(&mut self, file: File, path: &Path, kind: FileKind) {
        self.registries.extend(file.registries);
        if file.search_registries.is_some() || kind == FileKind::Main {
            self.search_origin = Some(path.to_owned());
        }
        if let Some(registries) = file.search_registries {
            self.search_registries = registries;
        }
        if let Some(helpers) = file.credential_helpers {
            self.credential_helpers = match helpers.is_empty() {
                true => vec![CredentialHelper::AuthFiles],
                false => helpers,
            };
        }
        self.short_name_mode = file.short_name_mode.unwrap_or(self.short_name_mode);
        self.layer_store_helper = file.layer_store_helper.or(self.layer_store_helper.take());
        let aliases = file.aliases.into_iter();
        self.aliases.extend(aliases.map(|(name, image)| {
            let origin = path.to_owned();
            (name, Alias { image, origin })
        }));
    }

    /// Sets the aliases that people chose. They win against those of the files.
    pub fn set_short_names(&mut self, short_names: ShortNames) {
        self.short_names = Ok(short_names);
    }

    /// Returns all registries, sorted by prefix.
    pub fn registries(&self) -> impl Iterator<Item = &Registry> {
        self.registries.values()
    }

    /// Returns the registry that an image belongs to: the one with the longest prefix that matches
    /// the name, without regard to tag and digest (Go: `FindRegistry`).
    #[must_use]
    pub fn registry(&self, reference: &Reference) -> Option<&Registry> {
        self.registry_of(&reference.name())
    }

    /// Returns the registry for a host, with its port, or for a folder below it, as
    /// [`registry`](Self::registry) does for an image. Logging in needs it.
    #[must_use]
    pub fn registry_of(&self, name: &str) -> Option<&Registry> {
        let mut found: Option<&Registry> = None;
        for registry in self.registries.values() {
            let length = registry.prefix.len();
            let is_longer = length > found.map_or(0, |found| found.prefix.len());
            if is_longer && matched(name, &registry.prefix).is_some() {
                found = Some(registry);
            }
        }
        found
    }

    /// Returns the places that an image is pulled from, in the order in which they are tried: the
    /// mirrors of its registry that are used for such a name, then the location. Each has the name
    /// with its location instead of the prefix. An image without a configured registry has one
    /// place, its own name.
    ///
    /// A place whose new name belongs to a blocked registry is left out, as podman refuses to
    /// contact it (Go: `newDockerClient`).
    ///
    /// # Errors
    ///
    /// The registry is blocked, all places are, or a location makes a name that is none.
    pub fn pull_sources(&self, reference: &Reference) -> Result<Vec<PullSource>, PullSourceError> {
        let Some(registry) = self.registry(reference) else {
            return Ok(vec![PullSource {
                reference: reference.clone(),
                insecure: false,
                is_mirror: false,
            }]);
        };
        if let Some(refusal) = registry.refusal(reference) {
            return Err(refusal);
        }
        let mut allowed = Vec::new();
        let mut refused = None;
        for source in registry.pull_sources(reference)? {
            match self.refusal(&source.reference) {
                Some(refusal) => refused = Some(refusal),
                None => allowed.push(source),
            }
        }
        match refused {
            Some(refusal) if allowed.is_empty() => Err(refusal),
            _ => Ok(allowed),
        }
    }

    /// Returns the error for an image whose registry is blocked; `None` if it may be contacted.
    /// Pushing and looking at an image need it; [`pull_sources`](Self::pull_sources) has done it.
    #[must_use]
    pub fn refusal(&self, reference: &Reference) -> Option<PullSourceError> {
        self.registry(reference)?.refusal(reference)
    }

    /// Returns the registries that short names are searched in, in order.
    #[must_use]
    pub fn search_registries(&self) -> &[String] {
        &self.search_registries
    }

    /// Returns how short names are resolved.
    #[must_use]
    pub fn short_name_mode(&self) -> ShortNameMode {
        self.short_name_mode
    }

    /// Returns where credentials are looked up, in order: at least one place.
    #[must_use]
    pub fn credential_helpers(&self) -> &[CredentialHelper] {
        &self.credential_helpers
    }

    /// Returns the program that gets the credentials of a pull for an additional layer store.
    #[must_use]
    pub fn layer_store_helper(&self) -> Option<&str> {
        self.layer_store_helper.as_deref()
    }

    /// Returns the files that were added, in order.
    #[must_use]
    pub fn sources(&self) -> &[PathBuf] {
        &self.sources
    }

    /// Returns likely mistakes in the files.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}
