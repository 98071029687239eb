//! Platforms: which of several manifests fits this machine, or a requested platform.

use std::fmt;
use std::str::FromStr;

use crate::typed::Typed;

/// An operating system, an architecture and, where it matters, a variant of it.
///
/// Names are those of the OCI image index specification, which are Go's (`linux`, `amd64`,
/// `arm64`, …).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    /// The architecture, for example `amd64`.
    pub architecture: String,
    /// The operating system, for example `linux`.
    pub os: String,
    /// The variant of the architecture, for example `v8`; empty when there is none.
    pub variant: String,
}

/// A platform text that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a platform: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT")]
pub struct ParsePlatformError {
    /// The text as it was given.
    pub text: String,
}

impl Platform {
    /// The platform that this program was built for.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "x86" => ("386", ""),
            "aarch64" => ("arm64", "v8"),
            "arm" => ("arm", "v7"),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", ""),
            "powerpc64" => ("ppc64", ""),
            "loongarch64" => ("loong64", ""),
            other => (other, ""),
        };
        Platform {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// The platform in a document; missing texts are empty.
    pub(crate) fn of(fields: &Typed) -> Self {
        let text = |name| fields.get(name).text().to_owned();
        Platform {
            architecture: text("architecture"),
            os: text("os"),
            variant: text("variant"),
        }
    }

    /// The platform in a descriptor, unless it is empty.
    pub(crate) fn named(fields: &Typed) -> Option<Self> {
        let platform = Self::of(fields);
        (!platform.os.is_empty() || !platform.architecture.is_empty()).then_some(platform)
    }

    /// How well an image for `offered` runs on this platform: `None` if it does not, and otherwise
    /// a rank; smaller is better.
    ///
    /// A wanted variant accepts itself first, then older variants of the same architecture from
    /// new to old, then an image that names none (Go: `image/internal/pkg/platform`).
    pub fn rank(&self, offered: &Platform) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        let order = compatible_variants(&self.architecture, &self.variant);
        order
            .iter()
            .position(|variant| *variant == offered.variant)
            .and_then(|at| u32::try_from(at).ok())
    }
}

/// Lists the variants that run on `variant`, best first; the empty variant stands for "unnamed".
fn compatible_variants<'a>(architecture: &str, variant: &'a str) -> Vec<&'a str> {
    let known: &[&str] = match architecture {
        "arm" => &["v8", "v7", "v6", "v5"],
        "arm64" => &["v8"],
        "amd64" => &["v4", "v3", "v2", "v1"],
        _ => &[],
    };
    if variant.is_empty() {
        // No variant is requested: an unnamed variant first, then the one that every machine of
        // this kind can run.
        let mut order = vec![""];
        order.extend(known.last().copied());
        if architecture == "arm" {
            order.extend(["v6", "v7"]);
        }
        return order;
    }
    match known.iter().position(|name| *name == variant) {
        Some(at) => known.iter().skip(at).copied().chain([""]).collect(),
        None => vec![variant, ""],
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        let platform = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None)
                if !os.is_empty() && !architecture.is_empty() =>
            {
                Platform {
                    architecture: canonical_architecture(architecture).to_owned(),
                    os: os.to_owned(),
                    variant: variant.unwrap_or_default().to_owned(),
                }
            }
            _ => {
                return Err(ParsePlatformError {
                    text: text.to_owned(),
                });
            }
        };
        Ok(platform)
    }
}

/// Names of the kernel are as common as Go's.
fn canonical_architecture(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" | "x86" => "386",
        other => other,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn texts_are_read_and_printed() {
        for (text, printed) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), printed);
        }
        for text in ["", "linux", "/amd64", "linux/", "linux/arm/v7/x"] {
            assert_eq!(
                text.parse::<Platform>(),
                Err(ParsePlatformError {
                    text: text.to_owned()
                })
            );
        }
    }

    #[test]
    fn a_closer_variant_ranks_better() {
        let wanted = platform("linux/arm/v7");
        assert_eq!(wanted.rank(&platform("linux/arm/v7")), Some(0));
        assert_eq!(wanted.rank(&platform("linux/arm/v6")), Some(1));
        assert_eq!(wanted.rank(&platform("linux/arm")), Some(3));
        assert_eq!(wanted.rank(&platform("linux/arm/v8")), None);
        assert_eq!(wanted.rank(&platform("linux/arm64")), None);
        assert_eq!(wanted.rank(&platform("windows/arm/v7")), None);
    }

    #[test]
    fn arm64_without_and_with_a_variant_are_the_same_machine() {
        let wanted = platform("linux/arm64/v8");
        assert_eq!(wanted.rank(&platform("linux/arm64")), Some(1));
        assert_eq!(
            platform("linux/arm64").rank(&platform("linux/arm64/v8")),
            Some(1)
        );
    }
}
