//! The arguments of the commands that talk to registries.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
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

/// A password, which no message shows.
#[expect(clippy::unnecessary_wraps, reason = "a parser of values may fail")]
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}
