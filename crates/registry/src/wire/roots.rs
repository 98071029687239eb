//! The certificates that the system trusts.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;

/// The system's certificates, read when they are needed first.
#[derive(Clone, Default)]
pub(crate) struct Roots(Arc<OnceLock<RootCertStore>>);

impl Roots {
    /// Returns a copy to add certificates to.
    pub(crate) fn get(&self) -> RootCertStore {
        self.0.get_or_init(read).clone()
    }
}

/// Reads what can be read, as Go does: certificates that cannot be used are left out.
fn read() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let _counts = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roots")
    }
}
