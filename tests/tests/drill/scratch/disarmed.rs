//! What would act by itself in a restored database.

use lifeboat_backup::postgres::{ConnectOptions, ConnectionSettings, connect};
use lifeboat_core::monitor::Silent;
use lifeboat_drill::scratch::{Disarmed, disarm};
use lifeboat_tests::places::job;
use lifeboat_tests::{Database, Major, Postgres, run};

fn disarmed(database: &Database<'_>) -> Disarmed {
    let settings = ConnectionSettings::parse(&database.socket_dsn(), &|_| None).unwrap();
    run(async {
        let mut session = connect(&settings, "test", &ConnectOptions::default(), &Silent).await.unwrap();
        let disarmed = disarm(&mut session, &job()).await.unwrap();
        session.close().await;
        disarmed
    })
}

#[test]
fn subscriptions_passwords_to_other_servers_and_jobs_are_taken_out() {
    for major in Major::ALL {
        let database = Postgres::shared(major).database("armed");
        assert!(disarmed(&database).is_empty());
        database.psql(
            "CREATE SUBSCRIPTION \"it's\" CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false);
             CREATE FOREIGN DATA WRAPPER w;
             CREATE SERVER \"the other\" FOREIGN DATA WRAPPER w;
             CREATE USER MAPPING FOR PUBLIC SERVER \"the other\" OPTIONS (password 'hunter2');
             CREATE USER MAPPING FOR plain SERVER \"the other\" OPTIONS (password 'hunter2');
             CREATE SCHEMA cron;
             CREATE TABLE cron.job (jobid int, active bool);
             INSERT INTO cron.job VALUES (1, true), (2, false), (3, true);",
        );
        let disarmed = disarmed(&database);
        assert_eq!(disarmed.subscriptions, ["it's"]);
        assert_eq!(disarmed.user_mappings, ["plain at the other", "everyone at the other"]);
        assert_eq!(disarmed.jobs, ["2 of pg_cron"]);
        let rest = "SELECT (SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid \
                    WHERE datname = current_database()) || ' ' || (SELECT count(*) FROM pg_user_mapping) || ' ' || \
                    (SELECT count(*) FROM cron.job WHERE active)";
        assert_eq!(database.psql(rest), "0 0 0");
    }
}
