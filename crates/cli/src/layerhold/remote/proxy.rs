//! The proxy for a server, as the client of registries asks for it.

use layerhold_config::layerhold_environment::{Proxies, Proxy};

/// The address of the proxy for an origin such as `https://quay.io`.
pub(super) fn choose(proxies: &Proxies, origin: &str) -> Option<String> {
    let (scheme, server) = origin.split_once("://")?;
    let is_https = scheme == "https";
    let (host, port) = split_port(server, if is_https { 443 } else { 80 });
    match proxies.proxy(is_https, host, port) {
        Ok(proxy) => proxy.map(|proxy| address(&proxy)),
        // No address: the client says that the proxy cannot be used. It must not do without one.
        Err(_) => Some(String::new()),
    }
}

/// A host without brackets, and its port.
fn split_port(server: &str, default: u16) -> (&str, u16) {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or((rest, "")),
        None => server.split_at(server.find(':').unwrap_or(server.len())),
    };
    let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
    (host, port.unwrap_or(default))
}

fn address(proxy: &Proxy) -> String {
    let user = proxy.user.as_ref().map(|user| format!("{user}@"));
    let user = user.unwrap_or_default();
    let (scheme, host, port) = (&proxy.scheme, &proxy.host, proxy.port);
    match host.contains(':') {
        true => format!("{scheme}://{user}[{host}]:{port}"),
        false => format!("{scheme}://{user}{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use layerhold_config::Environment;

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
