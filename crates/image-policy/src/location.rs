//! What policies know images by (Go: `PolicyConfigurationIdentity` and
//! `PolicyConfigurationNamespaces` of the transports).

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use layerhold_reference::Reference;

/// Where an image comes from, as policies name it: a transport, and the scopes that the image is
/// in, the narrowest first.
///
/// The location is that of the user's wish, not that of the mirror that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLocation {
    transport: Cow<'static, str>,
    scopes: Vec<String>,
    reference: Option<Reference>,
    text: String,
}

/// A name that is not the name of one image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// The name has neither tag nor digest.
    #[error("{reference} has neither tag nor digest: add one, such as `:latest`")]
    NameOnly {
        /// The name.
        reference: Reference,
    },
    /// The name has a tag and a digest.
    #[error("{reference} has a tag and a digest: leave out the tag")]
    TagAndDigest {
        /// The name.
        reference: Reference,
    },
    /// A path is relative, or is not in its shortest form.
    #[error("{path:?} is not an absolute path without `.`, `..` and empty names")]
    Path {
        /// The path.
        path: std::path::PathBuf,
    },
}

impl ImageLocation {
    /// An image in a registry.
    ///
    /// # Errors
    ///
    /// The name has neither tag nor digest, or both.
    pub fn docker(reference: &Reference) -> Result<Self, LocationError> {
        let text = format!("docker://{reference}");
        Self::named("docker", reference, text)
    }

    /// An image that a docker daemon has under a name. For an image that is given by its ID, use
    /// [`docker_daemon_id`](Self::docker_daemon_id).
    ///
    /// # Errors
    ///
    /// The name has neither tag nor digest, or both.
    pub fn docker_daemon(reference: &Reference) -> Result<Self, LocationError> {
        let text = format!("docker-daemon:{reference}");
        Self::named("docker-daemon", reference, text)
    }

    /// An image that a docker daemon has under an ID.
    #[must_use]
    pub fn docker_daemon_id(id: &str) -> Self {
        Self::without_scopes("docker-daemon", format!("docker-daemon:{id}"), None)
    }

    /// An image in an Atomic Registry.
    ///
    /// # Errors
    ///
    /// The name has neither tag nor digest, or both.
    pub fn atomic(reference: &Reference) -> Result<Self, LocationError> {
        let text = format!("atomic:{reference}");
        Self::named("atomic", reference, text)
    }

    /// An image in an archive of `docker save`, with its name there.
    #[must_use]
    pub fn docker_archive(path: &Path, reference: Option<&Reference>) -> Self {
        let text = format!("docker-archive:{}", path.display());
        Self::without_scopes("docker-archive", text, reference)
    }

    /// An image that is made of tar files.
    #[must_use]
    pub fn tarball(path: &Path) -> Self {
        Self::without_scopes("tarball", format!("tarball:{}", path.display()), None)
    }

    /// An image in a directory of the transport `dir`. The path is absolute and without links.
    ///
    /// # Errors
    ///
    /// The path is not absolute, or not in its shortest form.
    pub fn dir(path: &Path) -> Result<Self, LocationError> {
        Self::at_path("dir", path)
    }

    /// An image in an OCI layout. The path is absolute and without links.
    ///
    /// # Errors
    ///
    /// The path is not absolute, or not in its shortest form.
    pub fn oci(path: &Path) -> Result<Self, LocationError> {
        Self::at_path("oci", path)
    }

    /// An image in an archive of an OCI layout. The path is absolute and without links.
    ///
    /// # Errors
    ///
    /// The path is not absolute, or not in its shortest form.
    pub fn oci_archive(path: &Path) -> Result<Self, LocationError> {
        Self::at_path("oci-archive", path)
    }

    /// An image in a SIF file. The path is absolute and without links.
    ///
    /// # Errors
    ///
    /// The path is not absolute, or not in its shortest form.
    pub fn sif(path: &Path) -> Result<Self, LocationError> {
        Self::at_path("sif", path)
    }

    /// An image in a store: the name of its graph driver, its graph root, and the name or the ID
    /// that the image was asked for by, or both.
    #[must_use]
    pub fn containers_storage(
        driver: &str,
        graph_root: &Path,
        reference: Option<&Reference>,
        id: Option<&str>,
    ) -> Self {
        let root = graph_root.display();
        let store = format!("[{driver}@{root}]");
        let whole = reference.map(Reference::to_string).unwrap_or_default();
        let identity = match id {
            Some(id) => format!("{store}{whole}@{id}"),
            None => format!("{store}{whole}"),
        };
        let mut scopes = vec![identity.clone()];
        if let Some(reference) = reference {
            scopes.extend(id.map(|_| format!("{store}{whole}")));
            scopes.extend(above(reference).map(|scope| format!("{store}{scope}")));
        }
        scopes.push(store);
        scopes.push(format!("[{root}]"));
        // A scope in a policy is UTF-8, and so matches no path that is not.
        let is_text = graph_root.to_str().is_some();
        ImageLocation {
            transport: "containers-storage".into(),
            scopes: if is_text { scopes } else { Vec::new() },
            reference: reference.cloned(),
            text: format!("containers-storage:{identity}"),
        }
    }

    /// An image of a transport of your own: its name, the scopes that the image is in from the
    /// narrowest on, and the name that signatures have to claim.
    #[must_use]
    pub fn other(
        transport: impl Into<String>,
        scopes: impl IntoIterator<Item = String>,
        reference: Option<&Reference>,
    ) -> Self {
        let transport = transport.into();
        let scopes: Vec<String> = scopes.into_iter().collect();
        let first = scopes.first().map(String::as_str).unwrap_or_default();
        ImageLocation {
            text: format!("{transport}:{first}"),
            transport: transport.into(),
            scopes,
            reference: reference.cloned(),
        }
    }

    /// Returns the name of the transport.
    #[must_use]
    pub fn transport(&self) -> &str {
        &self.transport
    }

    /// Returns the scopes that the image is in, the narrowest first. The scope of the whole
    /// transport, which is empty, is not among them.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// Returns the name of the image, if its transport has such names.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    fn named(
        transport: &'static str,
        reference: &Reference,
        text: String,
    ) -> Result<Self, LocationError> {
        let owned = || reference.clone();
        match (reference.tag(), reference.digest()) {
            (None, None) => return Err(LocationError::NameOnly { reference: owned() }),
            (Some(_), Some(_)) => return Err(LocationError::TagAndDigest { reference: owned() }),
            _ => {}
        }
        let mut scopes = vec![reference.to_string()];
        scopes.extend(reference.namespaces());
        scopes.extend(reference.domain_wildcards());
        Ok(ImageLocation {
            transport: transport.into(),
            scopes,
            reference: Some(owned()),
            text,
        })
    }

    fn at_path(transport: &'static str, path: &Path) -> Result<Self, LocationError> {
        let bytes = path.as_os_str().as_encoded_bytes();
        if !is_canonical(bytes) {
            let path = path.to_owned();
            return Err(LocationError::Path { path });
        }
        let scopes = path.ancestors().filter_map(Path::to_str);
        Ok(ImageLocation {
            transport: transport.into(),
            scopes: scopes
                .filter(|scope| *scope != "/")
                .map(str::to_owned)
                .collect(),
            reference: None,
            text: format!("{transport}:{}", path.display()),
        })
    }

    fn without_scopes(
        transport: &'static str,
        text: String,
        reference: Option<&Reference>,
    ) -> Self {
        ImageLocation {
            transport: transport.into(),
            scopes: Vec::new(),
            reference: reference.cloned(),
            text,
        }
    }
}

/// The location as podman writes it, such as `docker://quay.io/a/b:1`. For messages only.
impl fmt::Display for ImageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Whether an absolute path is in its shortest form, as Go's `filepath.Clean` gives it.
pub(crate) fn is_canonical(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/") else {
        return false;
    };
    rest.is_empty()
        || rest
            .split(|byte| *byte == b'/')
            .all(|name| !matches!(name, b"" | b"." | b".."))
}

/// The scopes above a name in a store.
fn above(reference: &Reference) -> impl Iterator<Item = String> {
    let tagged = reference
        .tag()
        .filter(|_| reference.digest().is_some())
        .map(|tag| format!("{}:{tag}", reference.name()));
    tagged.into_iter().chain(reference.namespaces())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(location: &ImageLocation) -> Vec<&str> {
        location.scopes().collect()
    }

    #[test]
    fn names_in_registries() {
        let image = "host.example.com:80/ns/repo:1".parse().unwrap();
        let wanted = [
            "host.example.com:80/ns/repo:1",
            "host.example.com:80/ns/repo",
            "host.example.com:80/ns",
            "host.example.com:80",
            "*.example.com",
            "*.com",
        ];
        for location in [
            ImageLocation::docker(&image),
            ImageLocation::atomic(&image),
            ImageLocation::docker_daemon(&image),
        ] {
            assert_eq!(scopes(&location.unwrap()), wanted);
        }
        let local = ImageLocation::docker(&"localhost/a:1".parse().unwrap()).unwrap();
        assert_eq!(
            scopes(&local),
            ["localhost/a:1", "localhost/a", "localhost"]
        );
        assert_eq!(local.to_string(), "docker://localhost/a:1");
        assert_eq!(local.transport(), "docker");
    }

    #[test]
    fn names_need_either_tag_or_digest() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let name: Reference = "a".parse().unwrap();
        let both: Reference = format!("a:1@{digest}").parse().unwrap();
        assert_eq!(
            ImageLocation::docker(&name),
            Err(LocationError::NameOnly { reference: name })
        );
        assert_eq!(
            ImageLocation::docker(&both),
            Err(LocationError::TagAndDigest { reference: both })
        );
        let digested = format!("a@{digest}").parse().unwrap();
        let location = ImageLocation::docker(&digested).unwrap();
        assert_eq!(
            scopes(&location)[..2],
            [
                format!("docker.io/library/a@{digest}").as_str(),
                "docker.io/library/a"
            ]
        );
    }

    #[test]
    fn paths() {
        let location = ImageLocation::oci(Path::new("/a/b/c")).unwrap();
        assert_eq!(scopes(&location), ["/a/b/c", "/a/b", "/a"]);
        let root = ImageLocation::dir(Path::new("/")).unwrap();
        assert_eq!(scopes(&root), [""; 0]);
        for path in ["a", "", "/a/", "//a", "/a/./b", "/a/.."] {
            let path = Path::new(path);
            let error = ImageLocation::sif(path).unwrap_err();
            let path = path.to_owned();
            assert_eq!(error, LocationError::Path { path });
        }
    }

    #[test]
    fn paths_that_are_no_text_are_in_the_scopes_above() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/a/\xff/b"));
        let location = ImageLocation::oci_archive(path).unwrap();
        assert_eq!(scopes(&location), ["/a"]);
    }

    #[test]
    fn images_in_a_store() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let image = format!("busybox:1@{digest}").parse().unwrap();
        let root = Path::new("/g");
        let location = ImageLocation::containers_storage("vfs", root, Some(&image), Some("id"));
        assert_eq!(
            scopes(&location),
            [
                &format!("[vfs@/g]docker.io/library/busybox:1@{digest}@id"),
                &format!("[vfs@/g]docker.io/library/busybox:1@{digest}"),
                "[vfs@/g]docker.io/library/busybox:1",
                "[vfs@/g]docker.io/library/busybox",
                "[vfs@/g]docker.io/library",
                "[vfs@/g]docker.io",
                "[vfs@/g]",
                "[/g]",
            ]
        );
        let by_id = ImageLocation::containers_storage("vfs", root, None, Some("id"));
        assert_eq!(scopes(&by_id), ["[vfs@/g]@id", "[vfs@/g]", "[/g]"]);
        assert_eq!(by_id.to_string(), "containers-storage:[vfs@/g]@id");
    }

    #[test]
    fn some_transports_have_no_scopes() {
        let image = "a:1".parse().unwrap();
        let archive = ImageLocation::docker_archive(Path::new("a.tar"), Some(&image));
        assert_eq!(scopes(&archive), [""; 0]);
        assert_eq!(archive.reference(), Some(&image));
        assert_eq!(
            scopes(&ImageLocation::docker_daemon_id("sha256:1")),
            [""; 0]
        );
        assert_eq!(scopes(&ImageLocation::tarball(Path::new("a.tar"))), [""; 0]);
        let other = ImageLocation::other("mine", ["a/b".to_owned(), "a".to_owned()], None);
        assert_eq!(scopes(&other), ["a/b", "a"]);
        assert_eq!(other.to_string(), "mine:a/b");
    }
}
