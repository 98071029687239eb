//! Configuration files:
//!
//! - No content makes the reader panic; an error names the file.
//! - Reading the same files again gives the same result.
//! - Roots are absolute, and driver options are not empty.
//! - A file after an empty one means the same as alone.

use std::io;
use std::path::{Path, PathBuf};

use layerhold_config::{Config, ConfigError, ConfigFiles, Environment, Listed, load};

/// The directory of an input's files.
const PLACE: &str = "/etc/containers/storage.conf.d";

/// A filesystem with drop-ins only.
#[derive(Debug)]
struct DropIns<'a>(Vec<&'a [u8]>);

impl ConfigFiles for DropIns<'_> {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let mut files = (0..).map(file).zip(&self.0);
        let found = files.find(|(name, _)| Path::new(PLACE).join(name) == path);
        Ok(found.map(|(_, bytes)| bytes.to_vec()))
    }

    fn list(&self, directory: &Path) -> io::Result<Option<Vec<Listed>>> {
        let listed = (0..self.0.len()).map(|at| Listed::new(file(at), true));
        Ok((directory == Path::new(PLACE)).then(|| listed.collect()))
    }

    fn resolve(&self, _path: &Path) -> io::Result<PathBuf> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn is_private_directory(&self, _path: &Path, _user: u32) -> bool {
        true
    }

    fn make_private_directory(&self, _path: &Path) {}
}

fn file(at: usize) -> String {
    format!("{at:08}.conf")
}

fn read(parts: &[&[u8]], environment: &Environment) -> Result<Config, String> {
    load(environment, &DropIns(parts.to_vec())).map_err(|error| {
        let is_about_a_file = !matches!(
            error,
            ConfigError::EmptyRoot { .. } | ConfigError::SameRoots { .. }
        );
        let text = error.to_string();
        assert!(!is_about_a_file || text.starts_with(PLACE), "{text}");
        text
    })
}

/// Checks one input: files, separated by NUL.
pub fn run(data: &[u8]) {
    let parts: Vec<&[u8]> = data.split(|byte| *byte == 0).collect();
    for user in [0, 1000] {
        let environment = Environment::new(user).with("HOME", "/home").with("X", "");
        let config = read(&parts, &environment);
        assert_eq!(read(&parts, &environment), config);
        let Ok(config) = config else { continue };
        assert!(config.graph_root.is_absolute() && config.run_root.is_absolute());
        assert!(
            config
                .driver_options
                .iter()
                .all(|option| !option.is_empty())
        );
        assert_eq!(config.sources.len(), parts.len());
        // Options are split at commas, so none contains one.
        assert!(
            config
                .mount_options()
                .iter()
                .all(|option| !option.contains(','))
        );
        for warning in &config.warnings {
            assert!(!warning.to_string().is_empty());
        }
        if let [only] = parts.as_slice() {
            let again = read(&[b"", only], &environment).expect("it was read alone");
            assert_eq!(again.driver_options, config.driver_options);
            assert_eq!(again.graph_root, config.graph_root);
        }
    }
}
