//! The arguments of the commands that make images.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use layerhold_oci::Platform;
use layerhold_schema::Timestamp;

/// Arguments of `build`.
#[derive(Debug, Args)]
pub struct Build {
    /// A name for the image
    #[arg(long, short, value_name = "NAME")]
    pub name: Vec<String>,
    /// The image to build on [default: none]
    #[arg(long, value_name = "IMAGE")]
    pub base: Option<String>,
    /// The new layers.
    #[command(flatten)]
    pub layers: Layers,
    /// Make one layer of all, those of the base image too
    #[arg(long)]
    pub squash: bool,
    /// The configuration.
    #[command(flatten)]
    pub configuration: Configuration,
}

/// Arguments of `commit`.
#[derive(Debug, Args)]
pub struct Commit {
    /// The container, by name, ID or unique prefix of an ID
    pub container: String,
    /// A name for the image
    pub name: Option<String>,
    /// Make one layer of all, those of the container's image too
    #[arg(long)]
    pub squash: bool,
    /// The configuration.
    #[command(flatten)]
    pub configuration: Configuration,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The directory or the tar; `-` reads a tar from standard input
    pub source: PathBuf,
    /// A name for the image
    pub name: Option<String>,
    /// The configuration.
    #[command(flatten)]
    pub configuration: Configuration,
}

/// What a new image says about itself and its containers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration of the image")]
pub struct Configuration {
    /// The program: a word, repeated for its first arguments; or a JSON array of words
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub entrypoint: Vec<String>,
    /// The arguments of the entrypoint, or the program: words as above
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub cmd: Vec<String>,
    /// An environment variable
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub env: Vec<NameAndValue>,
    /// A label
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub label: Vec<NameAndValue>,
    /// The user that the program runs as: USER or USER:GROUP, by name or ID
    #[arg(long, short, value_name = "USER")]
    pub user: Option<String>,
    /// The directory that the program starts in
    #[arg(long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// A port that the program listens on: 80, 53/udp, 8000-8010
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
    /// A directory for data that outlive a container
    #[arg(long, value_name = "DIR")]
    pub volume: Vec<String>,
    /// The signal that asks the program to end
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// The platform: OS/ARCHITECTURE[/VARIANT] [default: that of the base image or this machine]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<Platform>,
    /// The author
    #[arg(long, value_name = "TEXT")]
    pub author: Option<String>,
    /// The comment of the new history
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// The time of creation: as 2026-01-02T03:04:05Z, or in seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub created: Option<Time>,
    /// The same time for the image and for every file from a directory, so that equal contents make
    /// equal images
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub timestamp: Option<Time>,
}

/// A name and a value, as NAME=VALUE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAndValue {
    /// What is before the first `=`.
    pub name: String,
    /// What is behind it.
    pub value: String,
}

/// A text without `=`, or without a name before it.
#[derive(Debug, thiserror::Error)]
#[error("it is not NAME=VALUE")]
pub struct NoName;

impl FromStr for NameAndValue {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(NameAndValue {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(NoName),
        }
    }
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

/// A text that is no time.
#[derive(Debug, thiserror::Error)]
#[error("it is neither a time as 2026-01-02T03:04:05Z nor a number of seconds since 1970")]
pub struct NoTime;

impl FromStr for Time {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let time = match text.parse::<i64>() {
            Ok(seconds) => Timestamp::from_unix(seconds, 0),
            Err(_) => text.parse().ok(),
        };
        time.map(Time).ok_or(NoTime)
    }
}

/// The contents of a new layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerArgument {
    /// A directory, and where its contents are in the image.
    Directory {
        /// The directory.
        path: PathBuf,
        /// The directory in the image; empty for the root.
        target: PathBuf,
    },
    /// A file, and its path in the image.
    File {
        /// The file.
        path: PathBuf,
        /// Its path in the image.
        target: PathBuf,
    },
    /// A tar; `-` is standard input.
    Archive(PathBuf),
}

/// The new layers, in the order in which they are given: which option came first matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers(pub Vec<LayerArgument>);

const DIR: &str = "dir";
const FILE: &str = "file";
const LAYER: &str = "layer";

impl Args for Layers {
    fn augment_args(command: Command) -> Command {
        let option = |name: &'static str, value: &'static str, help: &'static str| {
            Arg::new(name)
                .long(name)
                .value_name(value)
                .help(help)
                .action(ArgAction::Append)
        };
        command
            .arg(option(
                DIR,
                "DIR[:/TARGET]",
                "A layer with the contents of a directory, below TARGET in the image",
            ))
            .arg(option(
                FILE,
                "FILE:/TARGET",
                "A layer with a file, as TARGET in the image",
            ))
            .arg(option(
                LAYER,
                "TAR",
                "A layer from a tar, compressed or not; `-` reads it from standard input",
            ))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Layers {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        for option in [DIR, FILE, LAYER] {
            let values = matches.get_many::<String>(option).into_iter().flatten();
            let places = matches.indices_of(option).into_iter().flatten();
            for (value, place) in values.zip(places) {
                found.push((place, layer(option, value)?));
            }
        }
        found.sort_by_key(|(place, _)| *place);
        Ok(Layers(found.into_iter().map(|(_, layer)| layer).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn layer(option: &str, value: &str) -> Result<LayerArgument, clap::Error> {
    let (path, target) = match value.rfind(":/") {
        Some(at) => (
            value.get(..at).unwrap_or_default(),
            value.get(at + 1..).unwrap_or_default(),
        ),
        None => (value, ""),
    };
    let (path, target) = (PathBuf::from(path), PathBuf::from(target));
    match option {
        DIR => Ok(LayerArgument::Directory { path, target }),
        FILE if target.as_os_str().is_empty() => Err(clap::Error::raw(
            ErrorKind::ValueValidation,
            "--file needs a path in the image: FILE:/TARGET\n",
        )),
        FILE => Ok(LayerArgument::File { path, target }),
        _ => Ok(LayerArgument::Archive(PathBuf::from(value))),
    }
}

impl fmt::Display for NameAndValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        build: Build,
    }

    #[test]
    fn layers_keep_their_order() {
        let words = "x --layer 1.tar --dir a --file f:/etc/f --dir b:/x:/srv --layer=-";
        let only = Only::try_parse_from(words.split(' ')).unwrap();
        let path = PathBuf::from;
        assert_eq!(
            only.build.layers.0,
            [
                LayerArgument::Archive(path("1.tar")),
                LayerArgument::Directory {
                    path: path("a"),
                    target: path("")
                },
                LayerArgument::File {
                    path: path("f"),
                    target: path("/etc/f")
                },
                LayerArgument::Directory {
                    path: path("b:/x"),
                    target: path("/srv")
                },
                LayerArgument::Archive(path("-")),
            ]
        );
        let error = Only::try_parse_from(["x", "--file", "f"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation);
    }

    #[test]
    fn times_and_pairs_are_read() {
        let second: Timestamp = "1970-01-01T00:00:01Z".parse().unwrap();
        for text in ["1", "1970-01-01T00:00:01Z"] {
            assert_eq!(text.parse::<Time>().unwrap(), Time(second), "{text}");
        }
        for text in ["", "x", "9999999999999999", "99999999999999999999"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        let pair: NameAndValue = "a=b=c".parse().unwrap();
        assert_eq!((&*pair.name, &*pair.value), ("a", "b=c"));
        assert_eq!(pair.to_string(), "a=b=c");
        for text in ["a", "", "=b"] {
            assert!(text.parse::<NameAndValue>().is_err(), "{text}");
        }
    }
}
