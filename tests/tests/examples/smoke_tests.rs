//! The smoke tests, with stand-ins for docker and curl in their way: they pass when every answer is right, fail loudly when
//! one is not, and leave no container behind.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::products::{BRIVEN, CULLIS, DAOFLOW, IDENTITY_GOVERNANCE, PILOT, Product};
use crate::stage::write_program;
use lifeboat_tests::PATIENCE;

const IN_CONTAINERS: [Product; 4] = [BRIVEN, CULLIS, PILOT, DAOFLOW];
const SECRET: &str = "canary-0123456789abcdef0123456789abcdef";

/// A world in which the stand-ins do as told.
struct World {
    product: Product,
    folder: TempDir,
}

impl World {
    fn of(product: Product) -> World {
        let world = World { product, folder: TempDir::new().unwrap() };
        fs::create_dir(world.path("bin")).unwrap();
        let with_folder = |script: &str| script.replace("@FOLDER@", &world.folder.path().display().to_string());
        write_program(&world.path("bin/docker"), &with_folder(DOCKER));
        write_program(&world.path("bin/curl"), &with_folder(CURL));
        world.tell("running", "true").tell("answer", RIGHT).tell("exec-code", "0").tell("calls", "");
        for file in [".env", "env"] {
            let keys = format!("OTHER=1\nENCRYPTION_KEY={SECRET}\nBRIVEN_ENCRYPTION_KEY={SECRET}\n");
            world.tell(file, &keys);
        }
        world
    }

    fn tell(&self, file: &str, content: &str) -> &World {
        fs::write(self.path(file), content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) -> Child {
        Command::new(self.product.file("smoke.sh"))
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.path("bin").display()))
            .env("TMPDIR", self.folder.path())
            .env("DATABASE_URL", format!("postgresql://postgres:{SECRET}@172.30.0.2:5432/drill"))
            .envs(["CULLIS_HOME", "DAOFLOW_HOME"].map(|variable| (variable, self.folder.path())))
            .envs(["PILOT_ENV_FILE", "BRIVEN_ENV_FILE"].map(|variable| (variable, self.path("env"))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self) -> Output {
        self.start().wait_with_output().unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap()
    }

    /// Each container that was started in the background is gone, and so are the files.
    #[track_caller]
    fn assert_clean(&self) {
        let calls = self.calls();
        let starts = |call: &&str| call.contains("--detach") || call.starts_with("create ");
        let started: Vec<_> = calls.lines().filter(starts).map(name).collect();
        assert!(!started.is_empty(), "{calls}");
        for name in started {
            assert!(calls.contains(&format!("rm --force {name}\n")), "{name}: {calls}");
        }
        let left = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.filter(|name| name.to_string_lossy().starts_with("tmp.")).count(), 0);
    }
}

fn name(call: &str) -> &str {
    call.split_once("--name ").and_then(|(_, rest)| rest.split(' ').next()).expect("containers have names")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_smoke_test_passes_when_every_answer_is_right() {
    for product in IN_CONTAINERS {
        let world = World::of(product);
        let output = world.run();
        assert!(output.status.success(), "{}: {}", product.name, errors(&output));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("smoke: "), "{}", product.name);
        world.assert_clean();
    }
}

#[test]
fn a_server_that_ends_fails_it_with_the_servers_last_words() {
    for product in IN_CONTAINERS {
        let world = World::of(product);
        let output = world.tell("running", "false").tell("answer", "").run();
        assert_eq!(output.status.code(), Some(1), "{}: {}", product.name, errors(&output));
        assert!(errors(&output).contains("ended before"), "{}: {}", product.name, errors(&output));
        assert!(errors(&output).contains("its last words"), "{}: {}", product.name, errors(&output));
        world.assert_clean();
    }
}

#[test]
fn an_answer_that_is_not_right_fails_it_and_is_shown() {
    for product in IN_CONTAINERS {
        let world = World::of(product);
        let output = world.tell("answer", r#"{"status": "degraded", "checks": {"db": false}}"#).run();
        assert_eq!(output.status.code(), Some(1), "{}: {}", product.name, errors(&output));
        world.assert_clean();
    }
}

#[test]
fn secrets_that_do_not_open_or_a_broken_audit_chain_fail_it() {
    for product in IN_CONTAINERS {
        let world = World::of(product);
        let output = world.tell("exec-code", "1").run();
        assert_eq!(output.status.code(), Some(1), "{}", product.name);
        let said = errors(&output);
        assert!(["do not open", "cannot be read", "not whole"].iter().any(|words| said.contains(words)), "{said}");
        world.assert_clean();
    }
}

#[test]
fn no_secret_is_on_a_command_line() {
    for product in IN_CONTAINERS {
        let world = World::of(product);
        world.run();
        assert!(!world.calls().contains(SECRET), "{}: {}", product.name, world.calls());
    }
}

#[test]
fn a_smoke_test_that_is_told_to_end_cleans_up() {
    let worlds = IN_CONTAINERS.map(World::of);
    let running: Vec<_> = worlds.iter().map(|world| (world, world.tell("answer", "").start())).collect();
    for (world, child) in running {
        let began = Instant::now();
        while !world.calls().contains("State.Running") {
            assert!(began.elapsed() < PATIENCE, "{}: it never asked", world.product.name);
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143), "{}", world.product.name);
        world.assert_clean();
    }
}

/// The identity-governance server runs on the host: here a real one is started, in a few lines.
fn governance(status: &str) -> Output {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("server.py"), SERVER.replace("@STATUS@", status)).unwrap();
    fs::write(folder.path().join("env"), "DATABASE_URL=postgresql://iga@production/iga\nPORT=1\n").unwrap();
    Command::new(IDENTITY_GOVERNANCE.file("smoke.sh"))
        .env("DATABASE_URL", "postgresql://postgres@/drill?host=/tmp/drill")
        .env("IGA_HOME", folder.path())
        .env("IGA_START", "python3 server.py")
        .env("IGA_ENV_FILE", folder.path().join("env"))
        .env("IGA_SMOKE_PORT", lifeboat_tests::scratch::free_port().to_string())
        // A container of a test runner may not make networks.
        .env("IGA_SMOKE_ISOLATE", "")
        .output()
        .unwrap()
}

#[test]
fn a_server_on_the_host_gets_the_scratch_database_and_not_productions() {
    let mut output = governance("ok");
    if !output.status.success() {
        // Somebody else may have got the port: another is drawn.
        output = governance("ok");
    }
    assert!(output.status.success(), "{}", errors(&output));
    let output = governance("degraded");
    assert_eq!(output.status.code(), Some(1));
    let said = errors(&output);
    assert!(
        said.contains("/api/health says") && said.contains("host=/tmp/drill") && !said.contains("production"),
        "{said}"
    );
}

const DOCKER: &str = r#"#!/bin/bash
printf '%s\n' "${*//$'\n'/ }" >>'@FOLDER@/calls'
case "$*" in
    exec\ *verify*) echo 'OK 500'; exit "$(cat '@FOLDER@/exec-code')" ;;
    exec\ --interactive*) cat >/dev/null; exit "$(cat '@FOLDER@/exec-code')" ;;
    exec\ *) echo 'iv:tag:sealed' ;;
    inspect\ *State.Running*) cat '@FOLDER@/running' ;;
    inspect\ *IPAddress*) echo 172.30.0.3 ;;
    logs\ *) echo 'its last words' ;;
    cp\ *) ;;
    *) echo feedbeef ;;
esac
"#;

/// The last argument but options is the address; an empty answer is a server that does not answer.
const CURL: &str = r#"#!/bin/bash
out=/dev/stdout
while [ $# -gt 0 ]; do
    [ "$1" != --output ] || out=$2
    shift
done
[ -s '@FOLDER@/answer' ] || exit 7
cat '@FOLDER@/answer' >"$out"
"#;

/// Right for everyone.
const RIGHT: &str = r#"{"status": "ok", "checks": {"db": true, "pgboss": true, "database": "ok"}, "result": {"data": {"status": "healthy"}},
"project": {"id": "p_1"}, "deployment": {"id": "d_1"}, "ok": true, "value": "hello from the drill"}"#;

const SERVER: &str = r#"
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "@STATUS@", "database": os.environ["DATABASE_URL"]}).encode())

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;
