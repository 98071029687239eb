//! The tar wire format: incremental reading and writing of ustar, PAX, GNU and v7 headers, without touching any file.
