//! The proxy for a server, as the client of registries asks for it.

use layerhold_environment::Proxies;

/// The address of the proxy for an origin such as `https://quay.io`.
pub(super) fn choose(proxies: &Proxies, origin: &str) -> Option<String> {
    match proxies.for_origin(origin) {
        Ok(proxy) => proxy.map(|proxy| proxy.expose()),
        // No address: the client says that the proxy cannot be used. It must not do without one.
        Err(_) => Some(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use layerhold_environment::Environment;

    use super::*;

    #[test]
    fn the_client_gets_the_address_of_a_proxy() {
        let environment = Environment::new(0)
            .with("HTTPS_PROXY", "http://u:p@a:1")
            .with("HTTP_PROXY", "[fd00::1]:2")
            .with("NO_PROXY", "b.c:5000,[fd00::2]:7");
        let proxies = Proxies::of(&environment);
        for (origin, proxy) in [
            ("https://b.c", Some("http://u:p@a:1")),
            ("http://b.c", Some("http://[fd00::1]:2")),
            ("https://b.c:5000", None),
            ("https://[fd00::2]:7", None),
            ("https://[fd00::2]:8", Some("http://u:p@a:1")),
            ("http://localhost:5000", None),
        ] {
            assert_eq!(choose(&proxies, origin).as_deref(), proxy, "{origin}");
        }
        let bad = Proxies::of(&Environment::new(0).with("HTTPS_PROXY", "ftp://a"));
        assert_eq!(choose(&bad, "https://b.c").as_deref(), Some(""));
    }
}
