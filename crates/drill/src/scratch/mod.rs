//! Where a backup is restored for a drill: a throwaway cluster, a database of its own on a server that is not production, or
//! what a command of the operator's gives.
//!
//! Invariants: everything that is made bears a lease first; what a live drill holds is never removed; what a dead one left
//! is removed by whoever comes next.
