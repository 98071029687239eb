//! The names that images get in a store.

use layerhold_ids::Digest;

use crate::reference::{ParseNameError, normalize_name};

/// A name that an image cannot have.
#[derive(Debug)]
pub(crate) enum NameError {
    /// It is malformed.
    Name(ParseNameError),
    /// It has the digest of another image.
    NameDigest { name: String, digests: Vec<String> },
}

impl From<ParseNameError> for NameError {
    fn from(error: ParseNameError) -> Self {
        Self::Name(error)
    }
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
/// # Ok::<(), layerhold_oci::ParseNameError>(())
/// ```
pub fn local_name(text: &str) -> Result<String, ParseNameError> {
    match complete(&[text.to_owned()], &[]) {
        Ok(names) => Ok(names.into_iter().next().unwrap_or_default()),
        Err(NameError::Name(error)) => Err(error),
        Err(NameError::NameDigest { name, .. }) => Err(ParseNameError {
            text: name,
            reason: "a digest is not a tag",
        }),
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
        let completed = normalize_name(&localize(name)).map_err(|error| ParseNameError {
            text: name.clone(),
            ..error
        })?;
        // One such name makes every command of podman 4 and of tools of that time fail.
        if completed.starts_with('[') {
            let reason = "its registry is an IPv6 address, which not all tools can read";
            let text = name.clone();
            return Err(ParseNameError { text, reason }.into());
        }
        let completed = match completed.split_once('@') {
            None => completed,
            Some((_, digest)) if !digests.iter().any(|known| known.as_str() == digest) => {
                return Err(NameError::NameDigest {
                    name: name.clone(),
                    digests: digests.iter().map(ToString::to_string).collect(),
                });
            }
            Some((tagged, digest)) => format!("{}@{digest}", without_tag(tagged)),
        };
        if !full.contains(&completed) {
            full.push(completed);
        }
    }
    Ok(full)
}

fn without_tag(name: &str) -> &str {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let colon = name.get(start..).and_then(|last| last.find(':'));
    colon.and_then(|at| name.get(..start + at)).unwrap_or(name)
}

/// Puts `localhost/` before a name that has no registry.
fn localize(name: &str) -> String {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        _ => format!("localhost/{name}"),
    }
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
}
