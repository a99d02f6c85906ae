//! `kill -9` at random moments of a drill: the next `gc` leaves nothing of it.

use lifeboat_tests::kills::{kill_at_random_moments, length_of};
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Major, Way};

use crate::world::World;

#[test]
fn a_killed_drill_leaves_nothing_after_the_next_collection() {
    let world = World::new(Major::V15, Way { method: "parallel", compression: "gzip", sealed: true });
    world.depot.backup(&world.shop());
    let drill = || world.drill("run", "").arg("shop/latest");
    let kills = if long() { 100 } else { 30 };
    let span = length_of(drill);
    kill_at_random_moments("a_killed_drill_leaves_nothing", kills, span, |moment| {
        let cut_short = drill().spawn().kill_after(moment);
        world.drill("gc", "").run().expect(0);
        assert_eq!(world.left(), Vec::<String>::new(), "after a kill at {moment:?}");
        cut_short
    });
}
