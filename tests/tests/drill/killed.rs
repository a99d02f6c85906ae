//! `kill -9` at random moments of a drill: the next `gc` leaves nothing of it, be it a process, a folder, a socket, a database, a
//! lock, or shared memory.

use std::path::Path;
use std::time::{Duration, Instant};

use lifeboat_tests::kills::{kill_at_random_moments, length_of};
use lifeboat_tests::places::{orphaned_dynamic_memory, orphaned_segments};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Lifeboat, Major, PATIENCE, Postgres, Way};
use rustix::process::Signal;

use crate::world::World;

/// A program that ends neither when it is asked to, nor with the drill, and what it starts; by its last word [`World::left`] knows
/// it, whatever it bears.
fn smoke(world: &World) -> String {
    let folder = world.folder.path().display();
    let program = "trap '' TERM; sh -c \"trap '' TERM; sleep 30; :\" \"$0\" & sleep 0.5; :";
    format!("[drill.smoke]\ncommand = [\"sh\", \"-c\", '''{program}''', \"{folder}\"]\n")
}

const WAY: Way = Way { method: "parallel", compression: "gzip", sealed: true };

/// Collects what a killed drill left. What it was just starting holds its lock, too, until it has become another program.
#[track_caller]
fn collect(world: &World, lines: &str) {
    let began = Instant::now();
    while world.drill("gc", lines).run().expect(0).stdout.contains("left alone") {
        assert!(began.elapsed() < PATIENCE, "a killed drill is taken for one that runs");
    }
}

#[test]
fn a_killed_drill_leaves_nothing_after_the_next_collection() {
    // In a folder with a long name the socket lies elsewhere.
    let world = World::new(Major::V15, WAY).in_a_long_folder();
    world.depot.backup(&world.shop());
    let before = outside();
    let lines = smoke(&world);
    let drill = || world.drill("run", &lines).arg("shop/latest");
    let kills = if long() { 100 } else { 30 };
    let span = length_of(drill);
    kill_at_random_moments("a_killed_drill_leaves_nothing", kills, span, |moment| {
        let cut_short = drill().spawn().kill_after(moment);
        collect(&world, &lines);
        assert_eq!(world.left(), Vec::<String>::new(), "after a kill at {moment:?}");
        cut_short
    });
    assert_nothing_more_outside(&before);
}

#[test]
fn a_killed_drill_is_recorded_as_inconclusive_by_whoever_collects_it() {
    let world = World::new(Major::V15, WAY);
    world.depot.backup(&world.shop());
    let mark = world.folder.path().join("smoking");
    std::fs::write(&mark, "").unwrap();
    std::fs::set_permissions(&mark, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let lines = format!("[drill.smoke]\ncommand = [\"sh\", \"-c\", \"echo yes > {}; sleep 60\"]", mark.display());
    let states = || {
        let listed = world.drill("list", "").run().expect(0).stdout;
        listed.lines().skip(1).map(|line| line.split_whitespace().nth(3).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let killed = || {
        std::fs::write(&mark, "").unwrap();
        let running = world.drill("run", &lines).arg("shop/latest").spawn();
        while std::fs::read_to_string(&mark).unwrap().is_empty() && running.is_running() {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(running.kill_after(Duration::ZERO));
    };
    killed();
    assert_eq!(states(), ["runs,"]);
    let collected = world.drill("gc", &lines).run().expect(0).stdout;
    assert!(collected.contains("recorded that the drill shop/"), "{collected}");
    assert_eq!(states(), ["inconclusive:"]);
    let report = world.drill("show", "").arg("shop/latest").run().expect(0).stdout;
    assert!(report.contains("it was killed"), "{report}");
    let folder = std::fs::read_dir(world.depot.path("prod/drills/shop")).unwrap().flatten();
    let folder = folder.map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    assert!(folder.join("report.json.sealed").exists(), "{}", folder.display());

    killed();
    world.drilled("", 0);
    assert_eq!(states(), ["passed", "inconclusive:", "inconclusive:"]);
}

#[test]
fn a_killed_drill_on_a_server_leaves_neither_database_nor_lock_nor_program() {
    let world = World::new(Major::V15, WAY);
    world.depot.backup(&world.shop());
    let server = Postgres::start(Major::V18, &Options::default());
    let lines = format!("scratch = \"server\"\nserver = \"{}\"\n{}", server.socket_dsn("postgres"), smoke(&world));
    let drill = || world.drill("run", &lines).arg("shop/latest");
    let kills = if long() { 60 } else { 12 };
    let span = length_of(drill);
    kill_at_random_moments("a_killed_drill_on_a_server", kills, span, |moment| {
        let cut_short = drill().spawn().kill_after(moment);
        // The server needs a moment to see that the session is gone.
        let began = Instant::now();
        while !databases_and_locks(&server).is_empty() && began.elapsed() < PATIENCE {
            world.drill("gc", &lines).run().expect(0);
        }
        collect(&world, &lines);
        assert_eq!(databases_and_locks(&server), "", "after a kill at {moment:?}");
        assert_eq!(world.left(), Vec::<String>::new(), "after a kill at {moment:?}");
        cut_short
    });
}

#[test]
fn a_killed_demo_leaves_nothing_after_the_next_collection() {
    let world = World::new(Major::V15, WAY);
    let temporary = world.folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let left = || {
        let mut left = world.left();
        left.extend(std::fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path().display().to_string()));
        left
    };
    // Before its server is there, with it, and with that of its drill, too.
    for servers in 0..=2 {
        let demo = Lifeboat::new().arg("demo").env("TMPDIR", &temporary).spawn();
        while (files_named("lock", &temporary) == 0 || files_named("postmaster.pid", &temporary) < servers)
            && demo.is_running()
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        // It gets no further while the next program looks. One that lives is left alone.
        demo.signal(Signal::STOP);
        let collected = world.drill("gc", "").env("TMPDIR", &temporary).run().expect(0);
        assert!(collected.stdout.contains("nothing was left"), "{}", collected.stdout);
        assert!(demo.kill_after(Duration::ZERO), "the demo was through before it had {servers} servers");
        assert_ne!(left(), Vec::<String>::new(), "killed too early");
        world.drill("gc", "").env("TMPDIR", &temporary).run().expect(0);
        assert_eq!(left(), Vec::<String>::new(), "after a kill with {servers} servers");
    }
}

/// How many files below a folder have a name: `postmaster.pid` for each server that has come up, or is about to.
fn files_named(name: &str, folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_named(name, &entry.path()),
        _ => usize::from(entry.file_name() == name),
    };
    entries.map(count).sum()
}

fn databases_and_locks(server: &Postgres) -> String {
    let locks = server.psql("postgres", "SELECT objid FROM pg_locks WHERE locktype = 'advisory'");
    format!("{}{locks}", server.databases_like("drill_"))
}

/// What drills leave outside their folders: those of other tests, too.
fn outside() -> Vec<String> {
    let sockets = std::fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.path().display().to_string());
    let mut found: Vec<_> = sockets.filter(|path| path.starts_with("/tmp/lifeboat-drill-")).collect();
    found.extend(orphaned_segments());
    found.extend(orphaned_dynamic_memory());
    found
}

/// What other tests leave for moments is gone when they are.
#[track_caller]
fn assert_nothing_more_outside(before: &[String]) {
    let began = Instant::now();
    loop {
        let more: Vec<_> = outside().into_iter().filter(|left| !before.contains(left)).collect();
        if more.is_empty() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{more:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
