//! The name of an image.

use std::fmt;
use std::str::FromStr;

use layerhold_ids::Digest;

use crate::error::ReferenceError;
use crate::grammar::{MAX_NAME, is_id, is_registry, is_repository, is_tag};

/// The registry of names without one.
const DEFAULT_REGISTRY: &str = "docker.io";
/// An old name of the same registry.
const OLD_DEFAULT_REGISTRY: &str = "index.docker.io";
/// The folder of images that have no other folder there.
const OFFICIAL: &str = "library";
/// The registry of images that were made on this machine.
const LOCAL: &str = "localhost";
const DEFAULT_TAG: &str = "latest";

/// The complete name of an image: a registry and a repository, and a tag, a digest, both or
/// neither.
///
/// It is printed as it is stored: `REGISTRY/REPOSITORY[:TAG][@DIGEST]`. Parsing what was printed
/// gives the same reference.
///
/// Rules and limits are those of docker/reference (Go: `image/docker/reference`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses a name as [`FromStr`] does, except that a name without a registry belongs to this
    /// machine (`localhost`), and that a name without tag and digest gets the tag `latest`. podman
    /// names images so that it builds, tags or loads.
    ///
    /// # Errors
    ///
    /// The text does not follow the grammar of image names.
    ///
    /// ```
    /// use layerhold_reference::Reference;
    ///
    /// assert_eq!(Reference::local("app")?.to_string(), "localhost/app:latest");
    /// assert_eq!(Reference::local("a/b:1")?.to_string(), "localhost/a/b:1");
    /// assert_eq!(Reference::local("quay.io/a/b")?.to_string(), "quay.io/a/b:latest");
    /// # Ok::<(), layerhold_reference::ReferenceError>(())
    /// ```
    pub fn local(text: &str) -> Result<Self, ReferenceError> {
        let reference = match registry_of(text) {
            Some(_) => parse(text, text),
            None => parse(&format!("{LOCAL}/{text}"), text),
        };
        reference.map(Self::or_latest)
    }

    /// Returns the registry: a host, with a port if the name has one.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the repository in the registry: its folders and its name.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns registry and repository, without tag and digest.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Returns the [`name`](Self::name) and all that it is in: its folders, and last the registry.
    /// They are scopes of policies and of places for signatures (Go:
    /// `DockerReferenceNamespaces` in `docker/policyconfiguration`).
    ///
    /// ```
    /// # use layerhold_reference::Reference;
    /// let image: Reference = "quay.io/team/app:1".parse()?;
    /// assert_eq!(image.namespaces(), ["quay.io/team/app", "quay.io/team", "quay.io"]);
    /// # Ok::<(), layerhold_reference::ReferenceError>(())
    /// ```
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let name = self.name();
        let all = std::iter::successors(Some(name.as_str()), |name| Some(name.rsplit_once('/')?.0));
        all.map(str::to_owned).collect()
    }

    /// Returns `*.b.c` and `*.c` for the registry `a.b.c`, without its port: the last scopes of
    /// such an image.
    #[must_use]
    pub fn domain_wildcards(&self) -> Vec<String> {
        let host = self.registry().split(':').next().unwrap_or_default();
        let domains = std::iter::successors(Some(host), |host| Some(host.split_once('.')?.1));
        let above = domains.skip(1);
        above.map(|domain| format!("*.{domain}")).collect()
    }

    /// Gives a name without tag and digest the tag `latest`.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// Replaces the tag.
    ///
    /// # Errors
    ///
    /// The text is not a tag.
    pub fn with_tag(mut self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::new(tag, BAD_TAG));
        }
        self.tag = Some(tag.to_owned());
        Ok(self)
    }

    /// Replaces the digest.
    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Drops the tag.
    #[must_use]
    pub fn without_tag(mut self) -> Self {
        self.tag = None;
        self
    }

    /// Drops the digest.
    #[must_use]
    pub fn without_digest(mut self) -> Self {
        self.digest = None;
        self
    }

    /// Returns the shortest text that is parsed to this name, as docker shows it: without
    /// `docker.io` and `library`.
    ///
    /// ```
    /// use layerhold_reference::Reference;
    ///
    /// let image: Reference = "docker.io/library/busybox:1".parse()?;
    /// assert_eq!(image.familiar(), "busybox:1");
    /// # Ok::<(), layerhold_reference::ReferenceError>(())
    /// ```
    #[must_use]
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let in_default = full.strip_prefix("docker.io/");
        let official = in_default.and_then(|rest| rest.strip_prefix("library/"));
        let shortest = official.or(in_default).unwrap_or(&full);
        // A folder, or a name that looks like a registry or an ID, has to stay.
        match shortest.parse::<Self>() {
            Ok(same) if same == *self => shortest.to_owned(),
            _ => match in_default.map(str::parse::<Self>) {
                Some(Ok(same)) if same == *self => in_default.unwrap_or(&full).to_owned(),
                _ => full,
            },
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text, text)
    }
}

const BAD_TAG: &str = "a tag has up to 128 letters, digits, \"_\", \".\" and \"-\", and does not begin with the last two";

/// Parses a name. Errors show it as `given`.
fn parse(text: &str, given: &str) -> Result<Reference, ReferenceError> {
    let bad = |reason| Err(ReferenceError::new(given, reason));
    if is_id(given) {
        return bad("it is the ID of an image");
    }
    let (registry, rest) = match registry_of(text) {
        Some(OLD_DEFAULT_REGISTRY) => (DEFAULT_REGISTRY, after_slash(text)),
        Some(registry) => (registry, after_slash(text)),
        None => (DEFAULT_REGISTRY, text),
    };
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (rest, None),
    };
    // A repository has no colon, so the first one begins the tag.
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (rest, None),
    };
    if repository.is_empty() {
        return bad("it has no repository");
    }
    if !is_registry(registry) {
        return bad("its registry is not a host name, with a port if needed");
    }
    if !is_repository(repository) {
        return bad(
            "a repository has lowercase letters, digits, and single separators between them",
        );
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return bad(BAD_TAG);
    }
    let Ok(digest) = digest.map(str::parse::<Digest>).transpose() else {
        return bad("its digest is malformed");
    };
    let repository = match registry == DEFAULT_REGISTRY && !repository.contains('/') {
        true => format!("{OFFICIAL}/{repository}"),
        false => repository.to_owned(),
    };
    if registry.len() + 1 + repository.len() > MAX_NAME {
        return bad("it is longer than 255 characters");
    }
    Ok(Reference {
        registry: registry.to_owned(),
        repository,
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// The first component of a text, if it can only be a registry.
pub(crate) fn registry_of(text: &str) -> Option<&str> {
    let (first, _) = text.split_once('/')?;
    (first.contains(['.', ':']) || first == LOCAL).then_some(first)
}

fn after_slash(text: &str) -> &str {
    text.split_once('/').map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn full(text: &str) -> Result<String, &'static str> {
        text.parse::<Reference>()
            .map(|reference| reference.to_string())
            .map_err(|error| error.reason)
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        for (text, wanted) in [
            ("busybox", "docker.io/library/busybox"),
            ("busybox:1", "docker.io/library/busybox:1"),
            ("a/b", "docker.io/a/b"),
            ("localhost/x", "localhost/x"),
            ("localhost:5000/x:y", "localhost:5000/x:y"),
            ("quay.io/a/b/c:v1.0-rc_1", "quay.io/a/b/c:v1.0-rc_1"),
            ("index.docker.io/x", "docker.io/library/x"),
            ("docker.io/x", "docker.io/library/x"),
            ("docker.io/a/x", "docker.io/a/x"),
            ("a__b/c--d.e", "docker.io/a__b/c--d.e"),
            ("A.b:1/c", "A.b:1/c"),
            ("a.b", "docker.io/library/a.b"),
        ] {
            assert_eq!(full(text).as_deref(), Ok(wanted), "{text}");
        }
        for name in ["x", "x:1"] {
            let text = format!("{name}@{DIGEST}");
            assert_eq!(full(&text), Ok(format!("docker.io/library/{text}")));
        }
    }

    #[test]
    fn malformed_names_say_what_is_wrong() {
        let id = "a".repeat(64);
        let long = "a".repeat(238);
        for (text, reason) in [
            ("", "it has no repository"),
            (":tag", "it has no repository"),
            ("quay.io/", "it has no repository"),
            ("@", "it has no repository"),
            ("A", "a repository has"),
            ("Host/x", "a repository has"),
            ("a//b", "a repository has"),
            ("/x", "a repository has"),
            ("x/", "a repository has"),
            ("../x", "its registry"),
            ("a_b.c/x", "its registry"),
            ("[::1]/x", "its registry"),
            ("x:", "a tag has"),
            ("x:.y", "a tag has"),
            ("x:1:2", "a tag has"),
            ("x@sha256:0", "its digest"),
            ("x@", "its digest"),
            ("exa mple", "a repository has"),
            (&id, "it is the ID"),
            (&long, "it is longer"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.reason.starts_with(reason), "{text}: {error}");
            assert_eq!(error.text, text);
        }
        assert!("a".repeat(237).parse::<Reference>().is_ok());
    }

    #[test]
    fn local_names_belong_to_this_machine() {
        for (text, wanted) in [
            ("1.0", "localhost/1.0:latest"),
            ("a/b:2", "localhost/a/b:2"),
            ("quay.io/a/b", "quay.io/a/b:latest"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
        ] {
            assert_eq!(Reference::local(text).unwrap().to_string(), wanted);
        }
        let error = Reference::local("A").unwrap_err();
        assert_eq!(error.text, "A");
        let digested = Reference::local(&format!("x@{DIGEST}")).unwrap();
        assert_eq!((digested.tag(), digested.digest().is_some()), (None, true));
    }

    #[test]
    fn parts_are_replaced() {
        let image: Reference = "quay.io/a/b:1".parse().unwrap();
        assert_eq!(image.name(), "quay.io/a/b");
        let digest: Digest = DIGEST.parse().unwrap();
        let both = image.clone().with_digest(digest).with_tag("2").unwrap();
        assert_eq!(both.to_string(), format!("quay.io/a/b:2@{DIGEST}"));
        assert_eq!(
            both.without_digest().without_tag().to_string(),
            "quay.io/a/b"
        );
        let error = image.with_tag("-").unwrap_err();
        assert_eq!((&*error.text, error.reason), ("-", BAD_TAG));
    }

    #[test]
    fn a_name_is_in_its_folders_and_its_registry_in_its_domains() {
        for (text, namespaces, wildcards) in [
            (
                "a.b.io:443/f/app:1",
                "a.b.io:443/f/app a.b.io:443/f a.b.io:443",
                "*.b.io *.io",
            ),
            (
                "busybox",
                "docker.io/library/busybox docker.io/library docker.io",
                "*.io",
            ),
            ("localhost:5000/x", "localhost:5000/x localhost:5000", ""),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.namespaces().join(" "), namespaces);
            assert_eq!(reference.domain_wildcards().join(" "), wildcards);
        }
    }

    #[test]
    fn familiar_names_are_short_but_never_ambiguous() {
        for (text, wanted) in [
            ("docker.io/library/x:1", "x:1"),
            ("docker.io/a/x", "a/x"),
            ("docker.io/library/a/x", "library/a/x"),
            ("quay.io/library/x", "quay.io/library/x"),
            ("localhost/x", "localhost/x"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.familiar(), wanted);
        }
        let id = format!("docker.io/library/{}", "a".repeat(64));
        let reference: Reference = id.parse().unwrap();
        assert_eq!(reference.familiar(), format!("library/{}", "a".repeat(64)));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_to_the_same(text in "[a-zA-Z0-9./:@_-]{0,40}|\\PC{0,12}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
                prop_assert_eq!(reference.familiar().parse(), Ok(reference));
            }
        }

        #[test]
        fn names_of_all_shapes(
            registry in "([a-c]{1,2}\\.[a-c]|localhost)(:[0-9]{1,2})?/",
            repository in "[a-c](/[a-c]|[._-][a-c]){0,3}",
            tag in "(:[a-c0-9._-]{1,3})?",
        ) {
            let text = format!("{registry}{repository}{tag}");
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string(), text);
            }
        }
    }
}
