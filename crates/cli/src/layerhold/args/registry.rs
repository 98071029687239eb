//! The arguments of the commands that talk to registries.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use layerhold_oci::Platform;
use layerhold_registry_auth::Secret;

/// How registries are reached.
#[derive(Debug, Args)]
pub struct Reaching {
    /// The file of credentials, in place of those that podman uses
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// The directory of certificates, in place of those in certs.d
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,
    /// Whether TLS is required and certificates are checked [default: as registries.conf says]
    #[arg(
        long,
        value_name = "BOOL",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        value_parser = BoolishValueParser::new()
    )]
    pub tls_verify: Option<bool>,
}

/// Arguments of `login`.
#[derive(Debug, Args)]
pub struct Login {
    /// The registry, or a namespace or repository in it, such as quay.io/team [default: the first
    /// registry that short names are searched in]
    pub registry: Option<String>,
    /// The user name
    #[arg(long, short, value_name = "NAME")]
    pub username: Option<String>,
    /// The password, which other users of this machine can see: better is --password-stdin
    #[arg(long, short, value_name = "PASSWORD", value_parser = secret)]
    pub password: Option<Secret>,
    /// Take the password from standard input
    #[arg(long, requires = "username", conflicts_with = "password")]
    pub password_stdin: bool,
    /// How the registry is reached.
    #[command(flatten)]
    pub reaching: Reaching,
    /// A file of docker's to store the credentials in
    #[arg(long, value_name = "FILE", conflicts_with = "authfile")]
    pub compat_auth_file: Option<PathBuf>,
    /// Print the user who is logged in, and change nothing
    #[arg(long)]
    pub get_login: bool,
    /// Say where the credentials are stored
    #[arg(long, short)]
    pub verbose: bool,
}

/// Arguments of `logout`.
#[derive(Debug, Args)]
pub struct Logout {
    /// The registry, or the namespace or repository, as it was given to `login` [default: the first
    /// registry that short names are searched in]
    pub registry: Option<String>,
    /// Remove the credentials for all registries
    #[arg(long, short, conflicts_with = "registry")]
    pub all: bool,
    /// The file of credentials, in place of the one that podman uses
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// A file of docker's to remove the credentials from
    #[arg(long, value_name = "FILE", conflicts_with = "authfile")]
    pub compat_auth_file: Option<PathBuf>,
}

/// How registries are reached, and with which credentials.
#[derive(Debug, Args)]
pub struct Access {
    /// How they are reached.
    #[command(flatten)]
    pub reaching: Reaching,
    /// Credentials in place of a login; a password that is not given is asked for
    #[arg(long, value_name = "USER[:PASSWORD]", value_parser = secret)]
    pub creds: Option<Secret>,
}

impl Access {
    /// Whether any of the options is given.
    pub(crate) fn is_given(&self) -> bool {
        let Reaching {
            authfile,
            cert_dir,
            tls_verify,
        } = &self.reaching;
        authfile.is_some() || cert_dir.is_some() || tls_verify.is_some() || self.creds.is_some()
    }
}

/// Arguments of `tags`.
#[derive(Debug, Args)]
pub struct Tags {
    /// The repository, such as quay.io/podman/hello
    pub repository: String,
    /// How the registry is reached.
    #[command(flatten)]
    pub access: Access,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Layers, images or containers, by name, ID or unique prefix of an ID; with --remote the name
    /// of an image
    #[arg(required = true)]
    pub items: Vec<String>,
    /// Show an image in its registry
    #[arg(long)]
    pub remote: bool,
    /// Print the manifest as the registry has it, or with --config the configuration
    #[arg(long, requires = "remote")]
    pub raw: bool,
    /// Print the configuration
    #[arg(long, requires = "remote")]
    pub config: bool,
    /// Do not list the other tags, which JSON has
    #[arg(long, requires = "remote")]
    pub no_tags: bool,
    /// The platform of multi-platform images: OS/ARCHITECTURE[/VARIANT]
    #[arg(long, value_name = "PLATFORM", requires = "remote")]
    pub platform: Option<Platform>,
    /// How the registry is reached.
    #[command(flatten)]
    pub access: Access,
}

/// How long a transfer tries.
#[derive(Debug, Args)]
pub struct Patience {
    /// How often a request that fails is repeated; bytes that come or go start the count again
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    pub retry: u32,
    /// The first pause between attempts; it doubles with each one
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1s")]
    pub retry_delay: Duration,
    /// The longest time for all, such as 90s or 10m [default: none]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub timeout: Option<Duration>,
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub struct Pull {
    /// The images: a name, a name with a digest, or a short name
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// The platform of multi-platform images: OS/ARCHITECTURE[/VARIANT] [default: of this machine]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<Platform>,
    /// The same as parts: the architecture
    #[arg(long, value_name = "ARCH", conflicts_with = "platform")]
    pub arch: Option<String>,
    /// The operating system
    #[arg(long, value_name = "OS", conflicts_with = "platform")]
    pub os: Option<String>,
    /// The variant of the architecture
    #[arg(long, value_name = "VARIANT", conflicts_with = "platform")]
    pub variant: Option<String>,
    /// Refused: a name in a store is that of one image
    #[arg(long, conflicts_with = "platform", hide = true)]
    pub all_platforms: bool,
    /// A name for the image in the store, instead of the one that it is pulled by
    #[arg(long, short, value_name = "NAME")]
    pub name: Vec<String>,
    /// When the registry is asked
    #[arg(long, value_enum, value_name = "WHEN", default_value = "always")]
    pub policy: PullPolicy,
    /// Drop the signatures of the image, after they have been checked
    #[arg(long)]
    pub remove_signatures: bool,
    /// The file that says which images are trusted, in place of policy.json
    #[arg(long, value_name = "FILE")]
    pub signature_policy: Option<PathBuf>,
    /// How many layers are fetched at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 6, value_parser = connections())]
    pub connections: u8,
    /// How the registry is reached.
    #[command(flatten)]
    pub access: Access,
    /// How long it is tried.
    #[command(flatten)]
    pub patience: Patience,
}

/// When a registry is asked for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PullPolicy {
    /// Each time
    Always,
    /// If the store has no image of that name
    Missing,
    /// Never: the image must be in the store
    Never,
    /// Each time; if that fails, the image in the store is good enough
    Newer,
}

/// Arguments of `push`.
#[derive(Debug, Args)]
pub struct Push {
    /// The image, by name, ID or unique prefix of an ID, and its name in the registry [default: the
    /// name of the image]; several images before the last name become one for several platforms
    #[arg(required = true, value_name = "IMAGE... [DESTINATION]")]
    pub images: Vec<String>,
    /// The compression of layers [default: as they came; gzip for those that were not compressed]
    #[arg(long, value_enum, value_name = "CODEC", alias = "compression-format")]
    pub compression: Option<PushCodec>,
    /// How hard layers are compressed: 1 to 9 for gzip, 1 to 19 for zstd
    #[arg(long, value_name = "LEVEL", requires = "compression")]
    pub compression_level: Option<u8>,
    /// The format of the manifest [default: as it is]; `--format` takes it too
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub manifest_format: Option<ManifestChoice>,
    /// Fail if the image would get another digest than it has in the store
    #[arg(long)]
    pub preserve_digests: bool,
    /// Write the digest of what was pushed to this file
    #[arg(long, value_name = "FILE", alias = "digestfile")]
    pub digest_file: Option<PathBuf>,
    /// Leave the signatures of the image behind
    #[arg(long)]
    pub remove_signatures: bool,
    /// How many layers are sent at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 6, value_parser = connections())]
    pub connections: u8,
    /// How the registry is reached.
    #[command(flatten)]
    pub access: Access,
    /// How long it is tried.
    #[command(flatten)]
    pub patience: Patience,
}

/// The compression of pushed layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PushCodec {
    /// gzip
    Gzip,
    /// zstd
    Zstd,
    /// Uncompressed
    None,
}

/// The formats of manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ManifestChoice {
    /// OCI's
    Oci,
    /// Docker's "schema 2"
    #[value(alias = "v2s2")]
    Docker,
}

/// Why a text is no time.
#[derive(Debug, thiserror::Error)]
#[error("give a number of seconds, or with a unit: 500ms, 30s, 10m or 2h")]
struct NoDuration;

/// A time such as `90`, `90s` or `10m`.
fn time(text: &str) -> Result<Duration, NoDuration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| NoDuration)?;
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(NoDuration),
    };
    let all = number.checked_mul(milliseconds).ok_or(NoDuration)?;
    Ok(Duration::from_millis(all))
}

/// Enough for the fastest network.
fn connections() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(1..=32)
}

/// A password, which no message shows.
#[expect(clippy::unnecessary_wraps, reason = "a parser of values may fail")]
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        for (text, milliseconds) in [
            ("0", Some(0)),
            ("90", Some(90_000)),
            ("90s", Some(90_000)),
            ("500ms", Some(500)),
            ("10m", Some(600_000)),
            ("2h", Some(7_200_000)),
            ("", None),
            ("s", None),
            ("1d", None),
            ("-1s", None),
            ("18446744073709551615h", None),
        ] {
            let found = time(text).ok().map(|time| time.as_millis());
            assert_eq!(found, milliseconds, "{text}");
        }
    }
}
