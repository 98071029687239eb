//! Driver options: `driver.key=value`.

use std::path::PathBuf;

use layerhold_archive::ChownErrors;

use crate::size::InvalidSize;
use crate::sync::{InvalidSyncMode, SyncMode};

/// Every driver name an option may start with, whether compiled in or not (Go: internal/driver).
/// `overlay2` is an old name of `overlay`.
const KNOWN_DRIVERS: [&str; 5] = ["overlay", "overlay2", "btrfs", "zfs", "vfs"];

/// Tells whether a driver of Go's library has this name.
pub(crate) fn is_of_go(name: &str) -> bool {
    KNOWN_DRIVERS.contains(&name)
}

/// One parsed driver option.
///
/// ```
/// use layerhold_driver::DriverOption;
///
/// let option = DriverOption::parse("overlay2.MountOpt = nodev,metacopy=on")?;
/// assert_eq!((option.key(), option.value()), ("mountopt", "nodev,metacopy=on"));
/// assert!(option.is_for("overlay"));
/// assert!(!option.is_for("vfs"));
/// assert!(DriverOption::parse(".size=1")?.is_for("vfs"));
/// assert_eq!(option.unknown().to_string(), r#"unknown option "mountopt" ("overlay2.MountOpt = nodev,metacopy=on")"#);
/// # Ok::<(), layerhold_driver::OptionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverOption {
    text: String,
    driver: String,
    key: String,
    value: String,
}

impl DriverOption {
    /// Parses `key=value`. Blanks around key and value are dropped, the key is case-folded, and the
    /// first `=` separates.
    ///
    /// # Errors
    ///
    /// [`OptionError::Syntax`] without `=`, [`OptionError::UnknownDriver`] when what stands before
    /// the first dot is not the name of a driver of Go's library. Those of other drivers are read
    /// by [`parse_for`](Self::parse_for).
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        Self::parse_with(text, "")
    }

    /// Parses an option that may also begin with the name of the driver that asks.
    fn parse_with(text: &str, asking: &str) -> Result<Self, OptionError> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(OptionError::Syntax {
                option: text.to_owned(),
            });
        };
        let key = key.trim().to_lowercase();
        let (driver, name) = key.split_once('.').unwrap_or(("", key.as_str()));
        if !driver.is_empty() && driver != asking && !is_of_go(driver) {
            return Err(OptionError::UnknownDriver {
                driver: driver.to_owned(),
                option: text.to_owned(),
            });
        }
        Ok(Self {
            text: text.to_owned(),
            driver: driver.to_owned(),
            key: name.to_owned(),
            value: value.trim().to_owned(),
        })
    }

    /// The driver that an option names before its first dot, in lower case; empty when it names
    /// none.
    pub(crate) fn name_before_dot(text: &str) -> String {
        let key = text.split_once('=').map_or("", |(key, _)| key);
        let name = key.split_once('.').map_or("", |(name, _)| name);
        name.trim().to_lowercase()
    }

    /// Parses the options meant for `driver`, which need not be one of Go's library, and skips
    /// those meant for others.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), for any option in the list, as in Go.
    pub fn parse_for(driver: &str, texts: &[String]) -> Result<Vec<Self>, OptionError> {
        let mut options = Vec::with_capacity(texts.len());
        for text in texts {
            let option = Self::parse_with(text, driver)?;
            if option.is_for(driver) {
                options.push(option);
            }
        }
        Ok(options)
    }

    /// Tells whether `driver` is to read this option: it names the driver, or none.
    #[must_use]
    pub fn is_for(&self, driver: &str) -> bool {
        self.driver.is_empty()
            || self.driver == driver
            || (driver == "overlay" && self.driver == "overlay2")
    }

    /// The driver that it names; empty when it names none.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The key, in lower case, without the driver's name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Reads the value as a truth value, in the spellings Go's `strconv.ParseBool` takes.
    ///
    /// # Errors
    ///
    /// [`OptionError::Bool`], with Go's text.
    pub fn bool_value(&self) -> Result<bool, OptionError> {
        match self.value.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(OptionError::Bool {
                value: self.value.clone(),
            }),
        }
    }

    /// Reads the value of `ignore_chown_errors`.
    ///
    /// # Errors
    ///
    /// As [`bool_value`](Self::bool_value).
    pub fn chown_errors_value(&self) -> Result<ChownErrors, OptionError> {
        Ok(match self.bool_value()? {
            true => ChownErrors::Ignore,
            false => ChownErrors::Fail,
        })
    }

    /// Reads the value of `sync`, for the driver of this name.
    ///
    /// # Errors
    ///
    /// [`OptionError::SyncMode`].
    pub fn sync_value(&self, driver: &'static str) -> Result<SyncMode, OptionError> {
        let mode = self.value.parse();
        mode.map_err(|source| OptionError::SyncMode { driver, source })
    }

    /// Returns the comma-separated parts of the value.
    pub fn list_value(&self) -> impl Iterator<Item = &str> {
        self.value.split(',')
    }

    /// The error for a key the driver does not know.
    #[must_use]
    pub fn unknown(&self) -> OptionError {
        OptionError::Unknown {
            key: self.key.clone(),
            option: self.text.clone(),
        }
    }
}

/// A driver option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// There is no `=`.
    #[error("unable to parse key/value option: {option}")]
    Syntax {
        /// The option.
        option: String,
    },
    /// No driver has the name before the dot.
    #[error("unknown driver {driver:?} in option {option:?}")]
    UnknownDriver {
        /// The name.
        driver: String,
        /// The option.
        option: String,
    },
    /// The driver has no such option.
    #[error("unknown option {key:?} ({option:?})")]
    Unknown {
        /// The key, in lower case, without the driver's name.
        key: String,
        /// The option as given.
        option: String,
    },
    /// The driver takes no mount options.
    #[error("{driver} driver does not support mount options")]
    MountOptions {
        /// The driver.
        driver: &'static str,
    },
    /// The value is no truth value.
    #[error("strconv.ParseBool: parsing {value:?}: invalid syntax")]
    Bool {
        /// The value.
        value: String,
    },
    /// The value is no sync mode.
    #[error("invalid sync mode for {driver} driver")]
    SyncMode {
        /// The driver.
        driver: &'static str,
        /// Which value.
        #[source]
        source: InvalidSyncMode,
    },
    /// The value is no size.
    #[error(transparent)]
    Size(#[from] InvalidSize),
    /// The value is no number.
    #[error("strconv.{function}: parsing {value:?}: {problem}")]
    Number {
        /// The function of Go's library that reads such numbers.
        function: &'static str,
        /// The value.
        value: String,
        /// `invalid syntax` or `value out of range`.
        problem: &'static str,
    },
    /// A path has to be absolute.
    #[error("{driver}: {what} {path:?} is not absolute.  Can not be relative")]
    Relative {
        /// The driver.
        driver: &'static str,
        /// What the path is meant to be.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// There is nothing at a path.
    #[error("{driver}: can't stat {what}: {reason}")]
    Missing {
        /// The driver.
        driver: &'static str,
        /// What the path is meant to be, and the path.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// A path names something else than a directory.
    #[error("{driver}: {what} {path:?} must be a directory")]
    NoDirectory {
        /// The driver.
        driver: &'static str,
        /// What the path is meant to be.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// What follows the path of an additional layer store is wrong.
    #[error("{driver}: additionallayerstore config {}", reason)]
    LayerStore {
        /// The driver.
        driver: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The option is known, and is not supported yet.
    #[error("{driver}: the option {key} is not supported yet")]
    NotYet {
        /// The driver.
        driver: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A quota was asked for on a filesystem that has none.
    #[error("{0}")]
    Quota(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str, &str), &str>) {
        let parsed = DriverOption::parse(text);
        let actual = parsed
            .map(|o| (o.driver, o.key, o.value))
            .map_err(|e| e.to_string());
        let expected = expected
            .map(|(d, k, v)| (d.to_owned(), k.to_owned(), v.to_owned()))
            .map_err(str::to_owned);
        assert_eq!(actual, expected, "{text:?}");
    }

    #[test]
    fn options_are_taken_apart_as_go_does() {
        check(
            "overlay.mountopt=nodev",
            Ok(("overlay", "mountopt", "nodev")),
        );
        check(".mountopt=nodev", Ok(("", "mountopt", "nodev")));
        check("mountopt=nodev", Ok(("", "mountopt", "nodev")));
        check(
            " VFS.ImageStore = /a,/b ",
            Ok(("vfs", "imagestore", "/a,/b")),
        );
        check("a=b=c", Ok(("", "a", "b=c")));
        check("overlay.a.b=c", Ok(("overlay", "a.b", "c")));
        check("vfs.=", Ok(("vfs", "", "")));
        check("foo", Err("unable to parse key/value option: foo"));
        check(
            "nosuch.x=1",
            Err("unknown driver \"nosuch\" in option \"nosuch.x=1\""),
        );
    }

    #[test]
    fn options_of_other_drivers_are_skipped_but_checked() {
        let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let options = DriverOption::parse_for(
            "vfs",
            &texts(&["overlay.size=1", "vfs.a=1", "b=2", "zfs.c=3"]),
        );
        let keys: Vec<_> = options.into_iter().flatten().map(|o| o.key).collect();
        assert_eq!(keys, ["a", "b"]);
        let own = DriverOption::parse_for("mine", &texts(&["Mine.A=1", "vfs.b=2"]));
        assert_eq!(own.unwrap()[0].key(), "a");
        assert_eq!(
            DriverOption::parse_for("vfs", &texts(&["mine.a=1"])),
            Err(OptionError::UnknownDriver {
                driver: "mine".into(),
                option: "mine.a=1".into()
            })
        );
        assert_eq!(
            DriverOption::parse_for("vfs", &texts(&["btrfs"])),
            Err(OptionError::Syntax {
                option: "btrfs".into()
            })
        );
    }

    #[test]
    fn truth_values_are_those_of_go() {
        let of = |v: &str| DriverOption::parse(&format!("k={v}")).and_then(|o| o.bool_value());
        for yes in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(of(yes), Ok(true));
        }
        for no in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(of(no), Ok(false));
        }
        assert_eq!(
            of("yes").map_err(|e| e.to_string()),
            Err("strconv.ParseBool: parsing \"yes\": invalid syntax".into())
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_apart_or_refused(text in "[a-zA-Z.= ]{0,24}") {
            if let Ok(option) = DriverOption::parse(&text) {
                proptest::prop_assert!(!option.driver.contains('.'));
                proptest::prop_assert_eq!(option.key.to_lowercase(), option.key.clone());
                let again = format!("{}.{}={}", option.driver, option.key, option.value);
                let parsed = DriverOption::parse(&again).map(|o| (o.driver, o.key, o.value));
                proptest::prop_assert_eq!(parsed, Ok((option.driver, option.key, option.value)));
            }
        }
    }
}
