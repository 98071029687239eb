//! The certificates that the system trusts.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// The system's certificates, read when they are needed first.
#[derive(Clone, Default)]
pub(crate) struct Roots(Arc<OnceLock<Trusted>>);

/// Certificates that are trusted.
#[derive(Clone)]
pub(crate) struct Trusted {
    /// As authorities.
    pub(crate) store: RootCertStore,
    /// Themselves, if a server shows one of them.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Returns a copy to add certificates to.
    pub(crate) fn get(&self) -> Trusted {
        self.0.get_or_init(read).clone()
    }
}

/// Reads what can be read, as Go does: certificates that cannot be used are left out.
fn read() -> Trusted {
    let certificates = rustls_native_certs::load_native_certs().certs;
    let mut store = RootCertStore::empty();
    let _counts = store.add_parsable_certificates(certificates.iter().cloned());
    Trusted {
        store,
        certificates,
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roots")
    }
}
