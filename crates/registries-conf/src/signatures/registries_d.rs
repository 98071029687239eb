//! The merged configuration, and what it says about an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use layerhold_reference::Reference;

use crate::signatures::error::{RegistriesDError, YamlProblem};
use crate::signatures::lookaside::{Lookaside, LookasideProblem};
use crate::signatures::scopes::scopes;
use crate::signatures::section::{self, Section};
use crate::warning::Warning;

/// The largest text of a file. Usual ones have a few hundred bytes.
const MAX_FILE: usize = 1024 * 1024;

/// Where signatures are without any configuration, for root.
const SYSTEM: &str = "/var/lib/containers/sigstore";

/// The configuration of signatures: the files of `registries.d`.
///
/// The default is the one of root without any file.
#[derive(Clone, Debug)]
pub struct RegistriesD {
    default: Option<Origin>,
    docker: BTreeMap<String, Origin>,
    pub(super) directory: Option<PathBuf>,
    warnings: Vec<Warning>,
}

/// A section, and the file that it is in.
#[derive(Clone, Debug)]
struct Origin {
    section: Section,
    path: PathBuf,
}

/// Why signatures of an image have no usable place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookasideError {
    /// The URL in a file is no place of signatures.
    #[error("cannot use the place of signatures that {} has for {scope}", path.display())]
    Url {
        /// The scope of the section; `default-docker` for that one.
        scope: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with the URL.
        source: LookasideProblem,
    },
    /// Signatures are to be written, and their place is a server.
    #[error("cannot write signatures to {url}: set lookaside-staging to a file:// URL in {}", path.display())]
    ReadOnly {
        /// The URL, without user and password.
        url: String,
        /// The file with the section.
        path: PathBuf,
    },
}

impl Default for RegistriesD {
    fn default() -> Self {
        RegistriesD {
            default: None,
            docker: BTreeMap::new(),
            directory: Some(PathBuf::from(SYSTEM)),
            warnings: Vec::new(),
        }
    }
}

impl RegistriesD {
    /// Adds the text of a file (Go: `loadAndMergeConfig`). The path is for messages and origins.
    ///
    /// # Errors
    ///
    /// The text is not YAML, a value is not allowed, or another file has a section for the same
    /// scope. Nothing is changed then.
    pub fn add(
        &mut self,
        path: impl Into<PathBuf>,
        text: impl AsRef<[u8]>,
    ) -> Result<(), RegistriesDError> {
        let path = path.into();
        let file = match decoded(text.as_ref()) {
            Err(error) => return Err(error(path)),
            Ok(text) => section::file(text).map_err(|at| RegistriesDError::Invalid {
                path: path.clone(),
                line: at.line,
                problem: at.problem,
            })?,
        };
        self.refuse_second(&file, &path)?;
        let origin = |section| Origin {
            section,
            path: path.clone(),
        };
        self.default = file.default.map(origin).or(self.default.take());
        let docker = file.docker.into_iter();
        self.docker
            .extend(docker.map(|(scope, section)| (scope, origin(section))));
        let unknown = file.unknown.into_iter();
        self.warnings
            .extend(unknown.map(|(line, key)| Warning::UnknownKey {
                path: path.clone(),
                line,
                key,
            }));
        Ok(())
    }

    fn refuse_second(&self, file: &section::File, second: &Path) -> Result<(), RegistriesDError> {
        let twice = |scope, first: &Origin| {
            Err(RegistriesDError::Twice {
                scope,
                first: first.path.clone(),
                second: second.to_owned(),
            })
        };
        if let (Some(first), Some(_)) = (&self.default, &file.default) {
            return twice(None, first);
        }
        for scope in file.docker.keys() {
            if let Some(first) = self.docker.get(scope) {
                return twice(Some(scope.clone()), first);
            }
        }
        Ok(())
    }

    /// Sets where signatures are that no file has a place for. `None` is nowhere.
    #[must_use]
    pub fn with_default_directory(mut self, directory: Option<PathBuf>) -> Self {
        self.directory = directory;
        self
    }

    /// Returns where the signatures of an image are read: `lookaside` of the most precise scope
    /// that has it, or the default directory. `None` for a user without home, whose directory is
    /// not known.
    ///
    /// A scope that only has other settings does not hide less precise ones (Go:
    /// `signatureTopLevel`; its manual says otherwise).
    ///
    /// # Errors
    ///
    /// The URL in the file is none, or has another scheme than `https`, `http` or `file`.
    pub fn read_from(&self, image: &Reference) -> Result<Option<Lookaside>, LookasideError> {
        let place = self.place(image, Section::read)?;
        Ok(place.map(|(place, _)| place))
    }

    /// Returns where signatures of an image are written: `lookaside-staging` or `lookaside` of the
    /// most precise scope that has one of them, or the default directory.
    ///
    /// # Errors
    ///
    /// The URL in the file is none, or not one of files.
    pub fn write_to(&self, image: &Reference) -> Result<Option<PathBuf>, LookasideError> {
        match self.place(image, Section::write)? {
            None => Ok(None),
            Some((Lookaside::Path(path), _)) => Ok(Some(path)),
            Some((Lookaside::Url(url), path)) => {
                let (url, path) = (url.to_string(), path.to_owned());
                Err(LookasideError::ReadOnly { url, path })
            }
        }
    }

    /// Returns whether signatures in the registry itself, in sigstore's form, are read and written
    /// with an image: `use-sigstore-attachments` of the most precise scope that has it.
    #[must_use]
    pub fn uses_attachments(&self, image: &Reference) -> bool {
        let mut sections = self.sections(image);
        let setting = sections.find_map(|(_, origin)| origin.section.use_sigstore_attachments);
        setting.unwrap_or(false)
    }

    /// Returns likely mistakes in the files.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The place of an image's repository, and the file that says it.
    fn place(
        &self,
        image: &Reference,
        setting: fn(&Section) -> Option<&str>,
    ) -> Result<Option<(Lookaside, &Path)>, LookasideError> {
        let mut sections = self.sections(image);
        let found = sections.find_map(|(scope, origin)| {
            let url = setting(&origin.section)?;
            Some((scope, origin.path.as_path(), url))
        });
        let (place, path) = match found {
            Some((scope, path, url)) => {
                let place = Lookaside::parse(url).map_err(|source| LookasideError::Url {
                    scope,
                    path: path.to_owned(),
                    source,
                })?;
                (place, path)
            }
            None => match &self.directory {
                Some(directory) => (Lookaside::Path(directory.clone()), directory.as_path()),
                None => return Ok(None),
            },
        };
        Ok(Some((place.repository(image.repository()), path)))
    }

    /// The sections about an image with their scopes, the most precise first.
    fn sections(&self, image: &Reference) -> impl Iterator<Item = (String, &Origin)> {
        let scopes = scopes(image).into_iter();
        let docker = scopes.filter_map(|scope| {
            let origin = self.docker.get(&scope)?;
            Some((scope, origin))
        });
        let default = self.default.iter();
        docker.chain(default.map(|origin| ("default-docker".to_owned(), origin)))
    }
}

/// The text of a file, or what makes an error of its path.
fn decoded(bytes: &[u8]) -> Result<&str, impl FnOnce(PathBuf) -> RegistriesDError> {
    let is_too_large = bytes.len() > MAX_FILE;
    let text = std::str::from_utf8(bytes);
    let valid = text.map_or_else(|error| error.valid_up_to(), str::len);
    match text {
        Ok(text) if !is_too_large => Ok(text),
        _ => Err(move |path| match is_too_large {
            true => RegistriesDError::TooLarge { path },
            false => {
                let before = bytes.get(..valid).unwrap_or_default();
                RegistriesDError::Invalid {
                    path,
                    line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
                    problem: YamlProblem::Encoding,
                }
            }
        }),
    }
}
