//! User and group ID mappings: ranges, two-way translation, /etc/subuid text, map strings.
