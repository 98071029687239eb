//! Layer, image and container IDs, names and digests of a containers-storage store: parsing, printing, generating.
