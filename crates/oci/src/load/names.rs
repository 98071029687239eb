//! The names that images get in a store.

use layerhold_ids::Digest;

use super::error::LoadError;
use crate::reference::{ParseNameError, normalize_name};

/// Completes names as podman does: a name without a registry gets `localhost`, also in archives
/// that docker wrote, where it means docker's registry.
///
/// Other tools trust a name with a digest without checking it. So the digest has to be one of
/// `digests`, those of the image's manifests and of the indices they were chosen from. A tag beside
/// it is dropped, as in podman.
pub(super) fn complete(names: &[String], digests: &[&Digest]) -> Result<Vec<String>, LoadError> {
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
                return Err(LoadError::NameDigest {
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
        assert!(matches!(error, LoadError::Name(error) if error.text == "../../etc"));
    }

    #[test]
    fn a_registry_that_podman_cannot_read_is_refused() {
        for name in ["[::1]/x", "[fe80::1]:5000/x:1"] {
            let error = complete(&[name.to_owned()], &[]).unwrap_err();
            assert!(matches!(error, LoadError::Name(error) if error.text == name));
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
                Err(LoadError::NameDigest { name: found, digests })
                    if name.contains(&found) && digests == [wrong.to_string()]
            ));
            assert!(complete(&name, &[]).is_err());
        }
    }
}
