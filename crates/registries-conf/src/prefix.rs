//! Whether a prefix matches a name (Go: `refMatchingPrefix`).

/// What a wildcard prefix begins with.
pub(crate) const WILDCARD: &str = "*.";

/// Returns how many bytes of a full name a prefix stands for, if it matches.
///
/// A prefix ends where a tag, a digest or a folder begins. A port begins like a tag, so
/// `example.com` also matches `example.com:5000/app`, as in Go.
pub(crate) fn matched(name: &str, prefix: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*') {
        Some(domain) if prefix.starts_with(WILDCARD) => {
            // Only the first occurrence counts, as in Go.
            let at = name.find(domain)?;
            let is_in_host = !name.get(..at)?.contains('/');
            is_in_host.then_some(at + domain.len())?
        }
        _ => name.starts_with(prefix).then_some(prefix.len())?,
    };
    let rest = name.get(end..)?;
    (rest.is_empty() || rest.starts_with([':', '/', '@'])).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_borders() {
        for (name, prefix, wanted) in [
            ("a.io/b/c:1", "a.io", Some(4)),
            ("a.io/b/c:1", "a.io/b", Some(6)),
            ("a.io/b/c:1", "a.io/b/c", Some(8)),
            ("a.io/b/c:1", "a.io/b/c:1", Some(10)),
            ("a.io/b/c@x", "a.io/b/c", Some(8)),
            ("a.io:5000/b", "a.io", Some(4)),
            ("a.io/bc", "a.io/b", None),
            ("a.io.b/c", "a.io", None),
            ("a.io", "a.io/b", None),
            ("b.io/a.io", "a.io", None),
        ] {
            assert_eq!(matched(name, prefix), wanted, "{name} {prefix}");
        }
    }

    #[test]
    fn wildcards_stand_for_subdomains() {
        for (name, prefix, wanted) in [
            ("x.a.io/b", "*.a.io", Some(6)),
            ("y.x.a.io:1/b", "*.a.io", Some(8)),
            ("a.io/b", "*.a.io", None),
            ("xa.io/b", "*.a.io", None),
            ("b.io/x.a.io", "*.a.io", None),
            ("x.a.io.b/c", "*.a.io", None),
            ("x.a.io.a.io/c", "*.a.io", None),
            ("*x/b", "*x", Some(2)),
        ] {
            assert_eq!(matched(name, prefix), wanted, "{name} {prefix}");
        }
    }
}
