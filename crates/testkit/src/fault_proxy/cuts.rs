//! Where connections are cut.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::random::Random;

/// Where connections are cut, counted in body bytes over all bodies that a personality covers.
///
/// A cut closes the connection that carries the byte in question, after the bytes before it have
/// passed. Bytes that a client fetches or sends once more count once more, so a number of cuts is
/// always reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cuts {
    /// Before these bytes, counted from 0.
    At(Vec<u64>),
    /// After every so many bytes, without end.
    Every(u64),
    /// At `count` random places among the first `within` bytes, decided by the seed.
    Random {
        /// Decides the places.
        seed: u64,
        /// How many cuts.
        count: usize,
        /// The places are below this.
        within: u64,
    },
}

/// Counts the bytes and says where the next cut is.
#[derive(Debug)]
pub(super) struct Cutter(Mutex<State>);

#[derive(Debug)]
struct State {
    passed: u64,
    next: Option<u64>,
    then: Then,
}

/// The cuts behind the next one.
#[derive(Debug)]
enum Then {
    /// At these places, the last first.
    At(Vec<u64>),
    /// After so many bytes more, again and again.
    Every(u64),
}

impl Cutter {
    pub(super) fn new(cuts: &Cuts) -> Self {
        let places = match cuts {
            Cuts::At(places) => places.iter().copied().collect(),
            Cuts::Random {
                seed,
                count,
                within,
            } => random_places(*seed, *count, *within),
            Cuts::Every(bytes) => {
                let bytes = (*bytes).max(1);
                return Self::beginning(Some(bytes), Then::Every(bytes));
            }
        };
        let mut places: Vec<u64> = places.into_iter().rev().collect();
        Self::beginning(places.pop(), Then::At(places))
    }

    fn beginning(next: Option<u64>, then: Then) -> Self {
        Self(Mutex::new(State {
            passed: 0,
            next,
            then,
        }))
    }

    /// How many of the next `count` bytes pass. Fewer means that the connection is cut after them.
    pub(super) fn pass(&self, count: usize) -> usize {
        let mut state = self.0.lock().expect("no thread panics with it");
        let room = state.next.map_or(u64::MAX, |next| next - state.passed);
        let passed = usize::try_from(room).map_or(count, |room| room.min(count));
        state.passed += passed as u64;
        if passed < count {
            let after = state.next.unwrap_or_default();
            state.next = match &mut state.then {
                Then::At(places) => places.pop(),
                Then::Every(bytes) => Some(after + *bytes),
            };
        }
        passed
    }
}

/// So many different numbers below `within`.
fn random_places(seed: u64, count: usize, within: u64) -> BTreeSet<u64> {
    let count = usize::try_from(within).map_or(count, |most| most.min(count));
    let mut random = Random::new(seed);
    let mut places = BTreeSet::new();
    while places.len() < count {
        places.insert(random.below(within));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a body of `length` bytes is cut when it is sent in pieces of 10 and goes on after each
    /// cut.
    fn places(cuts: &Cuts, length: u64) -> Vec<u64> {
        let cutter = Cutter::new(cuts);
        let (mut sent, mut found) = (0, Vec::new());
        while sent < length {
            let passed = cutter.pass(10.min((length - sent) as usize)) as u64;
            sent += passed;
            if passed < 10 && sent < length {
                found.push(sent);
            }
        }
        found
    }

    #[test]
    fn each_place_is_cut_once() {
        assert_eq!(places(&Cuts::At(vec![25, 0, 26]), 50), [0, 25, 26]);
        assert_eq!(places(&Cuts::Every(20), 70), [20, 40, 60]);
        let random = Cuts::Random {
            seed: 3,
            count: 7,
            within: 1000,
        };
        let found = places(&random, 1000);
        assert_eq!(found.len(), 7);
        assert_eq!(found, places(&random, 1000));
        let few = Cuts::Random {
            seed: 3,
            count: 7,
            within: 2,
        };
        assert_eq!(places(&few, 100), [0, 1]);
    }
}
