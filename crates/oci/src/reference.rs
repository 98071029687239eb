//! Image names: completing short ones to the form that the store keeps.

/// A text that is not an image name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not an image name: {reason}")]
pub struct ParseNameError {
    /// The text as it was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The longest repository name that Go accepts (docker/reference, `NameTotalLengthMax`).
const MAX_NAME: usize = 255;
/// The longest tag (docker/reference grammar: one word character and up to 127 more).
const MAX_TAG: usize = 128;

/// Completes an image name: adds the registry, the `library/` folder and the tag `latest`
/// if they are missing.
///
/// The result is what podman and skopeo keep in a store for the same text: `busybox` becomes
/// `docker.io/library/busybox:latest`. Rules and limits are those of docker/reference
/// (Go: `image/docker/reference`).
///
/// # Errors
///
/// Fails when the text does not follow the grammar of image names.
///
/// ```
/// let name = layerhold_oci::normalize_name("example/app")?;
/// assert_eq!(name, "docker.io/example/app:latest");
/// # Ok::<(), layerhold_oci::ParseNameError>(())
/// ```
pub fn normalize_name(text: &str) -> Result<String, ParseNameError> {
    let bad = |reason| ParseNameError {
        text: text.to_owned(),
        reason,
    };
    let (text_without_digest, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let last_slash = text_without_digest.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match text_without_digest
        .get(last_slash..)
        .and_then(|last| last.split_once(':'))
    {
        Some((last, tag)) => {
            let head = text_without_digest.get(..last_slash).unwrap_or_default();
            (format!("{head}{last}"), Some(tag))
        }
        None => (text_without_digest.to_owned(), None),
    };
    if repository.is_empty() {
        return Err(bad("it has no repository"));
    }
    let (domain, path) = split_domain(&repository);
    if !valid_domain(&domain) {
        return Err(bad("its registry is malformed"));
    }
    if !path.split('/').all(valid_component) {
        return Err(bad(
            "a repository has lowercase letters, digits, and single separators between them",
        ));
    }
    let full = format!("{domain}/{path}");
    if full.len() > MAX_NAME {
        return Err(bad("it is longer than 255 characters"));
    }
    if let Some(tag) = tag
        && !valid_tag(tag)
    {
        return Err(bad("its tag is malformed"));
    }
    if let Some(digest) = digest
        && digest.parse::<layerhold_ids::Digest>().is_err()
    {
        return Err(bad("its digest is malformed"));
    }
    Ok(match (tag, digest) {
        (None, None) => format!("{full}:latest"),
        (Some(tag), None) => format!("{full}:{tag}"),
        (None, Some(digest)) => format!("{full}@{digest}"),
        (Some(tag), Some(digest)) => format!("{full}:{tag}@{digest}"),
    })
}

/// The part before the first slash is a registry only when it looks like one.
fn split_domain(repository: &str) -> (String, String) {
    let (domain, path) = match repository.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.chars().any(|c| c.is_ascii_uppercase()) =>
        {
            (first, rest.to_owned())
        }
        _ => ("docker.io", repository.to_owned()),
    };
    let domain = if domain == "index.docker.io" {
        "docker.io"
    } else {
        domain
    };
    if domain == "docker.io" && !path.contains('/') {
        return (domain.to_owned(), format!("library/{path}"));
    }
    (domain.to_owned(), path)
}

fn valid_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let port_ok = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    let host_ok = if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
    } else {
        host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    port_ok && host_ok
}

/// Lowercase letters and digits, separated by one period, one or two underscores, or hyphens.
fn valid_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separator = String::new();
    let mut seen = false;
    for c in component.chars() {
        if u8::try_from(c).is_ok_and(alphanumeric) {
            let allowed = separator.is_empty()
                || (seen
                    && (matches!(separator.as_str(), "." | "_" | "__")
                        || separator.bytes().all(|b| b == b'-')));
            if !allowed {
                return false;
            }
            separator.clear();
            seen = true;
        } else if matches!(c, '.' | '_' | '-') {
            separator.push(c);
        } else {
            return false;
        }
    }
    seen && separator.is_empty()
}

fn valid_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_podman_does() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (text, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1", "docker.io/library/busybox:1"),
            ("a/b", "docker.io/a/b:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x:y", "localhost:5000/x:y"),
            ("quay.io/a/b/c:v1.0-rc_1", "quay.io/a/b/c:v1.0-rc_1"),
            ("index.docker.io/x", "docker.io/library/x:latest"),
            ("docker.io/x", "docker.io/library/x:latest"),
            ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest"),
        ] {
            assert_eq!(normalize_name(text).as_deref(), Ok(full), "{text}");
        }
        assert_eq!(
            normalize_name(&format!("x@{digest}")),
            Ok(format!("docker.io/library/x@{digest}"))
        );
    }

    #[test]
    fn malformed_names_are_refused() {
        for text in [
            "",
            ":tag",
            "A",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "x:",
            "x:.y",
            "x@sha256:0",
            "exa mple",
            "../x",
            "Host/",
            "x/",
            "/x",
        ] {
            let error = normalize_name(text).unwrap_err();
            assert_eq!(error.text, text);
        }
        assert!(normalize_name(&"a".repeat(300)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_completed_name_is_complete(text in "[a-zA-Z0-9./:@_-]{0,40}|\\PC{0,12}") {
            if let Ok(full) = normalize_name(&text) {
                proptest::prop_assert_eq!(normalize_name(&full), Ok(full.clone()));
                proptest::prop_assert!(full.contains('/') && full.contains([':', '@']));
            }
        }
    }
}
