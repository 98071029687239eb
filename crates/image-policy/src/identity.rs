//! What a signature has to say about the name of an image
//! (Go: `image/signature/policy_reference_match.go`).

use layerhold_reference::Reference;

/// The names that a signature may claim for an image: `signedIdentity` in the file.
///
/// The name of the image is the one it was asked for by. Images without such a name, such as those
/// in a directory, match [`ExactReference`](Self::ExactReference) and
/// [`ExactRepository`](Self::ExactRepository) only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedIdentity {
    /// The same name, with tag or digest.
    MatchExact,
    /// The same name if the image was asked for by a tag. If it was asked for by digest, a name in
    /// the same repository. This is the rule of requirements without `signedIdentity`.
    #[default]
    MatchRepoDigestOrExact,
    /// A name in the same repository.
    MatchRepository,
    /// This name. It has a tag or a digest.
    ExactReference(Reference),
    /// A name in this repository.
    ExactRepository(Reference),
    /// As [`MatchRepoDigestOrExact`](Self::MatchRepoDigestOrExact), after a prefix of the image's
    /// name was replaced.
    RemapIdentity {
        /// The prefix of names that are changed: a registry, a folder or a repository.
        prefix: String,
        /// What replaces it.
        signed_prefix: String,
    },
}

impl SignedIdentity {
    /// Tells whether a signature that claims the name `signed` is for the image with this name.
    #[must_use]
    pub fn accepts(&self, image: Option<&Reference>, signed: &str) -> bool {
        let Ok(signed) = signed.parse::<Reference>() else {
            return false;
        };
        match (self, image) {
            (Self::ExactReference(wanted), _) => is_same(wanted, &signed),
            (Self::ExactRepository(wanted), _) => wanted.name() == signed.name(),
            (_, None) => false,
            (Self::MatchExact, Some(image)) => is_same(image, &signed),
            (Self::MatchRepoDigestOrExact, Some(image)) => is_same_or_in_repository(image, &signed),
            (Self::MatchRepository, Some(image)) => image.name() == signed.name(),
            (
                Self::RemapIdentity {
                    prefix,
                    signed_prefix,
                },
                Some(image),
            ) => remapped(image, prefix, signed_prefix)
                .is_some_and(|image| is_same_or_in_repository(&image, &signed)),
        }
    }
}

fn is_name_only(reference: &Reference) -> bool {
    reference.tag().is_none() && reference.digest().is_none()
}

/// Names without tag and digest are the same as none, not even as themselves.
fn is_same(image: &Reference, signed: &Reference) -> bool {
    !is_name_only(image) && !is_name_only(signed) && image == signed
}

fn is_same_or_in_repository(image: &Reference, signed: &Reference) -> bool {
    match (image.tag(), image.digest()) {
        (None, Some(_)) => !is_name_only(signed) && image.name() == signed.name(),
        _ => is_same(image, signed),
    }
}

/// The name with its prefix replaced, if it has that prefix; `None` if the result is no complete
/// name.
fn remapped(image: &Reference, prefix: &str, signed_prefix: &str) -> Option<Reference> {
    let name = image.name();
    let has_prefix = name
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !has_prefix {
        return Some(image.clone());
    }
    let whole = image.to_string();
    let changed = format!("{signed_prefix}{}", whole.strip_prefix(prefix)?);
    let parsed: Reference = changed.parse().ok()?;
    Some(parsed).filter(|parsed| parsed.to_string() == changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn check(identity: &SignedIdentity, cases: &[(&str, &str, bool)]) {
        for (image, signed, wanted) in cases {
            let expand = |text: &str| text.replace('#', &format!("@{DIGEST}"));
            let image = (!image.is_empty()).then(|| expand(image).parse().unwrap());
            let accepted = identity.accepts(image.as_ref(), &expand(signed));
            assert_eq!(accepted, *wanted, "{identity:?} {image:?} {signed}");
        }
    }

    #[test]
    fn match_exact() {
        check(
            &SignedIdentity::MatchExact,
            &[
                ("busybox:1", "docker.io/library/busybox:1", true),
                ("busybox:1", "busybox:1", true),
                ("busybox:1", "busybox:2", false),
                ("busybox:1", "busybox", false),
                ("busybox", "busybox", false),
                ("busybox#", "busybox#", true),
                ("busybox#", "busybox:1", false),
                ("busybox:1", "busybox:1#", false),
                ("busybox:1", "BUSYBOX:1", false),
                ("", "busybox:1", false),
            ],
        );
    }

    #[test]
    fn match_repo_digest_or_exact() {
        check(
            &SignedIdentity::default(),
            &[
                ("busybox:1", "busybox:1", true),
                ("busybox:1", "busybox:2", false),
                ("busybox#", "busybox:2", true),
                ("busybox#", "busybox#", true),
                ("busybox#", "busybox", false),
                ("busybox#", "other:2", false),
                ("busybox:1#", "busybox:1", false),
                ("busybox:1#", "busybox:1#", true),
                ("busybox", "busybox:1", false),
                ("", "busybox:1", false),
            ],
        );
    }

    #[test]
    fn match_repository() {
        check(
            &SignedIdentity::MatchRepository,
            &[
                ("busybox:1", "busybox:2", true),
                ("busybox:1", "busybox", true),
                ("busybox:1", "other", false),
                ("", "busybox", false),
            ],
        );
    }

    #[test]
    fn exact_names_need_no_name_of_the_image() {
        let reference = SignedIdentity::ExactReference("quay.io/a/b:1".parse().unwrap());
        check(
            &reference,
            &[
                ("", "quay.io/a/b:1", true),
                ("x:1", "quay.io/a/b:1", true),
                ("x:1", "quay.io/a/b:2", false),
                ("x:1", "x:1", false),
            ],
        );
        let repository = SignedIdentity::ExactRepository("quay.io/a/b:1".parse().unwrap());
        check(
            &repository,
            &[
                ("", "quay.io/a/b:2", true),
                ("", "quay.io/a/b", true),
                ("", "quay.io/a/c", false),
                ("", "", false),
            ],
        );
    }

    #[test]
    fn remapped_names() {
        let remap = |prefix: &str, signed_prefix: &str| SignedIdentity::RemapIdentity {
            prefix: prefix.into(),
            signed_prefix: signed_prefix.into(),
        };
        check(
            &remap("mirror:5000/vendor", "vendor.example"),
            &[
                ("mirror:5000/vendor/a/b:1", "vendor.example/a/b:1", true),
                ("mirror:5000/vendor/a/b#", "vendor.example/a/b:9", true),
                (
                    "mirror:5000/vendor/a/b:1",
                    "mirror:5000/vendor/a/b:1",
                    false,
                ),
                ("mirror:5000/vendor2/a:1", "mirror:5000/vendor2/a:1", true),
                ("mirror:5000/vendor:1", "vendor.example:1", false),
                ("", "vendor.example/a/b:1", false),
            ],
        );
        check(
            &remap("quay.io", "docker.io"),
            &[
                ("quay.io/a/b:1", "docker.io/a/b:1", true),
                // The new name would be written docker.io/library/b.
                ("quay.io/b:1", "docker.io/library/b:1", false),
            ],
        );
        check(
            &remap("docker.io/library", "short"),
            &[("busybox:1", "short/busybox:1", false)],
        );
    }
}
