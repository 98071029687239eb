//! The driver options of overlay.

use std::path::{Component, Path, PathBuf};

use layerhold_archive::ChownErrors;
use layerhold_driver::{DriverOption, OptionError, SyncMode, parse_size};
use layerhold_sys::{PathError, Stat, stat_ambient};

use crate::disk::NAME;

/// The parsed driver options (Go: drivers/overlay/overlay.go, `parseOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OverlayOptions {
    /// `mountopt`: options of every mount.
    pub(crate) mount_options: Vec<String>,
    /// `mountopt` as it was given, which is part of the names of the feature cache.
    pub(crate) mount_option_text: String,
    /// `size` and `inodes`: limits of layers that containers write to.
    pub(crate) limits: Limits,
    /// `imagestore`, `additionalimagestore`: roots of read-only stores.
    pub(crate) additional: Vec<PathBuf>,
    /// `additionallayerstore`.
    pub(crate) layer_stores: Vec<LayerStore>,
    /// `mount_program`.
    pub(crate) mount_program: Option<PathBuf>,
    /// `skip_mount_home`.
    pub(crate) skip_mount_home: bool,
    /// `ignore_chown_errors`.
    pub(crate) chown_errors: ChownErrors,
    /// `force_mask`.
    pub(crate) force_mask: Option<u32>,
    /// `sync`.
    pub(crate) sync: Option<SyncMode>,
}

/// The limits of a layer; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes.
    pub(crate) size: u64,
    /// Inodes.
    pub(crate) inodes: u64,
}

impl Limits {
    pub(crate) fn are_set(self) -> bool {
        self.size > 0 || self.inodes > 0
    }
}

/// A directory in which another program shows layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerStore {
    pub(crate) path: PathBuf,
    /// Whether layers are below a directory named after the image.
    pub(crate) with_reference: bool,
}

impl OverlayOptions {
    pub(crate) fn parse(texts: &[String]) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        for option in DriverOption::parse_for(NAME, texts)? {
            parsed.set(&option)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, option: &DriverOption) -> Result<(), OptionError> {
        let value = option.value();
        match option.key() {
            // Of use only on kernels before 4.0.
            "override_kernel_check" => {}
            "mountopt" => {
                self.mount_option_text = value.to_owned();
                let options = value.split(',').filter(|option| !option.is_empty());
                self.mount_options = options.map(str::to_owned).collect();
            }
            "size" => self.limits.size = parse_size(value)?,
            "inodes" => self.limits.inodes = parse_count(value)?,
            "imagestore" | "additionalimagestore" => {
                for path in parts(value) {
                    self.additional.push(image_store(path)?);
                }
            }
            "additionallayerstore" => {
                for text in parts(value) {
                    self.layer_stores.push(layer_store(text)?);
                }
            }
            "use_composefs" => {
                if option.bool_value()? {
                    let key = "use_composefs";
                    return Err(OptionError::NotYet { driver: NAME, key });
                }
            }
            "mount_program" => self.mount_program = program(value)?,
            "skip_mount_home" => self.skip_mount_home = option.bool_value()?,
            "ignore_chown_errors" => self.chown_errors = option.chown_errors_value()?,
            "force_mask" => self.force_mask = Some(parse_mask(value)?),
            "sync" => self.sync = Some(option.sync_value(NAME)?),
            _ => return Err(option.unknown()),
        }
        Ok(())
    }
}

/// The parts of a list; an empty text is no list.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').filter(move |_| !value.is_empty())
}

/// Reads a number of inodes.
pub(crate) fn parse_count(value: &str) -> Result<u64, OptionError> {
    let problem = |problem| OptionError::Number {
        function: "ParseUint",
        value: value.to_owned(),
        problem,
    };
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(problem("invalid syntax"));
    }
    value.parse().map_err(|_| problem("value out of range"))
}

fn parse_mask(value: &str) -> Result<u32, OptionError> {
    match value {
        "shared" => return Ok(0o755),
        "private" => return Ok(0o700),
        _ => {}
    }
    let problem = |problem| OptionError::Number {
        function: "ParseInt",
        value: value.to_owned(),
        problem,
    };
    if value.is_empty() || !value.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        return Err(problem("invalid syntax"));
    }
    match u32::from_str_radix(value, 8) {
        // A mode has no more bits. Go accepts them and fails at the first file.
        Ok(mask) if mask <= 0o7777 => Ok(mask),
        _ => Err(problem("value out of range")),
    }
}

fn program(value: &str) -> Result<Option<PathBuf>, OptionError> {
    if value.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(value);
    match stat_ambient(&path) {
        Ok(Some(_)) => Ok(Some(path)),
        other => Err(missing(format!("program {value:?}"), &path, other)),
    }
}

fn image_store(text: &str) -> Result<PathBuf, OptionError> {
    directory(text, "image path", |path| {
        format!("imageStore dir {}", path.display())
    })
}

/// Reads the path of a directory that has to exist. `found_missing` describes one that does not.
fn directory(
    text: &str,
    what: &'static str,
    found_missing: impl FnOnce(&Path) -> String,
) -> Result<PathBuf, OptionError> {
    let path = clean(Path::new(text));
    if !path.is_absolute() {
        return Err(OptionError::Relative {
            driver: NAME,
            what,
            path,
        });
    }
    match stat_ambient(&path) {
        Ok(Some(stat)) if stat.is_dir() => Ok(path),
        Ok(Some(_)) => Err(OptionError::NoDirectory {
            driver: NAME,
            what,
            path,
        }),
        other => Err(missing(found_missing(&path), &path, other)),
    }
}

fn layer_store(text: &str) -> Result<LayerStore, OptionError> {
    let mut parts = text.split(':');
    let path = parts.next().unwrap_or_default();
    let path = directory(path, "additionallayerstore path", |_| {
        "additionallayerstore dir".to_owned()
    })?;
    let mut with_reference = false;
    for part in parts {
        let reason = match part {
            "ref" if !with_reference => {
                with_reference = true;
                continue;
            }
            "ref" => format!("of {:?} contains \"ref\" option twice", path.display()),
            _ => format!("{:?} contains unknown option {part:?}", path.display()),
        };
        return Err(OptionError::LayerStore {
            driver: NAME,
            reason,
        });
    }
    Ok(LayerStore {
        path,
        with_reference,
    })
}

fn missing(what: String, path: &Path, outcome: Result<Option<Stat>, PathError>) -> OptionError {
    let why = match outcome {
        Err(error) => error.into_source().to_string(),
        Ok(_) => "no such file or directory".to_owned(),
    };
    OptionError::Missing {
        driver: NAME,
        what,
        reason: format!("stat {}: {why}", path.display()),
    }
}

/// Removes `.`, `..` and repeated slashes without asking the filesystem (Go: `filepath.Clean`).
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if cleaned.file_name().is_some_and(|name| name != "..") => {
                cleaned.pop();
            }
            Component::ParentDir if cleaned.is_absolute() => {}
            other => cleaned.push(other),
        }
    }
    if cleaned.as_os_str().is_empty() {
        cleaned.push(".");
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(texts: &[&str], expected: Result<OverlayOptions, &str>) {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        let actual = OverlayOptions::parse(&texts).map_err(|error| error.to_string());
        assert_eq!(actual, expected.map_err(str::to_owned), "{texts:?}");
    }

    fn with(change: impl FnOnce(&mut OverlayOptions)) -> Result<OverlayOptions, &'static str> {
        let mut options = OverlayOptions::default();
        change(&mut options);
        Ok(options)
    }

    #[test]
    fn options_of_overlay() {
        check(&[], with(|_| ()));
        check(
            &["overlay.mountopt=nodev,metacopy=on", "vfs.size=1"],
            with(|o| {
                o.mount_option_text = "nodev,metacopy=on".into();
                o.mount_options = vec!["nodev".into(), "metacopy=on".into()];
            }),
        );
        check(
            &["overlay2.size=10G", ".inodes=100"],
            with(|o| (o.limits.size, o.limits.inodes) = (10 << 30, 100)),
        );
        check(
            &[
                "imagestore=/usr/../usr/lib,/",
                "additionalimagestore=/etc",
                "imagestore=",
            ],
            with(|o| o.additional = vec!["/usr/lib".into(), "/".into(), "/etc".into()]),
        );
        let layer_store = |path: &str, with_reference| LayerStore {
            path: path.into(),
            with_reference,
        };
        check(
            &["additionallayerstore=/usr:ref,/etc"],
            with(|o| o.layer_stores = vec![layer_store("/usr", true), layer_store("/etc", false)]),
        );
        check(
            &["mount_program=/bin/sh", "skip_mount_home=true"],
            with(|o| (o.mount_program, o.skip_mount_home) = (Some("/bin/sh".into()), true)),
        );
        check(
            &[
                "mount_program=",
                "override_kernel_check=x",
                "use_composefs=f",
            ],
            with(|_| ()),
        );
        check(
            &["ignore_chown_errors=true", "sync=filesystem"],
            with(|o| {
                o.chown_errors = ChownErrors::Ignore;
                o.sync = Some(SyncMode::Filesystem);
            }),
        );
        for (text, mask) in [
            ("shared", 0o755),
            ("private", 0o700),
            ("1777", 0o1777),
            ("0", 0),
        ] {
            check(
                &[&format!("force_mask={text}")],
                with(|o| o.force_mask = Some(mask)),
            );
        }
    }

    #[test]
    fn refusals_are_worded_as_in_go() {
        for (option, expected) in [
            ("overlay.zzz=1", r#"unknown option "zzz" ("overlay.zzz=1")"#),
            (
                "nosuch.size=1",
                r#"unknown driver "nosuch" in option "nosuch.size=1""#,
            ),
            ("size", "unable to parse key/value option: size"),
            ("size=x", "invalid size: 'x'"),
            (
                "inodes=x",
                r#"strconv.ParseUint: parsing "x": invalid syntax"#,
            ),
            (
                "inodes=99999999999999999999",
                r#"strconv.ParseUint: parsing "99999999999999999999": value out of range"#,
            ),
            (
                "imagestore=a",
                r#"overlay: image path "a" is not absolute.  Can not be relative"#,
            ),
            (
                "imagestore=/no/such",
                "overlay: can't stat imageStore dir /no/such: stat /no/such: no such file or directory",
            ),
            (
                "imagestore=/bin/sh",
                r#"overlay: image path "/bin/sh" must be a directory"#,
            ),
            (
                "additionallayerstore=a",
                r#"overlay: additionallayerstore path "a" is not absolute.  Can not be relative"#,
            ),
            (
                "additionallayerstore=/no/such",
                "overlay: can't stat additionallayerstore dir: stat /no/such: no such file or directory",
            ),
            (
                "additionallayerstore=/bin/sh",
                r#"overlay: additionallayerstore path "/bin/sh" must be a directory"#,
            ),
            (
                "additionallayerstore=/etc:ref:ref",
                r#"overlay: additionallayerstore config of "/etc" contains "ref" option twice"#,
            ),
            (
                "additionallayerstore=/etc:x",
                r#"overlay: additionallayerstore config "/etc" contains unknown option "x""#,
            ),
            (
                "use_composefs=yes",
                r#"strconv.ParseBool: parsing "yes": invalid syntax"#,
            ),
            (
                "use_composefs=true",
                "overlay: the option use_composefs is not supported yet",
            ),
            (
                "mount_program=/no/such",
                r#"overlay: can't stat program "/no/such": stat /no/such: no such file or directory"#,
            ),
            (
                "skip_mount_home=x",
                r#"strconv.ParseBool: parsing "x": invalid syntax"#,
            ),
            (
                "ignore_chown_errors=x",
                r#"strconv.ParseBool: parsing "x": invalid syntax"#,
            ),
            (
                "force_mask=rwx",
                r#"strconv.ParseInt: parsing "rwx": invalid syntax"#,
            ),
            (
                "force_mask=7777777777777",
                r#"strconv.ParseInt: parsing "7777777777777": value out of range"#,
            ),
            ("sync=always", "invalid sync mode for overlay driver"),
        ] {
            check(&[option], Err(expected));
        }
    }

    #[test]
    fn paths_are_cleaned_as_in_go() {
        for (path, expected) in [
            ("/a/./b//c/", "/a/b/c"),
            ("/../a", "/a"),
            ("a/..", "."),
            ("../a/../..", "../.."),
            ("", "."),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path:?}");
        }
    }
}
