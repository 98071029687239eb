//! How a server takes the contents of uploads.

/// The first size of chunks, and the least one.
const CHUNK: u64 = 16 << 20;
const LEAST_CHUNK: u64 = 1 << 20;

/// How contents are sent, from what most servers take to what some want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Manner {
    /// All in one request before the one that closes the upload, as podman sends it.
    #[default]
    Stream,
    /// In requests of at most so many bytes, each with its place.
    Chunks(u64),
    /// In the request that closes the upload, as containerd sends it.
    Whole,
}

impl Manner {
    /// Returns what to try when a server refuses this one.
    pub(crate) fn next(self, is_too_large: bool) -> Option<Self> {
        match self {
            Self::Stream => Some(Self::Chunks(CHUNK)),
            Self::Chunks(length) if is_too_large => {
                (length > LEAST_CHUNK).then_some(Self::Chunks(length / 4))
            }
            Self::Chunks(_) => Some(Self::Whole),
            Self::Whole => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manner_is_tried_once() {
        let all = |is_too_large| {
            let first = Some(Manner::default());
            std::iter::successors(first, move |manner| manner.next(is_too_large))
        };
        let chunks = |size: u64| Manner::Chunks(size << 20);
        let expected = [Manner::Stream, chunks(16), Manner::Whole];
        assert!(all(false).eq(expected));
        let expected = [Manner::Stream, chunks(16), chunks(4), chunks(1)];
        assert!(all(true).eq(expected));
    }
}
