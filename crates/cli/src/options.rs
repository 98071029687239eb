//! Which store to open: by flags, or else by environment and `storage.conf`.

use std::path::PathBuf;

use layerhold::{OpenError, Persistence, Shifting, StoreOptions};
use layerhold_config::{Config, Warning};

use crate::environment::Environment;
use crate::failure::Failure;

/// The flags that say which store to open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) graph_root: Option<String>,
    pub(crate) run_root: Option<String>,
    pub(crate) image_store: Option<String>,
    pub(crate) driver: Option<String>,
    pub(crate) driver_options: Vec<String>,
    pub(crate) transient: Option<bool>,
}

impl Given {
    /// Whether these flags replace the configuration.
    pub(crate) fn replaces_configuration(&self) -> bool {
        self.graph_root.is_some()
            || self.run_root.is_some()
            || self.driver.is_some()
            || !self.driver_options.is_empty()
    }
}

/// How to open a store, and warnings about the configuration.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) options: StoreOptions,
    pub(crate) warnings: Vec<Warning>,
}

/// Determines how to open the store, as the Go tool does (`cmd/containers-storage/main.go`,
/// `GetStore` in `store.go`): flags before the command word that name a store, a driver or its
/// options replace the whole configuration, except for a root that they leave out; flags after it
/// override single settings.
pub(crate) fn opening(
    before: &Given,
    all: &Given,
    environment: &Environment,
) -> Result<Opening, Failure> {
    if before.replaces_configuration() {
        return by_flags(all, environment);
    }
    let config = environment.configuration()?;
    Ok(by_configuration(config, all, environment))
}

fn by_flags(given: &Given, environment: &Environment) -> Result<Opening, Failure> {
    let mut warnings = Vec::new();
    let absolute = |path: &String| environment.absolute(path);
    let (graph, run) = (
        given.graph_root.as_ref().map(absolute),
        given.run_root.as_ref().map(absolute),
    );
    let (graph, run) = match (graph, run) {
        (Some(graph), Some(run)) => (graph, run),
        (None, None) => return Err(OpenError::IncompleteOptions.into()),
        (graph, run) => {
            let config = environment.configuration()?;
            warnings = config.warnings;
            (
                graph.unwrap_or(config.graph_root),
                run.unwrap_or(config.run_root),
            )
        }
    };
    let mut options = StoreOptions::new(graph, run);
    override_by(&mut options, given, environment);
    Ok(Opening { options, warnings })
}

/// Turns the configuration into options, with what flags override.
pub(crate) fn by_configuration(
    config: Config,
    given: &Given,
    environment: &Environment,
) -> Opening {
    let warnings = config.warnings.clone();
    let mut options = StoreOptions::from(config);
    override_by(&mut options, given, environment);
    Opening { options, warnings }
}

fn override_by(options: &mut StoreOptions, given: &Given, environment: &Environment) {
    let path = |text: &Option<String>| text.as_ref().map(|text| environment.absolute(text));
    let set = |target: &mut PathBuf, text| {
        if let Some(path) = path(text) {
            *target = path;
        }
    };
    set(&mut options.graph_root, &given.graph_root);
    set(&mut options.run_root, &given.run_root);
    if given.image_store.is_some() {
        options.image_store = path(&given.image_store);
    }
    if given.driver.is_some() {
        options.driver.clone_from(&given.driver);
    }
    options
        .driver_options
        .extend(given.driver_options.iter().cloned());
    match given.transient {
        Some(true) => options.persistence = Persistence::Transient,
        Some(false) => options.persistence = Persistence::Durable,
        None => {}
    }
    options.privilege = environment.privilege;
    if environment.forbids_shifting() {
        options.shifting = Shifting::Disabled;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use layerhold::{AutoUserNsPolicy, Privilege, VolatileMounts};

    use super::*;

    fn environment(conf: &str) -> (tempfile::TempDir, Environment) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("storage.conf");
        #[expect(clippy::disallowed_methods, reason = "a fixture")]
        std::fs::write(&path, conf).unwrap();
        let name = "CONTAINERS_STORAGE_CONF".into();
        let environment = Environment {
            variables: [(name, path.into())].into(),
            directory: PathBuf::from("/here"),
            ..Environment::default()
        };
        (dir, environment)
    }

    const CONF: &str = "[storage]\ndriver = 'vfs'\ngraphroot = '/g'\nrunroot = '/r'\nimagestore = '/i'\n\
                        driver_priority = ['p']\ntransient_store = true\n\
                        [storage.options]\nadditionalimagestores = ['/a']\ndisable-volatile = true\n\
                        pull_options = {enable_partial_images = 'true'}\n";

    fn given(graph: Option<&str>, options: &[&str]) -> Given {
        Given {
            graph_root: graph.map(str::to_owned),
            driver_options: options.iter().map(|o| (*o).to_owned()).collect(),
            ..Given::default()
        }
    }

    #[test]
    fn without_flags_the_configuration_counts() {
        let (_dir, environment) = environment(CONF);
        let none = Given::default();
        let options = opening(&none, &none, &environment).unwrap().options;
        assert_eq!(options.graph_root, Path::new("/g"));
        assert_eq!(options.run_root, Path::new("/r"));
        assert_eq!(options.image_store.as_deref(), Some(Path::new("/i")));
        assert_eq!(options.driver.as_deref(), Some("vfs"));
        assert_eq!(options.driver_priority, ["p"]);
        assert_eq!(options.driver_options, ["imagestore=/a"]);
        assert_eq!(options.persistence, Persistence::Transient);
        assert_eq!(options.volatile_mounts, VolatileMounts::Disabled);
        let pull: Vec<_> = options.pull_options.into_iter().collect();
        let wanted = ("enable_partial_images".to_owned(), "true".to_owned());
        assert_eq!(pull, [wanted]);
    }

    #[test]
    fn user_namespaces_are_as_configured() {
        let conf = format!("{CONF}root-auto-userns-user = 'me'\nauto-userns-max-size = 4096\n");
        let none = Given::default();
        let of = |conf: &str| {
            let (_dir, environment) = environment(conf);
            opening(&none, &none, &environment)
                .unwrap()
                .options
                .auto_userns
        };
        let policy = of(&conf);
        assert_eq!(policy.user, "me");
        assert_eq!((policy.min_size, policy.max_size), (1024, 4096));
        assert_eq!(of(CONF), AutoUserNsPolicy::default());
    }

    #[test]
    fn flags_before_the_command_replace_the_configuration() {
        let (_dir, environment) = environment(CONF);
        let flags = given(Some("x"), &["a=1"]);
        let options = opening(&flags, &flags, &environment).unwrap().options;
        assert_eq!(options.graph_root, Path::new("/here/x"));
        // What they leave open.
        assert_eq!(options.run_root, Path::new("/r"));
        assert_eq!((options.image_store, options.driver), (None, None));
        assert_eq!(options.driver_options, ["a=1"]);
        assert_eq!(options.persistence, Persistence::Durable);
        assert!(options.pull_options.is_empty());
        assert_eq!(options.volatile_mounts, VolatileMounts::Allowed);
    }

    #[test]
    fn the_environment_may_forbid_shifting_and_limits_what_the_process_does() {
        let (_dir, mut environment) = environment(CONF);
        let none = Given::default();
        let options = opening(&none, &none, &environment).unwrap().options;
        assert_eq!(options.shifting, Shifting::Allowed);
        assert_eq!(options.privilege, Privilege::Full);
        let name = "_CONTAINERS_OVERLAY_DISABLE_IDMAP".into();
        environment.variables.insert(name, "yes".into());
        environment.privilege = Privilege::UserNamespace;
        let options = opening(&none, &none, &environment).unwrap().options;
        assert_eq!(options.shifting, Shifting::Disabled);
        assert_eq!(options.privilege, Privilege::UserNamespace);
    }

    #[test]
    fn flags_behind_the_command_override_single_settings() {
        let (_dir, environment) = environment(CONF);
        let flags = given(Some("x"), &["a=1"]);
        let opening = opening(&Given::default(), &flags, &environment).unwrap();
        assert_eq!(opening.options.graph_root, Path::new("/here/x"));
        assert_eq!(opening.options.driver.as_deref(), Some("vfs"));
        assert_eq!(opening.options.driver_options, ["imagestore=/a", "a=1"]);
    }

    #[test]
    fn both_roots_given_need_no_configuration() {
        let (_dir, environment) = environment("broken");
        let mut flags = given(Some("/x"), &[]);
        assert!(opening(&flags, &flags, &environment).is_err());
        flags.run_root = Some("/y".to_owned());
        assert!(opening(&flags, &flags, &environment).is_ok());
        let driver = Given {
            driver: Some("vfs".to_owned()),
            ..Given::default()
        };
        let error = opening(&driver, &driver, &environment).unwrap_err();
        let Failure::Store(error) = error else {
            panic!("{error:?}");
        };
        let words = error.kind().map(|kind| kind.text());
        assert_eq!(words, Some("missing necessary StoreOptions"));
    }
}
