//! `layerhold pull`.

use std::path::PathBuf;

use layerhold::Image;
use layerhold_image_policy::Policy;
use layerhold_oci::{Platform, PullOptions, PulledImage, Registries, find_image, pull};
use layerhold_reference::Reference;
use layerhold_registries_conf::Resolved;
use serde_json::json;

use super::args::{Pull, PullPolicy};
use super::call::Call;
use super::load::warn_of_depth;
use super::remote::{Selected, behind_transport, check_transport, for_transfer, policy, selected};
use super::transfer::{self, Direction, Limit};
use super::units::count;
use crate::environment::Environment;
use crate::failure::{Failure, stream};

/// Why an image is not pulled.
#[derive(Debug, thiserror::Error)]
enum PullError {
    #[error(
        "cannot pull an image for all its platforms: a name in the store is that of one image; pull each with --platform and its own --name, and `push` makes one image of several again"
    )]
    AllPlatforms,
    #[error("cannot give several images the same name: pull them one by one")]
    NameForSeveral,
    #[error("cannot find {name} in the store, and --policy never asks no registry")]
    NotThere { name: String },
}

impl From<PullError> for Failure {
    fn from(error: PullError) -> Self {
        Failure::value(error)
    }
}

pub(super) fn run(
    call: &mut Call<'_, '_>,
    args: &Pull,
    environment: &Environment,
    scratch: PathBuf,
) -> Result<(), Failure> {
    if args.all_platforms {
        return Err(PullError::AllPlatforms.into());
    }
    if args.images.len() > 1 && !args.name.is_empty() {
        return Err(PullError::NameForSeveral.into());
    }
    let policy = match args.policy {
        // No image comes from a registry.
        PullPolicy::Never => Policy::reject(),
        _ => policy(args.signature_policy.as_deref(), environment)?,
    };
    let (access, patience) = (&args.access, &args.patience);
    let registries = for_transfer(access, patience, policy, environment, call.streams)?;
    let mut pulls = Pulls {
        args,
        options: options(args, scratch),
        registries,
        limit: Limit::starting(patience.timeout),
    };
    pulls.all(call)
}

fn options(args: &Pull, scratch: PathBuf) -> PullOptions {
    let mut options = PullOptions::default()
        .scratch(scratch)
        .connections(args.connections.into());
    if let Some(platform) = platform(args) {
        options = options.platform(platform);
    }
    if !args.name.is_empty() {
        options = options.names(args.name.iter().cloned());
    }
    match args.remove_signatures {
        true => options.remove_signatures(),
        false => options,
    }
}

/// The platform, which may be given in parts. Parts that are not given are those of this machine.
fn platform(args: &Pull) -> Option<Platform> {
    if args.os.is_none() && args.arch.is_none() && args.variant.is_none() {
        return args.platform.clone();
    }
    let host = Platform::host();
    let is_other = args.arch.is_some();
    Some(Platform {
        os: args.os.clone().unwrap_or(host.os),
        architecture: args.arch.clone().unwrap_or(host.architecture),
        variant: match (&args.variant, is_other) {
            (Some(variant), _) => variant.clone(),
            (None, true) => String::new(),
            (None, false) => host.variant,
        },
    })
}

/// The pulls of one command.
struct Pulls<'a> {
    args: &'a Pull,
    options: PullOptions,
    registries: Registries,
    limit: Option<Limit>,
}

impl Pulls<'_> {
    /// Pulls each image; a failure does not keep the others from coming.
    fn all(&mut self, call: &mut Call<'_, '_>) -> Result<(), Failure> {
        let mut has_failed = false;
        for text in &self.args.images {
            let Err(failure) = self.one(call, text) else {
                continue;
            };
            if call.is_json() && failure.broken_stream().is_none() {
                let reason = failure.to_string();
                event(
                    call,
                    &json!({ "event": "failed", "image": text, "reason": reason }),
                )?;
            }
            let is_last_word = failure.broken_stream().is_some() || call.interruption.is_asked();
            if is_last_word || self.args.images.len() == 1 {
                return Err(failure);
            }
            call.complain(text, failure)?;
            has_failed = true;
        }
        match has_failed {
            true => Err(Failure::Reported),
            false => Ok(()),
        }
    }

    fn one(&mut self, call: &mut Call<'_, '_>, text: &str) -> Result<(), Failure> {
        check_transport(text)?;
        let policy = self.args.policy;
        let is_for_platform = platform(self.args).is_some();
        let local = match policy {
            PullPolicy::Always => None,
            // The one in the store may be for another platform.
            PullPolicy::Missing | PullPolicy::Newer if is_for_platform => None,
            _ => self.local(call, text)?,
        };
        match (policy, local) {
            (PullPolicy::Never, None) => Err(PullError::NotThere { name: text.into() }.into()),
            (PullPolicy::Never | PullPolicy::Missing, Some(id)) => is_there(call, text, &id),
            (PullPolicy::Newer, Some(id)) => match self.fetch(call, text) {
                Err(failure) if !call.interruption.is_asked() => {
                    call.note(format_args!(
                        "layerhold: {failure}; the image in the store is taken"
                    ))?;
                    is_there(call, text, &id)
                }
                result => result,
            },
            _ => self.fetch(call, text),
        }
    }

    /// The ID of the image that the store has under a name.
    fn local(&self, call: &Call<'_, '_>, text: &str) -> Result<Option<String>, Failure> {
        let snapshot = call.store.snapshot()?;
        let names = match behind_transport(text)? {
            Some(image) => vec![image],
            None => {
                let conf = self.registries.conf();
                conf.resolve_locally(text).map_err(Failure::value)?
            }
        };
        for name in names {
            match find_image(&snapshot, &name.to_string()) {
                Ok(image) => return Ok(Some(Image::id(&image).to_string())),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn fetch(&mut self, call: &mut Call<'_, '_>, text: &str) -> Result<(), Failure> {
        let Selected { images, choices } = selected(text, self.registries.conf(), call.streams)?;
        let name = match images.as_slice() {
            [only] => only.to_string(),
            _ => text.to_owned(),
        };
        let (registries, options) = (&self.registries, &self.options);
        let pulled = transfer::run(call, Direction::Pull, self.limit, |store, progress| {
            pull(store, registries, &name, options, progress)
        })?;
        if let Some(choices) = choices {
            self.keep(call, &choices, &pulled.reference)?;
        }
        warn_of_depth(call, pulled.id.as_str())?;
        tell(call, text, &pulled)
    }

    /// Keeps the choice of a person for the next time. The image is there in any case.
    fn keep(
        &mut self,
        call: &mut Call<'_, '_>,
        choices: &Resolved,
        image: &Reference,
    ) -> Result<(), Failure> {
        let mut conf = self.registries.conf().clone();
        match conf.keep_choice(choices, image) {
            Ok(_) => self.registries = self.registries.clone().with_conf(conf),
            Err(error) => {
                let failure = Failure::value(error);
                call.note(format_args!("layerhold: {failure}"))?;
            }
        }
        Ok(())
    }
}

/// Prints the ID of an image that was not asked for.
fn is_there(call: &mut Call<'_, '_>, text: &str, id: &str) -> Result<(), Failure> {
    match call.is_json() {
        true => event(
            call,
            &json!({ "event": "present", "image": text, "id": id }),
        ),
        false => call.line(id),
    }
}

/// Says what was pulled: the ID on standard output, as podman does.
fn tell(call: &mut Call<'_, '_>, text: &str, pulled: &PulledImage) -> Result<(), Failure> {
    if call.is_json() {
        let value = json!({
            "event": "pulled",
            "image": text,
            "id": pulled.id.as_str(),
            "names": pulled.names,
            "digest": pulled.digest.as_str(),
            "source": pulled.source.to_string(),
            "layers": { "fetched": pulled.imported, "reused": pulled.reused },
        });
        return event(call, &value);
    }
    if !call.is_quiet {
        let new = count(pulled.imported, "new layer");
        let old = count(pulled.reused, "known layer");
        let name = pulled.names.first().cloned().unwrap_or_default();
        let digest = &pulled.digest;
        call.note(format_args!("{name}: {new}, {old}, {digest}"))?;
    }
    call.line(pulled.id.as_str())
}

/// Writes an object for programs.
pub(super) fn event(call: &mut Call<'_, '_>, value: &serde_json::Value) -> Result<(), Failure> {
    let written = call.streams.json(value.to_string());
    written.and_then(|()| call.streams.flush()).map_err(stream)
}
