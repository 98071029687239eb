//! Names for images, completed as podman completes them.

use layerhold_oci::{ParseNameError, normalize_name};

/// Why a text cannot become a name of an image.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum NameError {
    /// It is not an image name.
    #[error("cannot use this name")]
    Parse(#[from] ParseNameError),
    /// Other tools trust the digest in a name without checking it.
    #[error("cannot give an image the name {name:?}: a name with a digest comes with the image")]
    Digest { name: String },
    /// One such name makes every command of podman 4 fail.
    #[error(
        "cannot give an image the name {name:?}: not all tools can read a registry in brackets"
    )]
    Bracketed { name: String },
}

/// Completes a name that an image is to get: `x` becomes `localhost/x:latest`.
pub(super) fn complete(text: &str) -> Result<String, NameError> {
    let name = || text.to_owned();
    if text.contains('@') {
        return Err(NameError::Digest { name: name() });
    }
    let completed = normalize_name(&localized(text)).map_err(|error| ParseNameError {
        text: name(),
        ..error
    })?;
    if completed.starts_with('[') {
        return Err(NameError::Bracketed { name: name() });
    }
    Ok(completed)
}

/// Completes several names, and leaves out those that occur again.
pub(super) fn complete_all(texts: &[String]) -> Result<Vec<String>, NameError> {
    let mut names = Vec::new();
    for text in texts {
        let name = complete(text)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Puts `localhost/` before a name that has no registry.
fn localized(text: &str) -> String {
    match text.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => text.to_owned(),
        _ => format!("localhost/{text}"),
    }
}

/// The names that a short text may stand for, the likeliest first.
pub(super) fn completions(text: &str) -> impl Iterator<Item = String> {
    [format!("localhost/{text}"), text.to_owned()]
        .into_iter()
        .filter_map(|text| normalize_name(&text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_podman_completes_them() {
        for (text, name) in [
            ("x", "localhost/x:latest"),
            ("y/z", "localhost/y/z:latest"),
            ("x:2", "localhost/x:2"),
            ("localhost/x", "localhost/x:latest"),
            ("example.com/a:2", "example.com/a:2"),
            ("host:5000/a", "host:5000/a:latest"),
        ] {
            assert_eq!(complete(text).unwrap(), name, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "", "Bad", "a b", "../x", "a:", "/x", "x/", "a\nb", "-x", "a//b",
        ] {
            let error = complete(text).unwrap_err();
            assert!(
                matches!(&error, NameError::Parse(parse) if parse.text == text),
                "{text:?}: {error:?}"
            );
        }
        let digest = format!("x@sha256:{}", "0".repeat(64));
        assert_eq!(complete(&digest), Err(NameError::Digest { name: digest }));
        let name = "[::1]:5000/x".to_owned();
        assert_eq!(complete(&name), Err(NameError::Bracketed { name }));
    }

    #[test]
    fn a_name_that_is_given_twice_counts_once() {
        let texts = ["x", "y", "localhost/x:latest"].map(str::to_owned);
        assert_eq!(
            complete_all(&texts).unwrap(),
            ["localhost/x:latest", "localhost/y:latest"]
        );
    }
}
