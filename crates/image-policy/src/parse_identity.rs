//! What a signature has to say about the name of an image, as policies write it.

use layerhold_reference::{Reference, is_registry};

use crate::error::{PolicyError, Problem};
use crate::identity::SignedIdentity;
use crate::json::{Fields, Item};
use crate::parse_values::type_of;

/// The value of `signedIdentity`, or the rule without it.
pub(crate) fn signed_identity(fields: &Fields<'_>) -> Result<SignedIdentity, PolicyError> {
    match fields.get("signedIdentity") {
        Some(item) => identity(item),
        None => Ok(SignedIdentity::default()),
    }
}

pub(crate) fn identity(item: &Item<'_>) -> Result<SignedIdentity, PolicyError> {
    let only_type = |identity| match item.fields(&["type"]) {
        Ok(_) => Ok(identity),
        Err(error) => Err(error.into()),
    };
    match type_of(item)? {
        "matchExact" => only_type(SignedIdentity::MatchExact),
        "matchRepoDigestOrExact" => only_type(SignedIdentity::MatchRepoDigestOrExact),
        "matchRepository" => only_type(SignedIdentity::MatchRepository),
        "exactReference" => {
            let fields = item.fields(&["type", "dockerReference"])?;
            let name = fields.required("dockerReference")?;
            let reference = reference(name)?;
            match reference.tag().is_none() && reference.digest().is_none() {
                true => {
                    let full = reference.to_string();
                    Err(Problem::NameOnly { name: full }.at(name))
                }
                false => Ok(SignedIdentity::ExactReference(reference)),
            }
        }
        "exactRepository" => {
            let fields = item.fields(&["type", "dockerRepository"])?;
            let name = fields.required("dockerRepository")?;
            Ok(SignedIdentity::ExactRepository(reference(name)?))
        }
        "remapIdentity" => {
            let fields = item.fields(&["type", "prefix", "signedPrefix"])?;
            Ok(SignedIdentity::RemapIdentity {
                prefix: prefix(fields.required("prefix")?)?,
                signed_prefix: prefix(fields.required("signedPrefix")?)?,
            })
        }
        name => Err(Problem::identity_type(name).at(item)),
    }
}

fn reference(item: &Item<'_>) -> Result<Reference, PolicyError> {
    let parsed = item.text()?.parse();
    parsed.map_err(|error| Problem::Reference(error).at(item))
}

/// A registry, or a name or folder that begins with one. Whether `a/b` begins with a registry or
/// with a folder of docker.io is not looked at.
fn prefix(item: &Item<'_>) -> Result<String, PolicyError> {
    let prefix = item.text()?;
    let is_valid = match prefix.split_once('/') {
        None => is_registry(prefix),
        Some((registry, repository)) => is_registry(registry) && is_repository(repository),
    };
    match is_valid {
        true => Ok(prefix.to_owned()),
        false => {
            let prefix = prefix.to_owned();
            Err(Problem::Prefix { prefix }.at(item))
        }
    }
}

fn is_repository(text: &str) -> bool {
    let name = format!("host.example/{text}");
    let parsed = name.parse::<Reference>();
    parsed.is_ok_and(|parsed| parsed.name() == name && parsed.to_string() == name)
}
