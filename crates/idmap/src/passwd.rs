//! Names and numbers of users in the text of `/etc/passwd`.

/// Returns the ID of the user with a name, from the text of `/etc/passwd`. Malformed lines are skipped.
///
/// ```
/// let text = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n";
/// assert_eq!(layerhold_idmap::uid_of_user(text, "alice"), Some(1000));
/// assert_eq!(layerhold_idmap::uid_of_user(text, "bob"), None);
/// ```
#[must_use]
pub fn uid_of_user(passwd: &str, name: &str) -> Option<u32> {
    users(passwd).find_map(|(user, uid)| (user == name).then_some(uid))
}

/// Returns the name of the first user with an ID, from the text of `/etc/passwd`. Malformed lines are skipped.
#[must_use]
pub fn user_of_uid(passwd: &str, uid: u32) -> Option<&str> {
    users(passwd).find_map(|(user, id)| (id == uid).then_some(user))
}

fn users(passwd: &str) -> impl Iterator<Item = (&str, u32)> {
    passwd.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let (name, _password, uid) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name, uid.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_lines_are_skipped() {
        let text = "\n# comment\na:x\nb:x:y:0\nc:x:-1:0\nd:x:5:5:::\nd:x:6:6:::\ne:x:5:5";
        assert_eq!(uid_of_user(text, "b"), None);
        assert_eq!(uid_of_user(text, "d"), Some(5));
        assert_eq!(user_of_uid(text, 5), Some("d"));
        assert_eq!(user_of_uid(text, 7), None);
    }
}
