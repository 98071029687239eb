//! Proxies for HTTP (Go: `golang.org/x/net/http/httpproxy`).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::environment::Environment;

/// The proxies that variables name, and the hosts that are reached without one.
///
/// These are the variables `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or the same in lowercase
/// where they are not set. Variables that are not UTF-8 count as not set.
///
/// `NO_PROXY` is a list with commas: a host with its subdomains (`example.com`), subdomains only
/// (`.example.com`, `*.example.com`), addresses and networks (`10.0.0.0/8`), each with a port if
/// wanted, or `*` for all. `localhost` and loopback addresses never have a proxy.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<String>,
    http: Option<String>,
    /// Whether a client of a web server could have set `HTTP_PROXY`.
    is_of_web_server: bool,
    exceptions: Vec<Exception>,
}

/// A proxy. Its user and password are not in its `Debug` form.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// `http`, `https`, `socks5` or `socks5h`.
    pub scheme: String,
    /// The user and the password as in the URL, with percent signs.
    pub user: Option<String>,
    /// The host name or address, an IPv6 one without brackets.
    pub host: String,
    /// The port; without one in the URL, that of the scheme.
    pub port: u16,
}

/// Why the proxy for a host is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The variable names no proxy. Go connects without one then.
    #[error("cannot use the proxy in {variable}: give it as http://HOST:PORT")]
    NotAProxy {
        /// The variable. Its value may have a password, so it is not here.
        variable: &'static str,
    },
    /// The program answers a request to a web server, whose client could have set `HTTP_PROXY`.
    #[error(
        "cannot use the proxy in HTTP_PROXY: REQUEST_METHOD is set, so it may come from a request; unset one of them"
    )]
    OfRequest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    All,
    Network {
        address: IpAddr,
        bits: u32,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    /// A domain with a leading period.
    Domain {
        suffix: String,
        matches_host: bool,
        port: Option<u16>,
    },
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("https", &self.https.is_some())
            .field("http", &self.http.is_some())
            .field("exceptions", &self.exceptions)
            .finish()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}://", self.scheme)?;
        self.user.as_ref().map_or(Ok(()), |_| f.write_str("…@"))?;
        write!(f, "{}", self.host)?;
        write!(f, ":{})", self.port)
    }
}

impl Proxy {
    /// The text of the URL, with the user and the password if there are any. The name makes its
    /// uses easy to find.
    #[must_use]
    pub fn expose(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@"));
        let user = user.unwrap_or_default();
        let (scheme, host, port) = (&self.scheme, &self.host, self.port);
        match host.contains(':') {
            true => format!("{scheme}://{user}[{host}]:{port}"),
            false => format!("{scheme}://{user}{host}:{port}"),
        }
    }
}

impl Proxies {
    /// Reads the variables of an environment.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let text = |names: [&str; 2]| {
            let mut values = names.into_iter().filter_map(|name| environment.get(name));
            values
                .next()
                .and_then(|value| value.to_str())
                .map(str::to_owned)
        };
        let exceptions = text(["NO_PROXY", "no_proxy"]).unwrap_or_default();
        Proxies {
            https: text(["HTTPS_PROXY", "https_proxy"]),
            http: text(["HTTP_PROXY", "http_proxy"]),
            is_of_web_server: environment.get("REQUEST_METHOD").is_some(),
            exceptions: exceptions.split(',').filter_map(exception).collect(),
        }
    }

    /// Returns the proxy for a host; `None` if it is reached without one.
    ///
    /// The host is a name or an address, an IPv6 one without brackets.
    ///
    /// # Errors
    ///
    /// The variable for it names no proxy, or may come from a request to a web server.
    pub fn proxy(
        &self,
        is_https: bool,
        host: &str,
        port: u16,
    ) -> Result<Option<Proxy>, ProxyError> {
        let (text, variable) = match is_https {
            true => (&self.https, "HTTPS_PROXY"),
            false => (&self.http, "HTTP_PROXY"),
        };
        match text {
            Some(_) if !is_https && self.is_of_web_server => Err(ProxyError::OfRequest),
            Some(text) if self.is_used(host, port) => {
                let proxy = parse(text).map(Some);
                proxy.ok_or(ProxyError::NotAProxy { variable })
            }
            _ => Ok(None),
        }
    }

    /// Returns the proxy for an origin such as `https://quay.io` or `http://[fd00::1]:5000`, as
    /// [`proxy`](Self::proxy) does for its host. Without a port it is that of the scheme.
    ///
    /// # Errors
    ///
    /// Those of [`proxy`](Self::proxy).
    pub fn for_origin(&self, origin: &str) -> Result<Option<Proxy>, ProxyError> {
        let Some((scheme, server)) = origin.split_once("://") else {
            return Ok(None);
        };
        let is_https = scheme == "https";
        let (host, port) = split_port(server).unwrap_or((server, ""));
        let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
        self.proxy(
            is_https,
            host,
            port.unwrap_or(if is_https { 443 } else { 80 }),
        )
    }

    fn is_used(&self, host: &str, port: u16) -> bool {
        let host = host.to_lowercase();
        let address = host.parse::<IpAddr>().ok();
        let address = address.map(|address| address.to_canonical());
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return false;
        }
        !self
            .exceptions
            .iter()
            .any(|exception| exception.includes(&host, address, port))
    }
}

impl Exception {
    fn includes(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        let is_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Exception::All => true,
            Exception::Network { address, bits } => ip.is_some_and(|ip| is_in(ip, *address, *bits)),
            Exception::Address { address, port } => ip == Some(*address) && is_port(port),
            Exception::Domain {
                suffix,
                matches_host,
                port,
            } => {
                let is_host = *matches_host && suffix.strip_prefix('.') == Some(host);
                ip.is_none() && (host.ends_with(suffix) || is_host) && is_port(port)
            }
        }
    }
}

/// One element of `NO_PROXY`; `None` if it is empty.
fn exception(text: &str) -> Option<Exception> {
    let text = text.trim().to_lowercase();
    if text == "*" {
        return Some(Exception::All);
    }
    if let Some((address, bits)) = text.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse())
        && bits <= if address.is_ipv4() { 32 } else { 128 }
    {
        return Some(Exception::Network { address, bits });
    }
    let (host, port) = match text.parse::<IpAddr>() {
        Ok(_) => (text.as_str(), None),
        Err(_) => with_port(&text),
    };
    if host.is_empty() {
        return None;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        let address = address.to_canonical();
        return Some(Exception::Address { address, port });
    }
    let host = host
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(host);
    Some(Exception::Domain {
        suffix: format!(".{}", host.strip_prefix('.').unwrap_or(host)),
        matches_host: !host.starts_with('.'),
        port,
    })
}

/// A host, and the port behind it.
fn with_port(text: &str) -> (&str, Option<u16>) {
    let Some((host, port)) = text.rsplit_once(':') else {
        return (text, None);
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = address.unwrap_or(host);
    match port.parse() {
        Ok(port) => (host, Some(port)),
        Err(_) if port.is_empty() => (host, None),
        Err(_) => (text, None),
    }
}

/// A proxy: a URL, or the same without `http://`.
fn parse(text: &str) -> Option<Proxy> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_lowercase(), rest),
        None => ("http".to_owned(), text),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, authority),
    };
    let is_bracketed = host.starts_with('[');
    let (host, port) = split_port(host)?;
    if is_bracketed && host.parse::<Ipv6Addr>().is_err() {
        return None;
    }
    let port = match port {
        "" | ":" => default_port(&scheme)?,
        port => port.strip_prefix(':')?.parse().ok()?,
    };
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    let is_host = !host.is_empty() && host.bytes().all(is_part);
    default_port(&scheme)?;
    is_host.then(|| Proxy {
        scheme,
        user,
        host: host.to_owned(),
        port,
    })
}

/// A host, an address in brackets without them, and what is behind it: `:PORT` or nothing. `None`
/// if a bracket is not closed.
fn split_port(server: &str) -> Option<(&str, &str)> {
    match server.strip_prefix('[') {
        Some(rest) => rest.split_once(']'),
        None => Some(server.split_at(server.find(':').unwrap_or(server.len()))),
    }
}

/// The port of a scheme; `None` if no proxy has such a scheme.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "socks5" | "socks5h" => Some(1080),
        _ => None,
    }
}

/// Whether an address is in a network, whose first bits count.
fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differing = u32::from(address) ^ u32::from(network);
            differing.leading_zeros() >= bits
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differing = u128::from(address) ^ u128::from(network);
            differing.leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let variables = variables.iter().copied();
        Proxies::of(&Environment::new(0).with_variables(variables))
    }

    fn is_used(no_proxy: &str, host: &str) -> bool {
        let found = proxies(&[("HTTPS_PROXY", "p.io"), ("NO_PROXY", no_proxy)]);
        found.proxy(true, host, 443).unwrap().is_some()
    }

    #[test]
    fn hosts_without_a_proxy_are_matched_as_in_go() {
        for (no_proxy, host, used) in [
            ("", "a.io", true),
            ("", "localhost", false),
            ("", "127.0.0.9", false),
            ("", "::1", false),
            ("*", "a.io", false),
            ("a.io", "a.io", false),
            (" A.io , b.io", "x.a.IO", false),
            ("a.io", "xa.io", true),
            (".a.io", "a.io", true),
            (".a.io", "x.a.io", false),
            ("*.a.io", "a.io", true),
            ("*.a.io", "x.a.io", false),
            ("a.io:443", "a.io", false),
            ("a.io:80", "a.io", true),
            ("10.0.0.0/8", "10.1.2.3", false),
            ("10.0.0.0/8", "11.1.2.3", true),
            ("10.0.0.0/8", "10.io", true),
            ("0.0.0.0/0", "9.9.9.9", false),
            ("fd00::/8", "fd12::1", false),
            (".3", "10.1.2.3", true),
            ("a.io:", "a.io", false),
            ("a.io:x", "a.io", true),
            ("10.1.2.3", "::ffff:10.1.2.3", false),
            ("10.1.2.3", "10.1.2.3", false),
            ("10.1.2.3:80", "10.1.2.3", true),
            ("[fd00::1]:443", "fd00::1", false),
            ("fd00::1", "fd00::1", false),
            (",,", "a.io", true),
        ] {
            assert_eq!(is_used(no_proxy, host), used, "{no_proxy:?} {host:?}");
        }
    }

    #[test]
    fn the_scheme_chooses_the_variable() {
        let found = proxies(&[("HTTPS_PROXY", "s.io"), ("http_proxy", "p.io:8080")]);
        let host = |is_https| found.proxy(is_https, "a.io", 1).unwrap().unwrap().host;
        assert_eq!(
            (host(true).as_str(), host(false).as_str()),
            ("s.io", "p.io")
        );
        let both = proxies(&[("HTTPS_PROXY", "upper"), ("https_proxy", "lower")]);
        assert_eq!(both.proxy(true, "a.io", 1).unwrap().unwrap().host, "upper");
        assert_eq!(both.proxy(false, "a.io", 1), Ok(None));
        let served = proxies(&[("HTTP_PROXY", "p.io"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(served.proxy(false, "a.io", 1), Err(ProxyError::OfRequest));
        assert_eq!(served.proxy(true, "a.io", 1), Ok(None));
    }

    #[test]
    fn proxies_are_urls_or_hosts() {
        let parsed = |text: &str| {
            let Proxy {
                scheme,
                user,
                host,
                port,
            } = parse(text)?;
            Some((scheme, user.unwrap_or_default(), host, port))
        };
        for (text, scheme, user, host, port) in [
            ("p.io", "http", "", "p.io", 80),
            ("p.io:3128/x", "http", "", "p.io", 3128),
            ("HTTPS://u:p%40@p.io:1", "https", "u:p%40", "p.io", 1),
            ("socks5h://[fd00::1]:9", "socks5h", "", "fd00::1", 9),
            ("http://p.io:", "http", "", "p.io", 80),
            ("socks5://p.io", "socks5", "", "p.io", 1080),
        ] {
            let wanted = (scheme.to_owned(), user.to_owned(), host.to_owned(), port);
            assert_eq!(parsed(text), Some(wanted), "{text}");
        }
        for text in [
            "ftp://p.io",
            "http://",
            "p.io:x",
            "http://[x]:1",
            "p io",
            "a:b:c",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn passwords_are_not_printed() {
        let found = proxies(&[("HTTPS_PROXY", "http://u:hunter2@p.io:1")]);
        let proxy = found.proxy(true, "a.io", 443).unwrap().unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(http://…@p.io:1)");
        assert!(!format!("{found:?}").contains("hunter2"));
        let bad = proxies(&[("HTTPS_PROXY", "hunter2 ")]).proxy(true, "a.io", 443);
        let wanted = "cannot use the proxy in HTTPS_PROXY: give it as http://HOST:PORT";
        assert_eq!(bad.unwrap_err().to_string(), wanted);
    }
}
