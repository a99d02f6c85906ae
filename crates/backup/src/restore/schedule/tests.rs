use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Hold, Job, Next, Schedule};

fn job(what: &'static str, cost: u64, needs: &[usize], opens: &[usize]) -> Job<&'static str> {
    Job { what, cost, weight: cost, needs: needs.to_vec(), opens: opens.to_vec(), holds: Vec::new() }
}

fn take<T>(schedule: &mut Schedule<T>) -> (usize, T) {
    match schedule.next() {
        Next::Do(id, what) => (id, what),
        Next::Wait => panic!("nothing may start"),
        Next::Nothing => panic!("nothing is left"),
    }
}

#[test]
fn the_rows_before_a_big_index_go_first_and_the_index_beside_other_rows() {
    let mut schedule = Schedule::new(vec![
        job("small rows", 5, &[], &[1]),
        job("big rows", 50, &[], &[2]),
        job("indexed rows", 10, &[], &[3]),
        job("big index", 100, &[3], &[]),
        job("small index", 1, &[1], &[]),
    ]);
    let (first, what) = take(&mut schedule);
    assert_eq!(what, "indexed rows");
    let (second, what) = take(&mut schedule);
    assert_eq!(what, "big rows");
    schedule.done(first);
    assert_eq!(take(&mut schedule).1, "big index");
    schedule.done(second);
    let (third, what) = take(&mut schedule);
    assert_eq!(what, "small rows");
    assert!(matches!(schedule.next(), Next::Wait));
    schedule.done(third);
    assert_eq!(take(&mut schedule).1, "small index");
    assert!(matches!(schedule.next(), Next::Nothing));
}

#[test]
fn jobs_that_lock_the_same_table_take_turns_and_others_pass_them() {
    let with = |what, cost, holds: &[(usize, Hold)]| Job { holds: holds.to_vec(), ..job(what, cost, &[], &[]) };
    let mut schedule = Schedule::new(vec![
        with("key of a", 9, &[(0, Hold::Alone)]),
        with("index of a", 8, &[(0, Hold::Shared)]),
        with("other index of a", 7, &[(0, Hold::Shared)]),
        with("from b to c", 3, &[(1, Hold::Alone), (2, Hold::Alone)]),
        with("from d to c", 2, &[(3, Hold::Alone), (2, Hold::Alone)]),
    ]);
    let (key, _) = take(&mut schedule);
    assert_eq!(take(&mut schedule).1, "from b to c");
    assert!(matches!(schedule.next(), Next::Wait));
    schedule.done(key);
    assert_eq!((take(&mut schedule).1, take(&mut schedule).1), ("index of a", "other index of a"));
    assert!(matches!(schedule.next(), Next::Wait));
}

fn any_job() -> impl Strategy<Value = Job<()>> {
    let hold = prop_oneof![Just(Hold::Shared), Just(Hold::Alone)];
    // A job needs only gates below those it may open: nothing waits for itself.
    (0..1000u64, 0..6usize, any::<bool>(), prop::collection::btree_map(0..4usize, hold, 0..3)).prop_map(
        |(cost, level, opens, holds)| Job {
            what: (),
            cost,
            weight: cost,
            needs: (level > 0).then(|| level - 1).into_iter().collect(),
            opens: opens.then_some(level).into_iter().collect(),
            holds: holds.into_iter().collect(),
        },
    )
}

proptest! {
    /// Sessions take and end jobs in any order: every job is done once, none before what it needs, and never two whose
    /// locks exclude each other; while nothing runs, something may start.
    #[test]
    fn every_job_is_given_out_once_when_its_gates_are_open_and_its_tables_free(
        jobs in prop::collection::vec(any_job(), 0..40),
        choices in prop::collection::vec(any::<(bool, prop::sample::Index)>(), 200),
    ) {
        let mut schedule = Schedule::new(jobs.clone());
        let (mut running, mut done): (Vec<usize>, BTreeSet<usize>) = (Vec::new(), BTreeSet::new());
        let mut choices = choices.into_iter().cycle();
        while done.len() < jobs.len() {
            let (take, which) = choices.next().unwrap();
            if (take || running.is_empty()) && running.len() < 4 {
                match schedule.next() {
                    Next::Do(id, ()) => {
                        prop_assert!(!done.contains(&id) && !running.contains(&id));
                        for gate in &jobs[id].needs {
                            let shut = (0..jobs.len()).find(|other| jobs[*other].opens.contains(gate) && !done.contains(other));
                            prop_assert_eq!(shut, None);
                        }
                        for (table, hold) in &jobs[id].holds {
                            let others = running.iter().flat_map(|other| &jobs[*other].holds);
                            for (_, other) in others.filter(|(held, _)| held == table) {
                                prop_assert!(*hold == Hold::Shared && *other == Hold::Shared);
                            }
                        }
                        running.push(id);
                        continue;
                    }
                    Next::Wait => prop_assert!(!running.is_empty(), "nothing runs and nothing may start"),
                    Next::Nothing => prop_assert_eq!(done.len() + running.len(), jobs.len()),
                }
            }
            if !running.is_empty() {
                let id = running.swap_remove(which.index(running.len()));
                schedule.done(id);
                done.insert(id);
            }
        }
        prop_assert!(matches!(schedule.next(), Next::Nothing));
    }
}
