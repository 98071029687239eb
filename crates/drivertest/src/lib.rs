//! One conformance suite that every graph driver passes.
