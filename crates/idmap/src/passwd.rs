//! Looks up users in the text of `/etc/passwd`, and groups in that of `/etc/group`.

use crate::DEFAULT_OVERFLOW_ID;

/// The names of the overflow user and group, which need not exist in a user namespace.
const OVERFLOW_NAMES: [&str; 2] = ["nobody", "nogroup"];

/// Returns the ID of a user, from the text of `/etc/passwd`. Malformed lines are skipped.
///
/// ```
/// let text = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n";
/// assert_eq!(layerhold_idmap::uid_of_user(text, "alice"), Some(1000));
/// assert_eq!(layerhold_idmap::uid_of_user(text, "bob"), None);
/// ```
#[must_use]
pub fn uid_of_user(passwd: &str, name: &str) -> Option<u32> {
    users(passwd).find_map(|entry| (entry.name == name).then_some(entry.uid))
}

/// Returns the name of the first user with this ID, from the text of `/etc/passwd`. Malformed lines
/// are skipped.
#[must_use]
pub fn user_of_uid(passwd: &str, uid: u32) -> Option<&str> {
    users(passwd).find_map(|entry| (entry.uid == uid).then_some(entry.name))
}

/// Returns the home directory of the first user with this ID, from the text of `/etc/passwd`.
/// `None` also where that user has none. Malformed lines are skipped.
///
/// ```
/// let text = "root:x:0:0:root:/root:/bin/sh\nnone:x:8:8:::\n";
/// assert_eq!(layerhold_idmap::home_of_uid(text, 0), Some("/root"));
/// assert_eq!(layerhold_idmap::home_of_uid(text, 8), None);
/// ```
#[must_use]
pub fn home_of_uid(passwd: &str, uid: u32) -> Option<&str> {
    let entry = users(passwd).find(|entry| entry.uid == uid)?;
    entry.home.filter(|home| !home.is_empty())
}

/// A line: name, password, UID, GID, comment, home, shell.
struct Entry<'t> {
    name: &'t str,
    uid: u32,
    home: Option<&'t str>,
}

fn users(passwd: &str) -> impl Iterator<Item = Entry<'_>> {
    passwd.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let (name, _password, uid) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Entry {
            name,
            uid: uid.parse().ok()?,
            home: parts.nth(2),
        })
    })
}

/// Returns the size that a user namespace needs to contain all users and groups of these texts: the
/// greatest ID plus one. `nobody` and `nogroup` do not count, nor does their usual ID (Go:
/// userns.go, `parseMountedFiles`). Malformed lines and numbers are skipped.
///
/// ```
/// use layerhold_idmap::ids_named;
///
/// let passwd = "root:x:0:0::/:\nwww:x:33:1033::/:\nnobody:x:99:99::/:\n";
/// assert_eq!(ids_named(passwd, "games:x:60:\nbig:x:65534:\n"), 1034);
/// assert_eq!(ids_named("", ""), 0);
/// ```
#[must_use]
pub fn ids_named(passwd: &str, group: &str) -> u64 {
    let of_users = passwd.lines().flat_map(|line| numbers(line, 2));
    let of_groups = group.lines().flat_map(|line| numbers(line, 1));
    let counted = of_users
        .chain(of_groups)
        .filter(|id| *id != DEFAULT_OVERFLOW_ID);
    counted.map(|id| u64::from(id) + 1).max().unwrap_or(0)
}

/// Up to `count` fields of a line from the third on, if they are IDs; none for `nobody`.
fn numbers(line: &str, count: usize) -> impl Iterator<Item = u32> {
    let name = line.split(':').next().unwrap_or_default();
    let count = if OVERFLOW_NAMES.contains(&name) {
        0
    } else {
        count
    };
    let parts = line.split(':').skip(2).take(count);
    parts.filter_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_panics(passwd in ".*\\PC*", group in "([a-z]{0,3}:x:[0-9]{1,12}:[0-9-]{1,3}\n?){0,4}") {
            let needed = ids_named(&passwd, &group);
            prop_assert!(needed <= 1 << 32);
            prop_assert!(needed >= ids_named("", &group));
        }
    }

    #[test]
    fn the_greatest_id_counts_wherever_it_is() {
        let named = |passwd, group| ids_named(passwd, group);
        assert_eq!(named("a:x:0:0::/:", ""), 1);
        // Consecutive lines: none of them is missed.
        assert_eq!(named("a:x:0:0:\nb:x:1:1:\nc:x:2:2:\n", ""), 3);
        assert_eq!(named("a:x:5:7::/:", "g:x:6:"), 8);
        assert_eq!(named("a:x:5:5::/:", "g:x:60:5000"), 61);
        assert_eq!(named("nobody:x:70000:70000::/:", "nogroup:x:70001:"), 0);
        assert_eq!(named("a:x:65534:65534::/:", "b:x:65534:"), 0);
        assert_eq!(named("a:x:-1:4294967296::/:\nb\n\n:::", "#\nc:x"), 0);
        assert_eq!(named("a:x:4294967295:0::/:", ""), 1 << 32);
    }

    #[test]
    fn homes_are_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbad\nu:x:7:7::/home/u:\nnone:x:8:8:::\n";
        assert_eq!(home_of_uid(users, 0), Some("/root"));
        assert_eq!(home_of_uid(users, 7), Some("/home/u"));
        assert_eq!(home_of_uid(users, 8), None);
        assert_eq!(home_of_uid(users, 9), None);
        let users = "root:x:0:0:root:/root:/bin/sh\nodd\nu:x:7:7:::\n";
        assert_eq!(home_of_uid(users, 0), Some("/root"));
        assert_eq!(home_of_uid(users, 7), None);
        assert_eq!(home_of_uid(users, 8), None);
    }

    #[test]
    fn malformed_lines_are_skipped() {
        let text = "\n# comment\na:x\nb:x:y:0\nc:x:-1:0\nd:x:5:5:::\nd:x:6:6:::\ne:x:5:5";
        assert_eq!(uid_of_user(text, "b"), None);
        assert_eq!(uid_of_user(text, "d"), Some(5));
        assert_eq!(user_of_uid(text, 5), Some("d"));
        assert_eq!(user_of_uid(text, 7), None);
    }
}
