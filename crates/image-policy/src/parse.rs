//! The text of a policy, read as strictly as Go does (Go: `image/signature/policy_config.go`).

use std::collections::BTreeMap;

use crate::error::{PolicyError, Problem};
use crate::json::{Item, Json};
use crate::parse_identity::{identity, signed_identity};
use crate::parse_sigstore;
use crate::parse_values::{material, type_of};
use crate::requirement::{KeyType, Requirement, SignedBy};
use crate::scope;

/// Requirements by scope.
pub(crate) type Scopes = BTreeMap<String, Vec<Requirement>>;

/// The requirements of a policy: those for everything else, and those by transport.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) default: Vec<Requirement>,
    pub(crate) transports: BTreeMap<String, Scopes>,
}

pub(crate) fn policy(json: &[u8]) -> Result<Parsed, PolicyError> {
    let json = Json::parse(json)?;
    let root = Item::root(&json);
    let fields = root.fields(&["default", "transports"])?;
    Ok(Parsed {
        default: requirements(fields.required("default")?)?,
        transports: match fields.get("transports") {
            Some(item) => transports(item)?,
            None => BTreeMap::new(),
        },
    })
}

fn transports(item: &Item<'_>) -> Result<BTreeMap<String, Scopes>, PolicyError> {
    let members = item.members()?;
    members
        .iter()
        .map(|(transport, item)| Ok(((*transport).to_owned(), scopes(transport, item)?)))
        .collect()
}

fn scopes(transport: &str, item: &Item<'_>) -> Result<Scopes, PolicyError> {
    let mut scopes = Scopes::new();
    for (scope, item) in item.members()? {
        if !scope.is_empty() && !scope::is_valid(transport, scope) {
            let transport = transport.to_owned();
            return Err(Problem::Scope { transport }.at(&item));
        }
        let _none = scopes.insert(scope.to_owned(), requirements(&item)?);
    }
    Ok(scopes)
}

fn requirements(item: &Item<'_>) -> Result<Vec<Requirement>, PolicyError> {
    let list = item.list()?;
    if list.is_empty() {
        return Err(Problem::NoRequirement.at(item));
    }
    list.iter().map(requirement).collect()
}

fn requirement(item: &Item<'_>) -> Result<Requirement, PolicyError> {
    Ok(match type_of(item)? {
        "insecureAcceptAnything" => {
            let _only_type = item.fields(&["type"])?;
            Requirement::InsecureAcceptAnything
        }
        "reject" => {
            let _only_type = item.fields(&["type"])?;
            Requirement::Reject
        }
        "signedBy" => Requirement::SignedBy(signed_by(item)?),
        "signedBaseLayer" => {
            let fields = item.fields(&["type", "baseLayerIdentity"])?;
            let base = fields.required("baseLayerIdentity")?;
            Requirement::SignedBaseLayer(identity(base)?)
        }
        "sigstoreSigned" => Requirement::SigstoreSigned(parse_sigstore::requirement(item)?),
        name => return Err(Problem::requirement_type(name).at(item)),
    })
}

const SIGNED_BY: [&str; 6] = [
    "type",
    "keyType",
    "keyPath",
    "keyPaths",
    "keyData",
    "signedIdentity",
];

fn signed_by(item: &Item<'_>) -> Result<SignedBy, PolicyError> {
    let fields = item.fields(&SIGNED_BY)?;
    let kind = fields.required("keyType")?;
    let name = kind.text()?;
    let wrong_type = || {
        let name = name.to_owned();
        Problem::KeyType { name }.at(kind)
    };
    let key_type = KeyType::by_name(name).ok_or_else(wrong_type)?;
    let keys =
        ["keyPath", "keyPaths", "keyData"].map(|key| fields.get(key).map(|item| (key, item)));
    let mut keys = keys.into_iter().flatten();
    let keys = match (keys.next(), keys.next()) {
        (Some((key, item)), None) => material(key, item)?,
        _ => None,
    };
    Ok(SignedBy {
        key_type,
        keys: keys.ok_or_else(|| Problem::SignedByKeys.at(item))?,
        identity: signed_identity(&fields)?,
    })
}
