//! A policy: requirements by transport and scope.

use std::collections::BTreeMap;

use crate::accepted::{AcceptedSignature, UnverifiedImage};
use crate::context::Context;
use crate::error::PolicyError;
use crate::location::ImageLocation;
use crate::parse::{Parsed, Scopes, policy};
use crate::requirement::Requirement;
use crate::verdict::Refusal;

/// A policy: what is required of images, by where they come from.
///
/// It is made of the text of a `policy.json`. There is no default policy: where no policy can be
/// loaded, no image may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    default: Vec<Requirement>,
    transports: BTreeMap<String, Scopes>,
}

/// The requirements for an image, and the part of the policy that they stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules<'a> {
    /// The scope in the part for the image's transport; empty for the whole transport. `None` for
    /// `default`.
    pub scope: Option<&'a str>,
    /// The requirements. The image has to meet all of them, and there is at least one.
    pub requirements: &'a [Requirement],
}

/// An image that may be used, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acceptance {
    /// For each requirement that asks for a signature, the one that met it. Empty if the policy
    /// accepts the image without a signature.
    pub signatures: Vec<AcceptedSignature>,
}

/// An image that may not be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("the policy refuses {location}: {} requires {requirement}", place(.transport, .scope))]
#[non_exhaustive]
pub struct Refused {
    /// The image.
    pub location: String,
    /// The transport of the image.
    pub transport: String,
    /// The scope, as in [`Rules::scope`].
    pub scope: Option<String>,
    /// The place of the requirement among those of the scope, from 0.
    pub index: usize,
    /// The type of the requirement, such as `signedBy`.
    pub requirement: &'static str,
    /// Why the image does not meet it.
    #[source]
    pub refusal: Box<Refusal>,
}

fn place(transport: &str, scope: &Option<String>) -> String {
    match scope.as_deref() {
        None => "its default".to_owned(),
        Some("") => format!("its part for {transport}"),
        Some(scope) => format!("its part for {transport}, {scope:?},"),
    }
}

impl Policy {
    /// Parses the JSON of a `policy.json`.
    ///
    /// # Errors
    ///
    /// The text is no policy. Unknown and repeated keys are errors too, as in podman.
    pub fn parse(json: &[u8]) -> Result<Self, PolicyError> {
        let Parsed {
            default,
            transports,
        } = policy(json)?;
        Ok(Policy {
            default,
            transports,
        })
    }

    /// The policy that accepts all images.
    #[must_use]
    pub fn insecure_accept_anything() -> Self {
        Policy {
            default: vec![Requirement::InsecureAcceptAnything],
            transports: BTreeMap::new(),
        }
    }

    /// The policy that refuses all images.
    #[must_use]
    pub fn reject() -> Self {
        Policy {
            default: vec![Requirement::Reject],
            transports: BTreeMap::new(),
        }
    }

    /// Returns the requirements for images that no scope of their transport has requirements for.
    #[must_use]
    pub fn default_requirements(&self) -> &[Requirement] {
        &self.default
    }

    /// Returns all scopes with their transports and requirements, sorted. The empty scope is that
    /// of the whole transport.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, &str, &[Requirement])> {
        self.transports.iter().flat_map(|(transport, scopes)| {
            scopes
                .iter()
                .map(move |(scope, list)| (transport.as_str(), scope.as_str(), list.as_slice()))
        })
    }

    /// Returns the requirements for an image: those of the narrowest scope that the image is in,
    /// else those of the whole transport, else the default.
    #[must_use]
    pub fn requirements(&self, location: &ImageLocation) -> Rules<'_> {
        let scopes = self.transports.get(location.transport());
        let of_scope = |scope: &str| scopes?.get_key_value(scope);
        let mut candidates = location.scopes().chain([""]);
        match candidates.find_map(of_scope) {
            Some((scope, requirements)) => Rules {
                scope: Some(scope),
                requirements,
            },
            None => Rules {
                scope: None,
                requirements: &self.default,
            },
        }
    }

    /// Says whether an image may be used: whether it meets all requirements for it.
    ///
    /// # Errors
    ///
    /// It may not. The error is about the first requirement that it does not meet.
    pub fn check(
        &self,
        image: &UnverifiedImage<'_>,
        context: &Context<'_>,
    ) -> Result<Acceptance, Refused> {
        let location = image.location;
        let rules = self.requirements(location);
        let mut acceptance = Acceptance::default();
        for (index, requirement) in rules.requirements.iter().enumerate() {
            let refused = |refusal| Refused {
                location: location.to_string(),
                transport: location.transport().to_owned(),
                scope: rules.scope.map(str::to_owned),
                index,
                requirement: requirement.type_name(),
                refusal: Box::new(refusal),
            };
            let accepted = requirement.verdict(image, context).map_err(refused)?;
            acceptance.signatures.extend(accepted);
        }
        Ok(acceptance)
    }
}
