//! The proxy that the environment chooses for a server (Go: `golang.org/x/net/http/httpproxy`).

use std::net::IpAddr;

use crate::environment::Environment;

/// The variables `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or the same in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    https: Option<String>,
    http: Option<String>,
    exceptions: Vec<Exception>,
}

/// What is reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    /// A network: an address, and the number of its bits that count.
    Network(IpAddr, u32),
    /// A host, with a port if only that one is meant.
    Host {
        name: String,
        /// Whether only hosts below it are meant.
        is_below: bool,
        port: Option<String>,
    },
}

impl Proxies {
    pub(super) fn of(environment: &Environment) -> Self {
        let text = |name: &str| {
            let upper = environment.get(name);
            let found = upper.or_else(|| environment.get(&name.to_ascii_lowercase()));
            found.map(|value| value.to_string_lossy().into_owned())
        };
        let exceptions = text("NO_PROXY").unwrap_or_default();
        Self {
            https: text("HTTPS_PROXY").map(with_scheme),
            // A server that runs programs sets this one from a header of its client.
            http: text("HTTP_PROXY")
                .filter(|_| environment.get("REQUEST_METHOD").is_none())
                .map(with_scheme),
            exceptions: exceptions.split(',').filter_map(exception).collect(),
        }
    }

    /// The proxy for an origin such as `https://quay.io`.
    pub(super) fn choose(&self, origin: &str) -> Option<String> {
        let (scheme, server) = origin.split_once("://")?;
        let (host, port) = split_port(server);
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let port = port.unwrap_or(if scheme == "https" { "443" } else { "80" });
        let proxy = if scheme == "https" {
            &self.https
        } else {
            &self.http
        };
        match is_local(&host) || self.exceptions.iter().any(|it| it.covers(&host, port)) {
            true => None,
            false => proxy.clone(),
        }
    }
}

/// A proxy without a scheme is one for HTTP.
fn with_scheme(proxy: String) -> String {
    match proxy.contains("://") {
        true => proxy,
        false => format!("http://{proxy}"),
    }
}

fn is_local(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A host without brackets, and its port.
fn split_port(server: &str) -> (&str, Option<&str>) {
    if let Some(rest) = server.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, rest.strip_prefix(':'));
    }
    match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (server, None),
    }
}

fn exception(text: &str) -> Option<Exception> {
    let text = text.trim().to_ascii_lowercase();
    if text == "*" {
        return Some(Exception::Everything);
    }
    if let Some((address, bits)) = text.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
    {
        return Some(Exception::Network(address, bits));
    }
    let (host, port) = split_port(&text);
    let host = host.strip_prefix('*').unwrap_or(host);
    let name = host.strip_prefix('.').unwrap_or(host).to_owned();
    (!name.is_empty()).then(|| Exception::Host {
        is_below: host.starts_with('.'),
        name,
        port: port.map(str::to_owned),
    })
}

impl Exception {
    fn covers(&self, host: &str, port: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Network(network, bits) => {
                let address = host.parse::<IpAddr>();
                address.is_ok_and(|address| shares_bits(address, *network, *bits))
            }
            Self::Host {
                name,
                is_below,
                port: only,
            } => {
                let below = host.strip_suffix(name.as_str());
                let is_it = below.is_some_and(|below| match below {
                    "" => !is_below,
                    below => below.ends_with('.'),
                });
                is_it && only.as_deref().is_none_or(|only| only == port)
            }
        }
    }
}

/// Whether the first bits of two addresses are the same.
fn shares_bits(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let (one, other, width) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u128::from(one.to_bits()), u128::from(other.to_bits()), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    let ignored = width - bits.min(width);
    (one ^ other).checked_shr(ignored).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Proxies::of(&Environment {
            variables: variables.collect(),
            ..Environment::default()
        })
    }

    #[test]
    fn the_scheme_decides_which_proxy_is_used() {
        let both = proxies(&[("https_proxy", "http://u:p@a:1"), ("HTTP_PROXY", "b:2")]);
        for (origin, proxy) in [
            ("https://quay.io", Some("http://u:p@a:1")),
            ("http://quay.io:5000", Some("http://b:2")),
            ("http://localhost:5000", None),
            ("https://127.0.0.2", None),
            ("https://[::1]:5000", None),
        ] {
            assert_eq!(both.choose(origin).as_deref(), proxy, "{origin}");
        }
        let served = proxies(&[("HTTP_PROXY", "b:2"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(served.choose("http://quay.io"), None);
        assert_eq!(proxies(&[]).choose("https://quay.io"), None);
    }

    #[test]
    fn exceptions_are_names_networks_and_ports() {
        for (exceptions, covered, others) in [
            ("*", &["a.b", "10.0.0.1"][..], &[][..]),
            (
                "b.c",
                &["b.c", "a.b.c", "B.C.", "b.c:5000"],
                &["xb.c", "b.c.d"],
            ),
            (".b.c, x", &["a.b.c", "x"], &["b.c"]),
            ("*.b.c", &["a.b.c"], &["b.c"]),
            ("b.c:5000", &["b.c:5000"], &["b.c", "b.c:50"]),
            ("b.c:443", &["b.c"], &["b.c:5000"]),
            (
                "10.1.0.0/16",
                &["10.1.2.3", "10.1.2.3:50"],
                &["10.2.0.0", "a"],
            ),
            ("10.1.2.3", &["10.1.2.3"], &["10.1.2.4"]),
            ("fd00::/8", &["[fd12::1]:50"], &["[fe80::1]"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["[fe80::1]"]),
            (" ,,", &[], &["a"]),
        ] {
            let proxies = proxies(&[("HTTPS_PROXY", "p"), ("NO_PROXY", exceptions)]);
            let goes_direct = |host: &&str| proxies.choose(&format!("https://{host}")).is_none();
            assert!(covered.iter().all(goes_direct), "{exceptions}");
            assert!(!others.iter().any(goes_direct), "{exceptions}");
        }
    }
}
