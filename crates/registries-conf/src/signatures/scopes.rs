//! The scopes that an image is in (Go: `docker/policyconfiguration`).

use layerhold_reference::Reference;

/// The scopes of an image, from the most to the least precise: the image with its tag or digest,
/// the repository, the folders that it is in, the registry, and `*.DOMAIN` for each domain that
/// the registry is in.
///
/// The digest counts if there is a tag too, and the tag `latest` if there is neither.
pub(super) fn scopes(image: &Reference) -> Vec<String> {
    let image = match image.digest() {
        Some(_) => image.clone().without_tag(),
        None => image.clone().or_latest(),
    };
    let mut scopes = vec![image.to_string()];
    scopes.extend(image.namespaces());
    scopes.extend(image.domain_wildcards());
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_go_from_the_image_to_all_domains() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let exact = format!("localhost:5000/x@{digest}");
        for (image, wanted) in [
            (
                "a.b.io:443/f/app:1",
                "a.b.io:443/f/app:1 a.b.io:443/f/app a.b.io:443/f a.b.io:443 *.b.io *.io",
            ),
            (
                "busybox",
                "docker.io/library/busybox:latest docker.io/library/busybox docker.io/library \
                 docker.io *.io",
            ),
            (
                &format!("localhost:5000/x:1@{digest}"),
                &format!("{exact} localhost:5000/x localhost:5000"),
            ),
        ] {
            assert_eq!(scopes(&image.parse().unwrap()).join(" "), wanted);
        }
    }
}
