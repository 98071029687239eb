//! Which scopes a policy may have for a transport (Go: `ValidatePolicyConfigurationScope`).

use layerhold_reference::layerhold_ids::Digest;

use crate::location::is_canonical;

/// Whether a scope, which is not empty, may stand in a policy. Every scope of an unknown transport
/// may.
pub(crate) fn is_valid(transport: &str, scope: &str) -> bool {
    match transport {
        "dir" | "oci" | "oci-archive" | "sif" => scope != "/" && is_canonical(scope.as_bytes()),
        "docker-archive" | "tarball" => false,
        "docker-daemon" => scope.parse::<Digest>().is_err(),
        "atomic" => is_atomic(scope),
        "containers-storage" => is_storage(scope).is_some(),
        _ => true,
    }
}

/// `HOST[/NAMESPACE[/STREAM[:TAG]]]`.
fn is_atomic(scope: &str) -> bool {
    let mut parts = scope.split('/').skip(1);
    let namespace = parts.next().unwrap_or_default();
    let stream = parts.next().unwrap_or_default();
    parts.next().is_none() && !namespace.contains(':') && stream.matches(':').count() <= 1
}

/// `[DRIVER@ROOT]` or `[ROOT]`, then `NAME[@DIGEST][@ID]`. `None` if it is something else.
fn is_storage(scope: &str) -> Option<()> {
    let (store, image) = scope.strip_prefix('[')?.split_once(']')?;
    let root = match store.split_once('@') {
        Some((driver, root)) if !driver.is_empty() => root,
        Some(_) => return None,
        None => store,
    };
    let is_id = |text: &str| format!("sha256:{text}").parse::<Digest>().is_ok();
    let is_digest = |text: &str| text.parse::<Digest>().is_ok();
    let mut parts = image.splitn(3, '@').skip(1);
    let is_image = match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(last), None) => is_id(last) || is_digest(last),
        (Some(digest), Some(id)) => is_digest(digest) && is_id(id),
    };
    (root.starts_with('/') && is_image).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn check(transports: &[&str], cases: &[(&str, bool)]) {
        for transport in transports {
            for (scope, wanted) in cases {
                let scope = scope.replace('#', ID);
                assert_eq!(is_valid(transport, &scope), *wanted, "{transport} {scope}");
            }
        }
    }

    #[test]
    fn paths_are_absolute_and_short() {
        check(
            &["dir", "oci", "oci-archive", "sif"],
            &[
                ("/a", true),
                ("/a/b.c", true),
                ("/", false),
                ("a", false),
                ("/a/", false),
                ("//a", false),
                ("/a/../b", false),
                ("/.", false),
            ],
        );
    }

    #[test]
    fn some_transports_have_only_the_empty_scope() {
        check(
            &["docker-archive", "tarball"],
            &[("a", false), ("/a", false)],
        );
    }

    #[test]
    fn any_text_is_a_scope_of_registries_and_of_unknown_transports() {
        let cases = [
            ("*.a", true),
            ("a b", true),
            ("/", true),
            ("sha256:#", true),
        ];
        check(&["docker", "ostree", "new"], &cases);
    }

    #[test]
    fn a_digest_is_no_scope_of_a_docker_daemon() {
        let cases = [("a", true), ("sha256:1", true), ("sha256:#", false)];
        check(&["docker-daemon"], &cases);
    }

    #[test]
    fn atomic_registries() {
        check(
            &["atomic"],
            &[
                ("host:5000", true),
                ("*.a", true),
                ("host/ns", true),
                ("host/ns/stream", true),
                ("host/ns/stream:tag", true),
                ("//", true),
                ("host/ns:1", false),
                ("host/ns/stream:tag:1", false),
                ("host/ns/stream/more", false),
            ],
        );
    }

    #[test]
    fn stores() {
        check(
            &["containers-storage"],
            &[
                ("[/g]", true),
                ("[vfs@/g]", true),
                ("[vfs@/g]docker.io/a", true),
                ("[vfs@/g]a:1@#", true),
                ("[vfs@/g]a@sha256:#", true),
                ("[vfs@/g]a@sha256:#@#", true),
                ("[vfs@/g]@#", true),
                ("[vfs@/g]a@1", false),
                ("[vfs@/g]a@#@#", false),
                ("[vfs@/g]a@sha256:#@1", false),
                ("[vfs@/g]a@sha256:#@#@#", false),
                ("[g]", false),
                ("[vfs@g]", false),
                ("[@/g]", false),
                ("[vfs@]", false),
                ("[]", false),
                ("[/g", false),
                ("docker.io/a", false),
            ],
        );
    }
}
