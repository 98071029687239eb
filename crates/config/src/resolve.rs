//! Loads a configuration from files and environment (Go: `types/options.go`, `LoadStoreOptions`).

use std::path::{Component, Path, PathBuf};

use layerhold_environment::{ConfigFiles, Environment, HostFiles};
use layerhold_toml_table::Document;

use crate::config::{AutoUserns, Config, PullOptions};
use crate::driver_options;
use crate::error::ConfigError;
use crate::expand::expand;
use crate::merge::merge;
use crate::roots;
use crate::search::{ConfigDirs, search};
use crate::settings::Settings;
use crate::variables::{driver_variable, forbids_shifting};
use crate::warning::Warning;

/// Loads the configuration of this system and user.
///
/// # Errors
///
/// If a file cannot be read or is invalid, or an unprivileged user has no place for a store.
pub fn load(environment: &Environment, files: &dyn ConfigFiles) -> Result<Config, ConfigError> {
    load_from(&ConfigDirs::default(), environment, files)
}

impl Config {
    /// Loads the configuration of the user of this process on this host: [`load`] with
    /// [`Environment::of_process`] and [`HostFiles`].
    ///
    /// # Errors
    ///
    /// Those of [`load`].
    pub fn of_process() -> Result<Self, ConfigError> {
        load(&Environment::of_process(), &HostFiles)
    }
}

/// Like [`load`], with other system directories.
///
/// # Errors
///
/// Those of [`load`].
pub fn load_from(
    places: &ConfigDirs,
    environment: &Environment,
    files: &dyn ConfigFiles,
) -> Result<Config, ConfigError> {
    let mut warnings = Vec::new();
    let mut settings = Settings::default();
    let mut sources = Vec::new();
    for found in search(places, environment, files, &mut warnings)? {
        let document = Document::new(found.path, found.bytes)?;
        merge(&document, &mut settings, &mut warnings)?;
        sources.push(document.path().to_owned());
    }
    settings.resolve(environment, files, sources, warnings)
}

impl Settings {
    fn resolve(
        self,
        environment: &Environment,
        files: &dyn ConfigFiles,
        sources: Vec<PathBuf>,
        mut warnings: Vec<Warning>,
    ) -> Result<Config, ConfigError> {
        let driver = driver(&self, environment, &mut warnings)?;
        let driver_options = match environment.text("STORAGE_OPTS")? {
            Some(text) => split_options(text),
            None => driver_options::emit(&self),
        };
        let roots = Roots { environment, files };
        let run_root = match roots.expanded("runroot", &self.run_root, &mut warnings)? {
            Some(path) => path,
            None => roots::run_root(environment, files)?,
        };
        let graph_root = roots.graph_root(&self, &mut warnings)?;
        let image_store = some(self.image_store).map(|path| environment.directory.join(path));
        if let Some(path) = image_store.clone().filter(|path| clean(path) == graph_root) {
            return Err(ConfigError::SameRoots { path });
        }
        Ok(Config {
            graph_root,
            run_root,
            image_store,
            driver,
            driver_priority: self.driver_priority,
            driver_options,
            auto_userns: AutoUserns {
                user: some(self.root_auto_userns_user),
                min_size: Some(self.auto_userns_min_size).filter(|size| *size > 0),
                max_size: Some(self.auto_userns_max_size).filter(|size| *size > 0),
            },
            pull_options: PullOptions::new(self.pull_options),
            disable_volatile: self.disable_volatile,
            transient_store: self.transient_store,
            rootless: environment.is_rootless(),
            disable_shifting: forbids_shifting(environment),
            sources,
            warnings,
        })
    }
}

fn driver(
    settings: &Settings,
    environment: &Environment,
    warnings: &mut Vec<Warning>,
) -> Result<Option<String>, ConfigError> {
    let named = driver_variable(environment)?.unwrap_or_else(|| settings.driver.clone());
    if named == "overlay2" {
        warnings.push(Warning::OldDriverName);
        return Ok(Some("overlay".to_owned()));
    }
    Ok(some(named))
}

/// The options in `STORAGE_OPTS`. An empty value means no options.
fn split_options(text: &str) -> Vec<String> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// What turns values of files into paths.
struct Roots<'a> {
    environment: &'a Environment,
    files: &'a dyn ConfigFiles,
}

impl Roots<'_> {
    fn graph_root(
        &self,
        settings: &Settings,
        warnings: &mut Vec<Warning>,
    ) -> Result<PathBuf, ConfigError> {
        let rootless = &settings.rootless_storage_path;
        if !rootless.is_empty() && !settings.graph_root.is_empty() {
            warnings.push(Warning::RootlessPathUnused);
        }
        if let Some(path) = self.expanded("graphroot", &settings.graph_root, warnings)? {
            return Ok(path);
        }
        if self.environment.is_per_user()
            && let Some(path) = self.expanded("rootless_storage_path", rootless, warnings)?
        {
            return Ok(path);
        }
        roots::graph_root(self.environment, self.files)
    }

    /// Expands variables, and resolves links as far as the path exists. `None` if the value is not
    /// set.
    fn expanded(
        &self,
        key: &'static str,
        text: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<PathBuf>, ConfigError> {
        if text.is_empty() {
            return Ok(None);
        }
        // Files of older releases name the paths of the system's store, which unprivileged
        // users cannot use; those releases ignored them for unprivileged users.
        let is_of_the_system = [roots::GRAPH_ROOT, roots::RUN_ROOT].contains(&text);
        if is_of_the_system && self.environment.is_per_user() {
            warnings.push(Warning::SystemRoot { key });
            return Ok(None);
        }
        let expanded = expand(text, self.environment);
        let unset = expanded.unset.into_iter();
        warnings.extend(unset.map(|variable| Warning::UnsetVariable { key, variable }));
        if expanded.path.is_empty() {
            return Err(ConfigError::EmptyRoot {
                key,
                value: text.to_owned(),
            });
        }
        let path = self.environment.directory.join(expanded.path);
        Ok(Some(
            self.files.resolve(&path).unwrap_or_else(|_| clean(&path)),
        ))
    }
}

/// Removes `.` and `..` from a path lexically.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(cleaned.pop()),
            other => cleaned.push(other),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_by_their_text() {
        assert_eq!(clean(Path::new("/a/./b/../c//d/")), Path::new("/a/c/d"));
        assert_eq!(clean(Path::new("/../..")), Path::new("/"));
    }

    #[test]
    fn options_in_a_variable_are_separated_by_commas() {
        assert_eq!(split_options(""), Vec::<String>::new());
        assert_eq!(split_options("a=1,,b=2"), ["a=1", "b=2"]);
    }
}
