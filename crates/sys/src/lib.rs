//! The one crate that talks to the kernel: directory handles, durable publishing of files, record locks, xattrs, mounts, reflinks.
