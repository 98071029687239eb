//! Certificates of signers (Go: `image/signature/fulcio_cert.go`, `pki_cert.go`). Paths to a root
//! are built and verified by `rustls-webpki`.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert,
};
use x509_cert::Certificate;
use x509_cert::der::asn1::{
    AnyRef, Ia5StringRef, ObjectIdentifier, PrintableStringRef, Utf8StringRef,
};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage as KeyUses, SubjectAltName,
};

use crate::pem;
use crate::public_key::{PublicKey, PublicKeyError};

/// Signing of code, as use of a key.
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const CODE_SIGNING_DER: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// Any use of a key.
const ANY_USE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// The issuer of the identity, as Fulcio first wrote it: the bare text.
const ISSUER_V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
/// The issuer of the identity, as Fulcio writes it now: a text in DER.
const ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");

/// Why a certificate is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is not exactly one certificate.
    #[error("there is not exactly one certificate in PEM format")]
    NotOne,
    /// The certificates that came with it are damaged.
    #[error("the certificates above it are damaged")]
    Chain,
    /// The certificate is damaged.
    #[error("it is damaged")]
    Damaged,
    /// No path of valid certificates leads from it to a root certificate of the policy.
    #[error(
        "no valid path leads from it to a root certificate of the policy at {time} s after 1970"
    )]
    Path {
        /// When it has to be valid, in seconds since 1970.
        time: u64,
        /// What the verification of paths says.
        source: PathError,
    },
    /// The time at which it has to be valid is before 1970.
    #[error("it has to be valid at a time before 1970")]
    Time,
    /// It does not say which issuer the identity comes from, or says two different ones.
    #[error("it does not name one issuer of the identity")]
    NoIssuer,
    /// The identity comes from another issuer.
    #[error("the identity comes from {found:?}, which should be {expected:?}")]
    Issuer {
        /// The issuer in the certificate.
        found: String,
        /// The issuer in the policy.
        expected: String,
    },
    /// It is not for the e-mail address.
    #[error("it is for {found:?}, which should be {expected:?}")]
    Email {
        /// The addresses in the certificate.
        found: Vec<String>,
        /// The address in the policy.
        expected: String,
    },
    /// It is not for the host name.
    #[error("it is not for {expected}")]
    Hostname {
        /// The host name in the policy.
        expected: String,
    },
    /// Its key cannot be used.
    #[error("its key cannot be used")]
    Key(#[source] PublicKeyError),
}

/// Why there is no valid path to a root certificate.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PathError(webpki::Error);

/// A root certificate.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    certificate: Certificate,
    anchor: TrustAnchor<'static>,
}

/// The root certificates in a PEM file. As in Go, what is no certificate is skipped.
pub(crate) fn roots(text: &[u8]) -> Vec<Root> {
    let mut roots = Vec::new();
    let mut rest = text;
    while let Some((block, after)) = pem::first(rest) {
        rest = after;
        if block.label == "CERTIFICATE" {
            roots.extend(root(&block.contents));
        }
    }
    roots
}

fn root(der: &[u8]) -> Option<Root> {
    let certificate = Certificate::from_der(der).ok()?;
    let der = CertificateDer::from(der);
    let anchor = anchor_from_trusted_cert(&der).ok()?.to_owned();
    Some(Root {
        certificate,
        anchor,
    })
}

/// The certificates in a PEM file that has nothing else; `None` if one is damaged.
pub(crate) fn list(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let blocks = pem::all(text)?;
    let certificates = blocks.into_iter().map(|block| {
        let _parsed = Certificate::from_der(&block.contents).ok()?;
        Some(CertificateDer::from(block.contents))
    });
    certificates.collect()
}

/// The certificate of a signer.
#[derive(Debug)]
pub(crate) struct Leaf {
    der: CertificateDer<'static>,
    certificate: Certificate,
    /// The certificates that came with it, without the root.
    chain: Vec<CertificateDer<'static>>,
}

impl Leaf {
    /// Reads the certificate of a signer, and those that came with it, whose last one is the root.
    pub(crate) fn read(text: &str, chain: Option<&str>) -> Result<Self, CertificateError> {
        let mut chain =
            list(chain.unwrap_or_default().as_bytes()).ok_or(CertificateError::Chain)?;
        let _root = chain.pop();
        let blocks = pem::all(text.as_bytes()).ok_or(CertificateError::NotOne)?;
        let [block] = blocks.as_slice() else {
            return Err(CertificateError::NotOne);
        };
        let certificate = Certificate::from_der(&block.contents);
        Ok(Leaf {
            der: CertificateDer::from(block.contents.clone()),
            certificate: certificate.map_err(|_| CertificateError::Damaged)?,
            chain,
        })
    }

    pub(crate) fn key(&self) -> Result<PublicKey, CertificateError> {
        let info = self.certificate.tbs_certificate().subject_public_key_info();
        let der = info.to_der().map_err(|_| CertificateError::Damaged)?;
        PublicKey::from_der(&der).map_err(CertificateError::Key)
    }

    /// Checks that a path leads to one of the roots, in which all certificates, the root too, are
    /// valid at this time and may be used to sign code.
    pub(crate) fn check_path(
        &self,
        roots: &[Root],
        intermediates: &[CertificateDer<'static>],
        time: i64,
    ) -> Result<(), CertificateError> {
        let time = u64::try_from(time).map_err(|_| CertificateError::Time)?;
        let anchors: Vec<_> = roots.iter().map(|root| root.anchor.clone()).collect();
        let intermediates = [intermediates, &self.chain].concat();
        let leaf = EndEntityCert::try_from(&self.der).map_err(|_| CertificateError::Damaged)?;
        let path = leaf.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            &intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(time)),
            KeyUsage::required_if_present(&CODE_SIGNING_DER),
            None,
            Some(&|path| check_issuers(path, roots, time)),
        );
        match path {
            Ok(_) => Ok(()),
            Err(error) => Err(CertificateError::Path {
                time,
                source: PathError(error),
            }),
        }
    }

    /// Checks that the identity comes from this issuer.
    pub(crate) fn check_issuer(&self, expected: &str) -> Result<(), CertificateError> {
        let value = |wanted: ObjectIdentifier| {
            let extensions = self.certificate.tbs_certificate().extensions();
            let mut found = extensions.into_iter().flatten();
            let found = found.find(|extension| extension.extn_id == wanted)?;
            Some(found.extn_value.as_bytes())
        };
        let old = value(ISSUER_V1).map(|bytes| std::str::from_utf8(bytes).ok());
        let new = value(ISSUER_V2).map(text_of_der);
        let found = match (old, new) {
            (Some(old), Some(new)) if old == new => old,
            (Some(one), None) | (None, Some(one)) => one,
            _ => None,
        };
        let found = found.ok_or(CertificateError::NoIssuer)?;
        match found == expected {
            true => Ok(()),
            false => Err(CertificateError::Issuer {
                found: found.to_owned(),
                expected: expected.to_owned(),
            }),
        }
    }

    pub(crate) fn check_email(&self, expected: &str) -> Result<(), CertificateError> {
        let names = self
            .certificate
            .tbs_certificate()
            .get_extension::<SubjectAltName>();
        let names = names.map_err(|_| CertificateError::Damaged)?;
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        let emails = names.iter().filter_map(|name| match name {
            GeneralName::Rfc822Name(email) => Some(email.as_str().to_owned()),
            _ => None,
        });
        let found: Vec<String> = emails.collect();
        match found.iter().any(|email| email == expected) {
            true => Ok(()),
            false => {
                let expected = expected.to_owned();
                Err(CertificateError::Email { found, expected })
            }
        }
    }

    pub(crate) fn check_hostname(&self, expected: &str) -> Result<(), CertificateError> {
        let wrong = || CertificateError::Hostname {
            expected: expected.to_owned(),
        };
        let leaf = EndEntityCert::try_from(&self.der).map_err(|_| CertificateError::Damaged)?;
        let name = ServerName::try_from(expected).map_err(|_| wrong())?;
        leaf.verify_is_valid_for_subject_name(&name)
            .map_err(|_| wrong())
    }
}

/// A text of any of the types that Go accepts for it.
fn text_of_der(der: &[u8]) -> Option<&str> {
    let any = AnyRef::from_der(der).ok()?;
    match any.tag() {
        Tag::Utf8String => Some(any.decode_as::<Utf8StringRef<'_>>().ok()?.as_str()),
        Tag::PrintableString => Some(any.decode_as::<PrintableStringRef<'_>>().ok()?.as_str()),
        Tag::Ia5String => Some(any.decode_as::<Ia5StringRef<'_>>().ok()?.as_str()),
        _ => None,
    }
}

/// Checks what Go requires of all certificates above that of the signer, the root too.
fn check_issuers(path: &VerifiedPath<'_>, roots: &[Root], time: u64) -> Result<(), webpki::Error> {
    let mut below = 0;
    for intermediate in path.intermediate_certificates() {
        let certificate = Certificate::from_der(&intermediate.der());
        let certificate = certificate.map_err(|_| webpki::Error::UnknownIssuer)?;
        if !may_issue(&certificate, time, below) {
            return Err(webpki::Error::UnknownIssuer);
        }
        below = below.saturating_add(1);
    }
    let anchor = path.anchor();
    let is_good = |root: &Root| root.anchor == *anchor && may_issue(&root.certificate, time, below);
    match roots.iter().any(is_good) {
        true => Ok(()),
        false => Err(webpki::Error::UnknownIssuer),
    }
}

/// The extensions that Go understands when they are critical.
const UNDERSTOOD: [ObjectIdentifier; 12] = [
    ObjectIdentifier::new_unwrap("2.5.29.14"),
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.30"),
    ObjectIdentifier::new_unwrap("2.5.29.31"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
    ObjectIdentifier::new_unwrap("2.5.29.33"),
    ObjectIdentifier::new_unwrap("2.5.29.35"),
    ObjectIdentifier::new_unwrap("2.5.29.36"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
    ObjectIdentifier::new_unwrap("2.5.29.54"),
];

/// Whether an authority may issue a certificate for signing code at this time, with so many other
/// authorities in between (Go: `isValid` and `CheckSignatureFrom` in `crypto/x509`).
fn may_issue(authority: &Certificate, time: u64, below: u8) -> bool {
    let authority = authority.tbs_certificate();
    let validity = authority.validity();
    let start = validity.not_before.to_unix_duration().as_secs();
    let end = validity.not_after.to_unix_duration().as_secs();
    let constraints = authority.get_extension::<BasicConstraints>();
    let uses = authority.get_extension::<KeyUses>();
    let purposes = authority.get_extension::<ExtendedKeyUsage>();
    let is_authority = constraints.is_ok_and(|found| {
        found.is_some_and(|(_, is)| is.ca && is.path_len_constraint.is_none_or(|max| below <= max))
    });
    let may_certify = uses.is_ok_and(|found| found.is_none_or(|(_, uses)| uses.key_cert_sign()));
    let for_code = purposes.is_ok_and(|found| {
        found.is_none_or(|(_, list)| list.0.iter().any(|id| [CODE_SIGNING, ANY_USE].contains(id)))
    });
    let mut extensions = authority.extensions().into_iter().flatten();
    let is_understood =
        extensions.all(|found| !found.critical || UNDERSTOOD.contains(&found.extn_id));
    (start..=end).contains(&time) && is_understood && is_authority && may_certify && for_code
}
