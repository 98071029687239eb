//! `Link`, and the addresses that servers send:
//!
//! - No value makes a parser panic.
//! - The target of a link is a part of the value.
//! - An address, also one that is resolved against another, is one of `http` or `https` without a
//!   user name, is bounded, and is parsed to itself. It is printed without its query.
//! - A relative path or query stays at the origin.

use layerhold_registry::parse::{Url, next_page};

/// More than the longest address: path, query and host.
const LONGEST: usize = 17 * 1024;

/// Checks one input: an address and the value of a header, separated by NUL.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (base, value) = text.split_once('\0').unwrap_or(("", &text));
    let base = base.parse::<Url>().unwrap_or_else(|_| {
        let usual = "https://registry.example:5000/v2/a/tags/list?n=2";
        usual.parse().expect("it is an address")
    });
    check(&base);
    if let Some(target) = next_page(value) {
        assert!(value.contains(target));
        resolve(&base, target);
    }
    resolve(&base, value);
}

fn resolve(base: &Url, reference: &str) {
    let Ok(url) = base.join(reference) else {
        return;
    };
    check(&url);
    let is_relative = !reference.contains(':') && !reference.trim().starts_with("//");
    assert!(!is_relative || url.has_same_origin(base), "{reference:?}");
}

fn check(url: &Url) {
    let text = url.expose();
    assert!(text.len() <= LONGEST);
    assert!(text.starts_with("http://") || text.starts_with("https://"));
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(!url.authority().contains(['@', '/', '?', '#']), "{text:?}");
    assert_eq!(text.parse::<Url>().as_ref(), Ok(url), "{text:?}");
    let shown = url.to_string();
    assert!(
        shown.split('?').nth(1).is_none_or(|query| query == "…"),
        "{shown:?}"
    );
    assert!(url.has_same_origin(url));
}
