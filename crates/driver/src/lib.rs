//! The graph driver trait: what a store asks of the code that keeps layer contents on disk.
