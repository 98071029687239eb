//! The images that a name stands for in registries.

use layerhold_reference::Reference;
use layerhold_registries_conf::{RegistriesConf, Resolved, Selection};

use super::super::ask::can_ask;
use crate::failure::{Failure, stream};
use crate::streams::Streams;

/// In front of names for skopeo, which completes them as docker does.
const TRANSPORT: &str = "docker://";

/// Why a name stands for no image.
#[derive(Debug, thiserror::Error)]
enum NameError {
    #[error(
        "cannot tell which image {name:?} is: give its registry, as in {}",
        listed(candidates)
    )]
    Ambiguous {
        name: String,
        candidates: Vec<Reference>,
    },
    #[error(
        "cannot reach {name:?} in a registry: {transport} is for files on this machine; `load` reads them, and `save` writes them"
    )]
    NotARegistry {
        name: String,
        transport: &'static str,
    },
    #[error("cannot tell which image {name:?} is: {answer:?} is not a number of the list")]
    NotANumber { name: String, answer: String },
}

/// What else podman has in front of names.
const OTHER_TRANSPORTS: [&str; 8] = [
    "containers-storage:",
    "dir:",
    "docker-archive:",
    "docker-daemon:",
    "oci:",
    "oci-archive:",
    "ostree:",
    "sif:",
];

/// Refuses a name that is of another place than a registry for podman.
pub(crate) fn check_transport(name: &str) -> Result<(), Failure> {
    let transport = OTHER_TRANSPORTS.iter().find(|it| name.starts_with(**it));
    transport.map_or(Ok(()), |transport| {
        Err(Failure::value(NameError::NotARegistry {
            name: name.to_owned(),
            transport,
        }))
    })
}

/// A name without the transport in front of it.
pub(crate) fn without_transport(name: &str) -> &str {
    name.strip_prefix(TRANSPORT).unwrap_or(name)
}

/// The image that a name behind the transport stands for: it is complete. `None` for other names.
pub(crate) fn behind_transport(text: &str) -> Result<Option<Reference>, Failure> {
    let Some(name) = text.strip_prefix(TRANSPORT) else {
        return Ok(None);
    };
    let image: Reference = name.parse().map_err(Failure::value)?;
    Ok(Some(image.or_latest()))
}

fn listed(images: &[Reference]) -> String {
    let names: Vec<String> = images.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

/// The images that a text stands for; the first that exists counts. A person chooses where podman
/// lets one choose. Names behind `docker://` are complete.
pub(crate) fn images(
    text: &str,
    conf: &RegistriesConf,
    streams: &mut Streams<'_>,
) -> Result<Vec<Reference>, Failure> {
    Ok(selected(text, conf, streams)?.images)
}

/// What a text stands for.
pub(crate) struct Selected {
    /// The images; the first that exists counts.
    pub(crate) images: Vec<Reference>,
    /// The choices, if a person chose.
    pub(crate) choices: Option<Resolved>,
}

/// As [`images`], with what is needed to keep the choice of a person.
pub(crate) fn selected(
    text: &str,
    conf: &RegistriesConf,
    streams: &mut Streams<'_>,
) -> Result<Selected, Failure> {
    let selected = |images| Selected {
        images,
        choices: None,
    };
    if let Some(image) = behind_transport(text)? {
        return Ok(selected(vec![image]));
    }
    let resolved = conf.resolve(text).map_err(Failure::value)?;
    match resolved.selection {
        Selection::InOrder => Ok(selected(resolved.candidates)),
        _ if can_ask(streams) => Ok(Selected {
            images: vec![choose(text, &resolved.candidates, streams)?],
            choices: Some(resolved),
        }),
        Selection::ChoiceIfTerminal => Ok(selected(resolved.candidates)),
        _ => Err(Failure::value(NameError::Ambiguous {
            name: text.to_owned(),
            candidates: resolved.candidates,
        })),
    }
}

/// Lets a person choose one of several images.
fn choose(
    name: &str,
    candidates: &[Reference],
    streams: &mut Streams<'_>,
) -> Result<Reference, Failure> {
    for (number, image) in candidates.iter().enumerate() {
        let line = format_args!("{:>3}  {image}", number + 1);
        streams.note(line).map_err(stream)?;
    }
    let question = format_args!("Which of these is {name:?}? Answer with its number: ");
    let answer = streams.ask(question).map_err(stream)?.unwrap_or_default();
    let number = answer.trim().parse::<usize>().ok();
    let chosen = number.and_then(|number| candidates.get(number.checked_sub(1)?));
    chosen.cloned().ok_or_else(|| {
        Failure::value(NameError::NotANumber {
            name: name.to_owned(),
            answer,
        })
    })
}

#[cfg(test)]
mod tests {
    use layerhold_registries_conf::FileKind;

    use super::*;

    /// The images of a name, for a registries.conf; or the failure.
    fn check(conf: &str, name: &str, expected: Result<&[&str], &str>) {
        let mut parsed = RegistriesConf::default();
        parsed.add("registries.conf", FileKind::Main, conf).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams::new(&mut out, &mut err, Box::new(std::io::empty()));
        let images = images(name, &parsed, &mut streams);
        let images = images.map(|images| images.iter().map(ToString::to_string).collect());
        let images: Result<Vec<String>, String> = images.map_err(|error| error.to_string());
        match expected {
            Ok(expected) => assert_eq!(images.unwrap(), expected, "{conf} {name}"),
            Err(part) => assert!(images.unwrap_err().contains(part), "{conf} {name}"),
        }
    }

    #[test]
    fn a_name_stands_for_what_podman_takes_it_for() {
        let two = "unqualified-search-registries = ['a.b', 'c.d']\n";
        let enforcing = format!("{two}short-name-mode = 'enforcing'\n");
        for (conf, name, expected) in [
            (two, "app:1", Ok(&["a.b/app:1", "c.d/app:1"][..])),
            (two, "q.r/app", Ok(&["q.r/app:latest"])),
            (two, "docker://app", Ok(&["docker.io/library/app:latest"])),
            (
                &enforcing,
                "app",
                Err("as in a.b/app:latest or c.d/app:latest"),
            ),
            ("", "app", Err("unqualified-search-registries")),
            (two, "a.b/App", Err("App")),
        ] {
            check(conf, name, expected);
        }
    }
}
