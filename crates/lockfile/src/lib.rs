//! Process-shared read/write lock files with a last-write token, compatible with containers/storage.
