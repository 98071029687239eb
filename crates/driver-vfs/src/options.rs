//! The driver options of vfs.

use std::path::PathBuf;

use layerhold_archive::ChownErrors;
use layerhold_driver::{DriverOption, OptionError, SyncMode};

use crate::homes::NAME;

/// What the driver options say (Go: drivers/vfs/driver.go, `Init`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct VfsOptions {
    /// `imagestore`: roots of read-only stores.
    pub(crate) additional: Vec<PathBuf>,
    /// `ignore_chown_errors`.
    pub(crate) chown_errors: ChownErrors,
    /// `sync`. Released versions of Go's library write this option into their own configuration,
    /// and then refuse it.
    pub(crate) sync: Option<SyncMode>,
}

impl VfsOptions {
    pub(crate) fn parse(texts: &[String]) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        for option in DriverOption::parse_for(NAME, texts)? {
            parsed.set(&option)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, option: &DriverOption) -> Result<(), OptionError> {
        match option.key() {
            "imagestore" => self
                .additional
                .extend(option.list_value().map(PathBuf::from)),
            "mountopt" => return Err(OptionError::MountOptions { driver: NAME }),
            "ignore_chown_errors" => self.chown_errors = option.chown_errors_value()?,
            "sync" => self.sync = Some(option.sync_value(NAME)?),
            _ => return Err(option.unknown()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(texts: &[&str], expected: Result<VfsOptions, &str>) {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        let actual = VfsOptions::parse(&texts).map_err(|error| error.to_string());
        assert_eq!(actual, expected.map_err(str::to_owned), "{texts:?}");
    }

    #[test]
    fn options_of_vfs() {
        let additional = |paths: &[&str]| VfsOptions {
            additional: paths.iter().map(PathBuf::from).collect(),
            ..VfsOptions::default()
        };
        let chown = |chown_errors| VfsOptions {
            chown_errors,
            ..VfsOptions::default()
        };
        let sync = |mode| VfsOptions {
            sync: Some(mode),
            ..VfsOptions::default()
        };
        check(&[], Ok(VfsOptions::default()));
        check(
            &["overlay.mountopt=nodev", "zfs.fsname=x"],
            Ok(VfsOptions::default()),
        );
        check(
            &["vfs.imagestore=/a,/b", ".ImageStore=/c"],
            Ok(additional(&["/a", "/b", "/c"])),
        );
        check(
            &["ignore_chown_errors=true"],
            Ok(chown(ChownErrors::Ignore)),
        );
        check(&["vfs.ignore_chown_errors=0"], Ok(chown(ChownErrors::Fail)));
        check(&["vfs.sync=filesystem"], Ok(sync(SyncMode::Filesystem)));
        check(&[".sync="], Ok(sync(SyncMode::None)));
    }

    #[test]
    fn refusals_are_worded_as_in_go() {
        check(
            &["mountopt=nodev"],
            Err("vfs driver does not support mount options"),
        );
        check(
            &["vfs.size=1"],
            Err(r#"unknown option "size" ("vfs.size=1")"#),
        );
        check(&["sync=always"], Err("invalid sync mode for vfs driver"));
        check(
            &["ignore_chown_errors=maybe"],
            Err(r#"strconv.ParseBool: parsing "maybe": invalid syntax"#),
        );
        check(&["size"], Err("unable to parse key/value option: size"));
    }
}
