//! A home with nothing in it, and the helpers of `tests/helpers`.

use std::fs;
use std::path::{Path, PathBuf};

use layerhold_registry_auth::{CredentialStore, Environment, RegistryKey};
use layerhold_testkit::{TempDir, scratch};

pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    pub(crate) environment: Environment,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let dir = scratch();
        let at = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let helpers = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/helpers");
        let environment = Environment::new(0)
            .with("HOME", at("home"))
            .with("XDG_RUNTIME_DIR", at("run"))
            .with("HELPER_DIR", at("kept"))
            .with("PATH", format!("relative:{helpers}:/usr/bin:/bin"));
        Self { dir, environment }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        read(&self.path(name))
    }

    pub(crate) fn store(&self) -> CredentialStore {
        CredentialStore::new(self.environment.clone())
    }

    /// The user of a key and where it is known, `-` if nowhere.
    pub(crate) fn user(&self, store: &CredentialStore, text: &str) -> String {
        let login = store.get(&key(text)).unwrap();
        login.map_or("-".to_owned(), |login| {
            let place = login.place.to_string();
            let place = place.replace(self.dir.path().to_str().unwrap(), "");
            format!("{} {place}", login.credentials.username())
        })
    }
}

pub(crate) fn key(text: &str) -> RegistryKey {
    text.parse().unwrap()
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
