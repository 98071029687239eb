//! File capabilities, which may name the root user of a user namespace.

/// Size of the attribute in revision 2, which names no user namespace, and of the part before the
/// sets (linux/capability.h).
const PLAIN: usize = 20;
/// Size in revision 3, which ends in the ID outside of the namespace's root.
const OF_NAMESPACE: usize = 24;
const REVISION_MASK: u32 = 0xff00_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;

/// Maps the root ID in a `security.capability`: `translate` gives its new value, 0 for the initial
/// user namespace. Returns `None` if the attribute stays unchanged, because it names no ID or
/// `translate` does not map it.
///
/// A container's process writes no ID: the kernel adds the ID outside of the container's root, and
/// hides it inside.
#[must_use]
pub fn capability_for(value: &[u8], translate: impl FnOnce(u32) -> Option<u32>) -> Option<Vec<u8>> {
    let word = |at: usize| {
        let bytes = value.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    let head = word(0)?;
    if value.len() != OF_NAMESPACE || head & REVISION_MASK != REVISION_3 {
        return None;
    }
    let owner = word(PLAIN)?;
    let wanted = translate(owner).filter(|wanted| *wanted != owner || owner == 0)?;
    let mut changed = value.to_vec();
    if wanted == 0 {
        changed.truncate(PLAIN);
        let head = (head & !REVISION_MASK) | REVISION_2;
        changed.splice(..4, head.to_le_bytes());
    } else {
        changed.splice(PLAIN.., wanted.to_le_bytes());
    }
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cap_net_bind_service+ep`.
    fn capability(revision: u8, owner: Option<u32>) -> Vec<u8> {
        let mut value = vec![1, 0, 0, revision, 0, 4, 0, 0, 0, 0, 0, 0];
        value.extend([0; 8]);
        value.extend(owner.map(u32::to_le_bytes).into_iter().flatten());
        value
    }

    #[test]
    fn the_superuser_named_is_another_one() {
        let inside = |id: u32| id.checked_sub(100_000);
        let of = |owner| capability(3, Some(owner));
        assert_eq!(
            capability_for(&of(100_000), inside),
            Some(capability(2, None))
        );
        assert_eq!(capability_for(&of(100_007), inside), Some(of(7)));
        assert_eq!(capability_for(&of(5), inside), None);
        assert_eq!(capability_for(&of(7), |id| Some(id + 1000)), Some(of(1007)));
        assert_eq!(capability_for(&of(0), |id| Some(id + 1000)), Some(of(1000)));
        assert_eq!(capability_for(&of(0), Some), Some(capability(2, None)));
        assert_eq!(capability_for(&of(9), Some), None);
    }

    #[test]
    fn what_names_nobody_stays() {
        for value in [
            capability(2, None),
            capability(3, None),
            capability(1, Some(5)),
            Vec::new(),
            vec![1, 0, 0],
        ] {
            assert_eq!(capability_for(&value, |_| Some(1)), None);
        }
    }
}
