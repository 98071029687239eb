//! Two command lines over one library.
