//! Where authentication files are (Go: `getAuthFilePaths`, `getPathToAuth`; `GetDefaultAuthFile` in
//! common's `auth`).

use std::path::PathBuf;

use layerhold_environment::{Environment, HostFiles};

use crate::auth_file::FileFormat;
use crate::error::AuthError;

/// The path of an authentication file, and the rules for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthPath {
    /// The path, absolute.
    pub path: PathBuf,
    /// The rules by which it is read and written.
    pub format: FileFormat,
}

impl AuthPath {
    /// A path of a file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, format: FileFormat) -> Self {
        Self {
            path: path.into(),
            format,
        }
    }
}

/// The file that is changed, and the first that is read: the one that `REGISTRY_AUTH_FILE` names;
/// `config.json` in `DOCKER_CONFIG`; or that of the session.
pub(crate) fn primary(environment: &Environment) -> AuthPath {
    if let Some(named) = named(environment) {
        return named;
    }
    let runtime = environment.path("XDG_RUNTIME_DIR");
    let path = match runtime {
        Some(directory) => directory.join("containers/auth.json"),
        None => format!("/run/containers/{}/auth.json", environment.user).into(),
    };
    AuthPath::new(path, FileFormat::Containers)
}

fn named(environment: &Environment) -> Option<AuthPath> {
    let file = environment.path("REGISTRY_AUTH_FILE");
    let docker = || environment.path("DOCKER_CONFIG");
    file.map(|path| AuthPath::new(path, FileFormat::Containers))
        .or_else(|| {
            docker().map(|path| AuthPath::new(path.join("config.json"), FileFormat::Docker))
        })
}

/// All files that are read, in their order. A file that a variable names is the only one.
pub(crate) fn search_order(environment: &Environment) -> Result<Vec<AuthPath>, AuthError> {
    let mut paths = vec![primary(environment)];
    if named(environment).is_some() {
        return Ok(paths);
    }
    let home = environment.home(&HostFiles)?;
    let home = home.as_deref();
    let configuration = environment.path("XDG_CONFIG_HOME");
    let configuration = configuration.or_else(|| home.map(|home| home.join(".config")));
    let own = configuration.map(|directory| directory.join("containers/auth.json"));
    let in_home = |name: &str| home.map(|home| home.join(name));
    for (path, format) in [
        (own, FileFormat::Containers),
        (in_home(".docker/config.json"), FileFormat::Docker),
        (in_home(".dockercfg"), FileFormat::DockerLegacy),
    ] {
        paths.extend(path.map(|path| AuthPath::new(path, format)));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(environment: &Environment) -> Vec<String> {
        let paths = search_order(environment).unwrap();
        paths
            .iter()
            .map(|path| path.path.display().to_string())
            .collect()
    }

    #[test]
    fn the_order_is_that_of_podman() {
        let root = Environment::new(0).with("HOME", "/root");
        let wanted = [
            "/run/containers/0/auth.json",
            "/root/.config/containers/auth.json",
            "/root/.docker/config.json",
            "/root/.dockercfg",
        ];
        assert_eq!(paths(&root), wanted);
        let user = Environment::new(1000)
            .with("HOME", "/home/u")
            .with("XDG_RUNTIME_DIR", "/run/user/1000")
            .with("XDG_CONFIG_HOME", "conf")
            .with("REGISTRY_AUTH_FILE", "")
            .in_directory("/w");
        let wanted = [
            "/run/user/1000/containers/auth.json",
            "/w/conf/containers/auth.json",
            "/home/u/.docker/config.json",
            "/home/u/.dockercfg",
        ];
        assert_eq!(paths(&user), wanted);
        let formats = search_order(&user).unwrap();
        let formats = formats.iter().map(|path| path.format);
        assert_eq!(
            formats.collect::<Vec<_>>(),
            [
                FileFormat::Containers,
                FileFormat::Containers,
                FileFormat::Docker,
                FileFormat::DockerLegacy
            ]
        );
    }

    #[test]
    fn a_file_that_a_variable_names_is_the_only_one() {
        let docker = Environment::new(0).with("DOCKER_CONFIG", "/d");
        let wanted = AuthPath::new("/d/config.json", FileFormat::Docker);
        assert_eq!(search_order(&docker).unwrap(), [wanted]);
        let named = docker
            .with("REGISTRY_AUTH_FILE", "a.json")
            .in_directory("/w");
        let wanted = AuthPath::new("/w/a.json", FileFormat::Containers);
        assert_eq!(search_order(&named).unwrap(), [wanted]);
    }
}
