//! A registry, and how its certificate is checked.

use std::fmt;

use layerhold_reference::Reference;
use zeroize::Zeroizing;

/// Docker Hub in names of images, and the host that serves it (Go: `docker_client.go`).
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A registry and how to talk to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: String,
    security: Security,
}

impl Endpoint {
    /// A registry by its name in references, `HOST[:PORT]`, with verified TLS.
    ///
    /// `docker.io` is asked at `registry-1.docker.io`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            security: Security::default(),
        }
    }

    /// The registry of an image, with verified TLS.
    #[must_use]
    pub fn of(image: &Reference) -> Self {
        Self::new(image.registry())
    }

    /// Sets how the registry is verified.
    #[must_use]
    pub fn with_security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Returns the name in references.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how the registry is verified.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// The host that serves the registry, with the port if one is given.
    pub(crate) fn authority(&self) -> &str {
        match self.name == DOCKER_HUB.0 {
            true => DOCKER_HUB.1,
            false => &self.name,
        }
    }
}

/// How a registry is verified, and what it can verify of the client.
#[derive(Clone, Default)]
pub struct Security {
    pub(crate) is_insecure: bool,
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
}

/// A client certificate with its chain, and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificates: Vec<u8>,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

impl Security {
    /// TLS with a certificate that the system trusts. The same as the default.
    #[must_use]
    pub fn verified() -> Self {
        Self::default()
    }

    /// TLS with any certificate; plain HTTP where the registry does not speak TLS. Certificate and
    /// key of the client are used nevertheless.
    ///
    /// Credentials are sent to such a registry too, as podman does (Go: `detectProperties`).
    #[must_use]
    pub fn insecure() -> Self {
        Self {
            is_insecure: true,
            ..Self::default()
        }
    }

    /// Trusts the certificates of a PEM file too, beside those of the system: the `.crt` files of
    /// `certs.d`.
    #[must_use]
    pub fn with_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(pem.into());
        self
    }

    /// Shows a certificate to a registry that asks for one: the `.cert` and `.key` files of
    /// `certs.d`. It is not shown to other hosts that a registry redirects to.
    #[must_use]
    pub fn with_client_certificate(
        mut self,
        certificates_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some(Identity {
            certificates: certificates_pem.into(),
            key: Zeroizing::new(key_pem.into()),
        });
        self
    }

    /// Whether this is [`insecure`](Self::insecure).
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.is_insecure
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("is_insecure", &self.is_insecure)
            .field("authorities", &self.authorities.len())
            .field("has_client_certificate", &self.identity.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_is_served_elsewhere() {
        for (name, authority) in [
            ("docker.io", "registry-1.docker.io"),
            ("quay.io:443", "quay.io:443"),
        ] {
            let endpoint = Endpoint::new(name);
            assert_eq!((endpoint.name(), endpoint.authority()), (name, authority));
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let security = Security::insecure()
            .with_authorities("ca")
            .with_client_certificate("certificate", "secret key");
        let shown = format!("{:?}", Endpoint::new("a").with_security(security));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
