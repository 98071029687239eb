//! SELinux labels split into their parts.

use std::fmt;

/// An SELinux label: `user:role:type`, or `user:role:type:level`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The SELinux user.
    pub user: String,
    /// The role.
    pub role: String,
    /// The type.
    pub kind: String,
    /// The level, which may contain colons, as in `s0-s0:c1,c2`.
    pub level: Option<String>,
}

impl Context {
    /// Splits a label into its parts; `None` for a text with fewer than three.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        let mut parts = label.splitn(4, ':').map(str::to_owned);
        Some(Self {
            user: parts.next()?,
            role: parts.next()?,
            kind: parts.next()?,
            level: parts.next().filter(|level| !level.is_empty()),
        })
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.user, self.role, self.kind)?;
        match &self.level {
            Some(level) => write!(f, ":{level}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for label in ["u:r:t", "u:r:t:s0", "u:r:t:s0-s0:c1,c2", "::"] {
            assert_eq!(Context::parse(label).unwrap().to_string(), label);
        }
        let level = |label| Context::parse(label).unwrap().level;
        assert_eq!(level("u:r:t:s0:c1,c2").as_deref(), Some("s0:c1,c2"));
        assert_eq!(level("u:r:t:"), None);
        for wrong in ["", "u", "u:r"] {
            assert_eq!(Context::parse(wrong), None, "{wrong:?}");
        }
    }
}
