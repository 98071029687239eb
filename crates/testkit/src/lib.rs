//! Fixtures, faults, real peers and child runners for layerhold's own tests.
