//! What the compiler alone can prove.

use std::sync::Arc;

use lifeboat_core::keys::{KeyWrap, OpenKeys};
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;

use super::{
    ReencryptKeys, ReencryptOptions, ReencryptPlan, RetireOptions, RetirePlan, RewrapOptions, apply_reencrypt,
    apply_retire, plan_reencrypt, plan_retire, plan_rewrap, remove_replaced, rewrap, status, verify,
};

/// Embedders spawn operations: each future may move to another thread.
#[expect(dead_code, reason = "it compiles or it does not")]
fn every_operation_can_be_spawned(
    (stores, monitor): (&[Store], Arc<dyn Monitor>),
    (open, key): (&OpenKeys, Arc<dyn KeyWrap>),
    (rewraps, retires, plan): (&RewrapOptions, &RetireOptions, &RetirePlan),
    (keys, reencrypts, replaced): (&ReencryptKeys, &ReencryptOptions, &ReencryptPlan),
) {
    let spawned = |_: &dyn Send| ();
    spawned(&plan_rewrap(stores, open, key.id(), rewraps, monitor.clone()));
    spawned(&rewrap(stores, open, key.as_ref(), rewraps, monitor.clone()));
    spawned(&status(stores, &rewraps.rotate, monitor.clone()));
    spawned(&verify(stores, key.clone(), open, &rewraps.rotate, monitor.clone()));
    spawned(&plan_retire(stores, open, retires, monitor.clone()));
    spawned(&apply_retire(stores, plan, retires, monitor.clone()));
    spawned(&plan_reencrypt(stores, keys, reencrypts, monitor.clone()));
    spawned(&apply_reencrypt(stores, replaced, keys, reencrypts, monitor.clone()));
    spawned(&remove_replaced(stores, replaced, &[], keys, reencrypts, monitor));
}
