//! What a role that was granted this and that may do, and what it is told that it lacks: before anything is written.

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Error, Kind};
use lifeboat_rotate::sweep::{self, Mode, Summary, SweepOptions};
use lifeboat_tests::servers::postgres::{PASSWORD, PLAIN_ROLE, TLS_ROLE};
use lifeboat_tests::{Major, Postgres, run};

use crate::world::{NEW, OLD, World, cut_over, job, mode, same, settings, small};

const TABLE: &str = "id int PRIMARY KEY, value text";
const OWN_SCHEMA: &str = "CREATE SCHEMA lifeboat_rotate AUTHORIZATION plain";

/// As a role that may not do anything but what it was granted.
fn plain_settings(world: &World) -> ConnectionSettings {
    settings(&Postgres::shared(Major::V18).dsn_as(PLAIN_ROLE, PASSWORD, &world.database.name))
}

fn run_as_plain_role(world: &World, options: &SweepOptions) -> Result<Summary, Error> {
    run(sweep::run(&plain_settings(world), world.targets(), options, &job()))
}

/// It is refused, says which grant is lacking, and `plan` says the same.
fn refused(world: &World, grants: &str, options: &SweepOptions, expected: &str) {
    world.database.psql(grants);
    let error = run_as_plain_role(world, options).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert!(error.help().unwrap().contains(expected), "{:?}", error.help());
    let plan = run(sweep::plan(&plain_settings(world), world.targets(), options, &job())).unwrap();
    assert!(plan.refusals().any(|refusal| refusal.contains(expected)), "{plan:?}");
}

#[test]
fn a_role_that_may_only_read_is_refused_with_the_grant_it_lacks() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
    let refused = |grants: &str, expected: &str| refused(&world, grants, &small(), expected);
    refused("SELECT 1", "GRANT SELECT ON public.secrets");
    // Places of rows go with the table only.
    refused("GRANT SELECT (id, value) ON secrets TO plain", "GRANT SELECT ON public.secrets");
    refused("GRANT SELECT ON secrets TO plain", "GRANT UPDATE (value) ON public.secrets");
    refused("GRANT UPDATE (value) ON secrets TO plain", "CREATE SCHEMA lifeboat_rotate AUTHORIZATION");
    same(&world.opened(OLD), &plain, "plaintexts");
    world.database.psql(OWN_SCHEMA);
    assert!(run_as_plain_role(&world, &small()).unwrap().is_clean(), "nothing else is needed");
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn a_table_whose_rows_are_hidden_is_refused() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
    world.database.psql(
        "GRANT SELECT, UPDATE ON secrets TO plain; GRANT CREATE ON DATABASE current TO plain"
            .replace("DATABASE current", &format!("DATABASE \"{}\"", world.database.name))
            .as_str(),
    );
    world.database.psql("ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON secrets USING (id < 5)");
    let error = run_as_plain_role(&world, &small()).unwrap_err();
    assert!(error.help().unwrap().contains("row-level security of public.secrets hides rows"), "{:?}", error.help());
    same(&world.opened(OLD), &plain, "plaintexts");
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "a superuser sees them all");
}

#[test]
fn what_keeps_writers_out_is_granted_for_the_whole_table_before_anything_is_prepared() {
    for options in [mode(Mode::Staged), mode(Mode::Offline)] {
        let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
        world.database.psql(OWN_SCHEMA);
        let grants = "GRANT SELECT, UPDATE (value) ON secrets TO plain";
        refused(&world, grants, &options, "GRANT UPDATE ON public.secrets TO the role");
        same(&world.opened(OLD), &plain, "nothing was written");
        assert!(world.status().targets.is_empty(), "nothing was begun");
        world.database.psql("GRANT UPDATE ON secrets TO plain");
        let mut summary = run_as_plain_role(&world, &options).unwrap();
        if options.mode == Some(Mode::Staged) {
            world.database.psql("REVOKE UPDATE ON secrets FROM plain");
            refused(&world, grants, &cut_over(), "GRANT UPDATE ON public.secrets TO the role");
            world.database.psql("GRANT UPDATE ON secrets TO plain");
            summary = run_as_plain_role(&world, &cut_over()).unwrap();
        }
        assert!(summary.is_clean(), "{summary:?}");
        same(&world.opened(NEW), &plain, "plaintexts");
        run(sweep::rollback(&plain_settings(&world), world.targets(), &small(), &job())).unwrap();
        same(&world.opened(OLD), &plain, "and back");
    }
}

#[test]
fn partitions_are_written_and_the_table_over_them_is_kept_from_others() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 40);
    world.database.psql(
        "ALTER TABLE secrets RENAME TO here; CREATE TABLE secrets (id int, value text) PARTITION BY RANGE (id);
         ALTER TABLE secrets ATTACH PARTITION here FOR VALUES FROM (0) TO (1000)",
    );
    world.database.psql(OWN_SCHEMA);
    let offline = mode(Mode::Offline);
    let refused = |grants: &str, expected: &str| refused(&world, grants, &offline, expected);
    refused("GRANT UPDATE ON secrets TO plain", "GRANT SELECT ON public.here TO the role");
    refused("GRANT SELECT ON here TO plain", "GRANT UPDATE (value) ON public.here TO the role");
    world.database.psql("GRANT UPDATE (value) ON here TO plain");
    assert!(run_as_plain_role(&world, &offline).unwrap().is_clean(), "nothing else is needed");
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn an_owner_whom_row_level_security_is_forced_upon_is_refused_and_any_other_owner_sees_all_rows() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
    world.database.psql(&format!(
        "GRANT CREATE ON DATABASE \"{}\" TO plain; ALTER TABLE secrets OWNER TO plain;
         ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; ALTER TABLE secrets FORCE ROW LEVEL SECURITY;
         CREATE POLICY few ON secrets USING (id < 5)",
        world.database.name
    ));
    let error = run_as_plain_role(&world, &small()).unwrap_err();
    assert!(error.help().unwrap().contains("without FORCE ROW LEVEL SECURITY"), "{:?}", error.help());
    same(&world.opened(OLD), &plain, "plaintexts");
    world.database.psql("ALTER TABLE secrets NO FORCE ROW LEVEL SECURITY");
    assert!(run_as_plain_role(&world, &small()).unwrap().is_clean());
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn another_role_than_the_one_that_began_is_told_who_that_is() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
    assert!(world.run(&small()).unwrap().is_clean());
    world.database.psql("GRANT SELECT, UPDATE ON secrets TO plain");
    give_the_schema_to(&world, TLS_ROLE);
    let expected = format!("let an administrator run GRANT \"{TLS_ROLE}\" TO \"plain\"");
    every_verb_is_refused(&world, &expected);
    refused_with(&run(sweep::status(&plain_settings(&world), &job())).unwrap_err(), &expected);
    // To look is less than to write.
    world.database.psql(
        "GRANT USAGE ON SCHEMA lifeboat_rotate TO plain; GRANT SELECT ON ALL TABLES IN SCHEMA lifeboat_rotate TO plain",
    );
    assert_eq!(run(sweep::status(&plain_settings(&world), &job())).unwrap().targets.len(), 1);
    every_verb_is_refused(&world, &expected);
    same(&world.opened(NEW), &plain, "nothing was written");
    world.rollback(&small()).unwrap();
}

#[test]
fn nobody_is_told_to_make_a_role_a_member_of_a_superuser() {
    let (world, _) = World::with_rows(Major::V18, TABLE, 10);
    assert!(world.run(&small()).unwrap().is_clean());
    world.database.psql("GRANT SELECT, UPDATE ON secrets TO plain");
    let owner = world.database.psql("SELECT current_user");
    every_verb_is_refused(&world, &format!("it belongs to {owner}, a superuser: connect as that role"));
    let told = run(sweep::status(&plain_settings(&world), &job())).unwrap_err();
    assert!(!told.help().unwrap().contains("GRANT"), "{:?}", told.help());
}

fn give_the_schema_to(world: &World, role: &str) {
    let tables =
        ["format", "rotation", "part"].map(|table| format!("ALTER TABLE lifeboat_rotate.{table} OWNER TO {role};"));
    world.database.psql(&format!("ALTER SCHEMA lifeboat_rotate OWNER TO {role}; {}", tables.concat()));
}

fn every_verb_is_refused(world: &World, expected: &str) {
    let (settings, targets, job) = (plain_settings(world), world.targets(), job());
    refused_with(&run(sweep::run(&settings, targets, &small(), &job)).unwrap_err(), expected);
    refused_with(&run(sweep::finalize(&settings, targets, &small(), &job)).unwrap_err(), expected);
    refused_with(&run(sweep::rollback(&settings, targets, &small(), &job)).unwrap_err(), expected);
    let plan = run(sweep::plan(&settings, targets, &small(), &job)).unwrap();
    assert!(plan.refusals().any(|refusal| refusal.contains(expected)), "{plan:?}");
}

fn refused_with(error: &Error, expected: &str) {
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert!(error.help().unwrap().contains(expected), "{:?}", error.help());
}
