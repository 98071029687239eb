//! The names that images get in a store.

use layerhold_ids::Digest;

use layerhold_reference::{Reference, ReferenceError};

/// A name that an image cannot have.
#[derive(Debug)]
pub(crate) enum NameError {
    /// It is malformed.
    Name(ReferenceError),
    /// It has the digest of another image.
    NameDigest { name: String, digests: Vec<String> },
}

impl From<ReferenceError> for NameError {
    fn from(error: ReferenceError) -> Self {
        Self::Name(error)
    }
}

/// Completes an image name to the form that stores keep: adds the registry `docker.io`, the folder
/// `library` and the tag `latest` where they are missing.
///
/// # Errors
///
/// The text is not an image name.
///
/// ```
/// let name = layerhold_oci::normalize_name("example/app")?;
/// assert_eq!(name, "docker.io/example/app:latest");
/// # Ok::<(), layerhold_oci::ReferenceError>(())
/// ```
pub fn normalize_name(text: &str) -> Result<String, ReferenceError> {
    let reference: Reference = text.parse()?;
    Ok(reference.or_latest().to_string())
}

/// The names that a text may stand for where an image is looked for, the likeliest first: one of
/// this machine, then one of docker's registry. There are none if the text is not an image name.
///
/// ```
/// let names: Vec<String> = layerhold_oci::names_meant("x").collect();
/// assert_eq!(names, ["localhost/x:latest", "docker.io/library/x:latest"]);
/// ```
pub fn names_meant(text: &str) -> impl Iterator<Item = String> {
    [format!("localhost/{text}"), text.to_owned()]
        .into_iter()
        .filter_map(|text| normalize_name(&text).ok())
}

/// Completes the name of an image on this machine, as podman does when it tags: a name without a
/// registry gets `localhost`, one without a tag `latest`.
///
/// # Errors
///
/// The text is not an image name, or has a digest.
///
/// ```
/// assert_eq!(layerhold_oci::local_name("app")?, "localhost/app:latest");
/// assert_eq!(layerhold_oci::local_name("quay.io/a/b:1")?, "quay.io/a/b:1");
/// # Ok::<(), layerhold_oci::ReferenceError>(())
/// ```
pub fn local_name(text: &str) -> Result<String, ReferenceError> {
    let reference = Reference::local(text)?;
    match reference.digest() {
        None => Ok(reference.to_string()),
        Some(_) => Err(ReferenceError::new(text, "a digest is not a tag")),
    }
}

/// Completes names as podman does: a name without a registry gets `localhost`, also in archives
/// that docker wrote, where it means docker's registry.
///
/// Other tools trust a name with a digest without checking it. So the digest has to be one of
/// `digests`, those of the image's manifests and of the indices they were chosen from. A tag beside
/// it is dropped, as in podman.
pub(crate) fn complete(names: &[String], digests: &[&Digest]) -> Result<Vec<String>, NameError> {
    let mut full: Vec<String> = Vec::new();
    for name in names {
        let reference = Reference::local(name)?;
        let completed = match reference.digest() {
            None => reference,
            Some(digest) if digests.contains(&digest) => reference.without_tag(),
            Some(_) => {
                return Err(NameError::NameDigest {
                    name: name.clone(),
                    digests: digests.iter().map(ToString::to_string).collect(),
                });
            }
        };
        let completed = completed.to_string();
        if !full.contains(&completed) {
            full.push(completed);
        }
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_registry_belong_to_this_machine() {
        let names = [
            "1.0",
            "a/b:2",
            "busybox",
            "quay.io/a/b",
            "localhost:5000/x:1",
        ];
        assert_eq!(
            complete(&names.map(str::to_owned), &[]).unwrap(),
            [
                "localhost/1.0:latest",
                "localhost/a/b:2",
                "localhost/busybox:latest",
                "quay.io/a/b:latest",
                "localhost:5000/x:1",
            ]
        );
    }

    #[test]
    fn a_name_counts_once() {
        let names = ["x:1", "localhost/x:1"].map(str::to_owned);
        assert_eq!(complete(&names, &[]).unwrap(), ["localhost/x:1"]);
    }

    #[test]
    fn an_error_shows_the_name_as_it_was_given() {
        let error = complete(&["../../etc".to_owned()], &[]).unwrap_err();
        assert!(matches!(error, NameError::Name(error) if error.text == "../../etc"));
    }

    #[test]
    fn a_registry_that_podman_cannot_read_is_refused() {
        for name in ["[::1]/x", "[fe80::1]:5000/x:1"] {
            let error = complete(&[name.to_owned()], &[]).unwrap_err();
            assert!(matches!(error, NameError::Name(error) if error.text == name));
        }
    }

    #[test]
    fn a_digest_in_a_name_is_that_of_the_image() {
        let right: Digest = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
        let wrong: Digest = format!("sha256:{}", "2".repeat(64)).parse().unwrap();
        for name in ["localhost:5000/x", "localhost:5000/x:tag"] {
            let name = [format!("{name}@{right}")];
            assert_eq!(
                complete(&name, &[&wrong, &right]).unwrap(),
                [format!("localhost:5000/x@{right}")]
            );
            assert!(matches!(
                complete(&name, &[&wrong]),
                Err(NameError::NameDigest { name: found, digests })
                    if name.contains(&found) && digests == [wrong.to_string()]
            ));
            assert!(complete(&name, &[]).is_err());
        }
    }

    #[test]
    fn the_name_of_this_machine_comes_first() {
        let names: Vec<String> = names_meant("x").collect();
        assert_eq!(names, ["localhost/x:latest", "docker.io/library/x:latest"]);
        assert_eq!(names_meant("a\nb").count(), 0);
    }
}
