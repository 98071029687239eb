//! Requirements of the type `sigstoreSigned` (Go: `image/signature/policy_config_sigstore.go`).

use crate::error::{PolicyError, Problem};
use crate::json::{Fields, Item, Json};
use crate::parse_identity::signed_identity;
use crate::parse_values::{materials, text};
use crate::requirement::{Fulcio, Material, Pki, PkiSubject, Signers, SigstoreSigned};

const KEYS: [&str; 4] = ["keyPath", "keyPaths", "keyData", "keyDatas"];
const REKOR: [&str; 4] = [
    "rekorPublicKeyPath",
    "rekorPublicKeyPaths",
    "rekorPublicKeyData",
    "rekorPublicKeyDatas",
];
const OTHERS: [&str; 4] = ["type", "fulcio", "pki", "signedIdentity"];
/// Lists that may be left out, but not be empty.
const LISTS: [&str; 4] = [
    "keyPaths",
    "keyDatas",
    "rekorPublicKeyPaths",
    "rekorPublicKeyDatas",
];

pub(crate) fn requirement(item: &Item<'_>) -> Result<SigstoreSigned, PolicyError> {
    let fields = item.fields(&[KEYS, REKOR, OTHERS].concat())?;
    for item in LISTS.iter().filter_map(|key| fields.get(key)) {
        let is_empty = match item.value {
            Json::List(list) => list.is_empty(),
            value => matches!(value, Json::Null),
        };
        if is_empty {
            return Err(Problem::EmptyList.at(item));
        }
    }
    Ok(SigstoreSigned {
        signers: signers(item, &fields)?,
        identity: signed_identity(&fields)?,
    })
}

fn signers(item: &Item<'_>, fields: &Fields<'_>) -> Result<Signers, PolicyError> {
    let mut keys = materials(fields, &KEYS)?;
    let fulcio = fields.get("fulcio").map(fulcio).transpose()?;
    let pki = fields.get("pki").map(pki).transpose()?;
    if keys.len() + usize::from(fulcio.is_some()) + usize::from(pki.is_some()) > 1 {
        return Err(Problem::SigstoreKeys.at(item));
    }
    let rekor = at_most_one(item, materials(fields, &REKOR)?, Problem::SeveralRekorKeys)?;
    match (keys.pop(), fulcio, pki, rekor) {
        (Some(keys), _, _, rekor) => Ok(Signers::Keys { keys, rekor }),
        (None, Some(fulcio), _, Some(rekor)) => Ok(Signers::Fulcio { fulcio, rekor }),
        (None, Some(_), _, None) => Err(Problem::RekorKeyNeeded.at(item)),
        (None, None, Some(pki), None) => Ok(Signers::Pki(pki)),
        (None, None, Some(_), Some(_)) => Err(Problem::RekorKeyOfPki.at(item)),
        (None, None, None, _) => Err(Problem::SigstoreKeys.at(item)),
    }
}

fn at_most_one(
    item: &Item<'_>,
    mut found: Vec<Material>,
    problem: Problem,
) -> Result<Option<Material>, PolicyError> {
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(problem.at(item)),
    }
}

fn fulcio(item: &Item<'_>) -> Result<Fulcio, PolicyError> {
    let fields = item.fields(&["caPath", "caData", "oidcIssuer", "subjectEmail"])?;
    let ca = materials(&fields, &["caPath", "caData"])?;
    let needed = |key| text(&fields, key)?.ok_or_else(|| Problem::Empty { key }.at(item));
    Ok(Fulcio {
        ca: at_most_one(item, ca, Problem::FulcioCa)?.ok_or_else(|| Problem::FulcioCa.at(item))?,
        oidc_issuer: needed("oidcIssuer")?,
        subject_email: needed("subjectEmail")?,
    })
}

const ROOTS: [&str; 2] = ["caRootsPath", "caRootsData"];
const INTERMEDIATES: [&str; 2] = ["caIntermediatesPath", "caIntermediatesData"];
const SUBJECTS: [&str; 2] = ["subjectEmail", "subjectHostname"];

fn pki(item: &Item<'_>) -> Result<Pki, PolicyError> {
    let fields = item.fields(&[ROOTS, INTERMEDIATES, SUBJECTS].concat())?;
    let roots = materials(&fields, &ROOTS)?;
    let intermediates = materials(&fields, &INTERMEDIATES)?;
    Ok(Pki {
        roots: at_most_one(item, roots, Problem::PkiRoots)?
            .ok_or_else(|| Problem::PkiRoots.at(item))?,
        intermediates: at_most_one(item, intermediates, Problem::PkiIntermediates)?,
        subject: match (
            text(&fields, "subjectEmail")?,
            text(&fields, "subjectHostname")?,
        ) {
            (Some(email), Some(hostname)) => PkiSubject::Both { email, hostname },
            (Some(email), None) => PkiSubject::Email(email),
            (None, Some(hostname)) => PkiSubject::Hostname(hostname),
            (None, None) => return Err(Problem::PkiSubject.at(item)),
        },
    })
}
