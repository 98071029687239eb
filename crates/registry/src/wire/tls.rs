//! TLS of one registry.

use std::sync::Arc;

use rustls::client::{VerifierBuilderError, WantsClientCert};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder};

use super::roots::Roots;
use super::verifier::{AcceptAny, Verify};
use crate::endpoint::{Identity, Security};

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A certificate of an authority is not PEM, or there is none.
    #[error("the certificates of the authority are not valid PEM")]
    Authority(#[source] pem::Error),
    /// A certificate of an authority cannot be used.
    #[error("a certificate of the authority cannot be used")]
    UnusableAuthority(#[source] rustls::Error),
    /// The client certificate is not PEM, or there is none.
    #[error("the client certificate is not valid PEM")]
    ClientCertificate(#[source] pem::Error),
    /// The key of the client is not PEM, or there is none.
    #[error("the key of the client is not valid PEM, or encrypted")]
    ClientKey(#[source] pem::Error),
    /// Client certificate and key cannot be used, or do not belong together.
    #[error("the client certificate and its key cannot be used together")]
    Mismatch(#[source] rustls::Error),
    /// The TLS library refuses the configuration.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
    /// The TLS library refuses the certificates of authorities.
    #[error("the certificates of authorities cannot be used")]
    Verifier(#[source] VerifierBuilderError),
}

/// Makes the TLS configuration of a registry, with its client certificate or, for other hosts,
/// without it.
pub(crate) fn tls_config(
    security: &Security,
    roots: &Roots,
    with_identity: bool,
) -> Result<Arc<ClientConfig>, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let builder = match security.is_insecure {
        true => unverified(provider)?,
        false => verified(provider, security, roots)?,
    };
    let identity = security.identity.as_ref().filter(|_| with_identity);
    let config = match identity {
        Some(identity) => identified(builder, identity)?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

type Builder = ConfigBuilder<ClientConfig, WantsClientCert>;

fn unverified(provider: Arc<CryptoProvider>) -> Result<Builder, CertificateError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Setup)?;
    let accept = Arc::new(AcceptAny(provider));
    Ok(builder.dangerous().with_custom_certificate_verifier(accept))
}

fn verified(
    provider: Arc<CryptoProvider>,
    security: &Security,
    roots: &Roots,
) -> Result<Builder, CertificateError> {
    let mut trusted = roots.get();
    for pem in &security.authorities {
        for certificate in certificates(pem).map_err(CertificateError::Authority)? {
            let added = trusted.store.add(certificate.clone());
            added.map_err(CertificateError::UnusableAuthority)?;
            trusted.certificates.push(certificate);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Setup)?;
    let verifier = Verify::new(provider, trusted).map_err(CertificateError::Verifier)?;
    let builder = builder.dangerous();
    Ok(builder.with_custom_certificate_verifier(Arc::new(verifier)))
}

fn identified(builder: Builder, identity: &Identity) -> Result<ClientConfig, CertificateError> {
    let chain =
        certificates(&identity.certificates).map_err(CertificateError::ClientCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(CertificateError::ClientKey)?;
    let config = builder.with_client_auth_cert(chain, key);
    config.map_err(CertificateError::Mismatch)
}

/// Reads all certificates of a PEM text, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
    match found.is_empty() {
        true => Err(pem::Error::NoItemsFound),
        false => Ok(found),
    }
}
