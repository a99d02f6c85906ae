//! The scratch database in a container: one line on standard output, and nothing left however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use lifeboat_tests::scratch;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::stage::write_program;

struct World {
    folder: TempDir,
}

impl World {
    /// Docker has these containers of drills already: an id and the process id of the owner each.
    fn with(containers: &str) -> World {
        let world = World { folder: TempDir::new().unwrap() };
        let script = DOCKER.replace("@FOLDER@", &world.folder.path().display().to_string());
        write_program(&world.folder.path().join("docker"), &script);
        fs::write(world.folder.path().join("containers"), containers).unwrap();
        world
    }

    /// The script, and the line that it printed.
    fn start(&self) -> (Child, String) {
        let mut child = Command::new(scratch::workspace().join("examples/scratch-container.sh"))
            .arg("postgres:16-alpine")
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        (child, line.trim().to_owned())
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.folder.path().join("calls")).unwrap()
    }
}

fn removed(calls: &str) -> Vec<&str> {
    calls.lines().filter_map(|call| call.strip_prefix("rm --force --volumes ")).collect()
}

#[test]
fn it_prints_a_connection_string_whose_password_is_on_no_command_line() {
    let world = World::with("");
    let (mut child, line) = world.start();
    let password =
        line.strip_prefix("postgresql://postgres:").and_then(|rest| rest.strip_suffix("@172.30.0.2:5432/drill"));
    let password = password.unwrap_or_else(|| panic!("{line}"));
    assert_eq!(password.len(), 48);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!world.calls().contains(password), "{}", world.calls());
    assert!(world.calls().contains("network create --internal lifeboat-drill"), "{}", world.calls());
}

#[test]
fn the_end_of_standard_input_ends_the_container() {
    let world = World::with("");
    let (mut child, _) = world.start();
    assert_eq!(removed(&world.calls()), Vec::<&str>::new());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(removed(&world.calls()), [format!("lifeboat-scratch-{}", child.id())]);
}

#[test]
fn a_signal_ends_the_container() {
    let world = World::with("");
    let (mut child, _) = world.start();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(removed(&world.calls()), [format!("lifeboat-scratch-{}", child.id())]);
}

#[test]
fn containers_of_dead_drills_are_removed_and_those_of_live_ones_stay() {
    let world = World::with(&format!("dead 999999999\nalive {}\n", std::process::id()));
    let (mut child, _) = world.start();
    assert_eq!(removed(&world.calls()), ["dead"]);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!removed(&world.calls()).contains(&"alive"), "{}", world.calls());
}

const DOCKER: &str = r#"#!/bin/bash
printf '%s\n' "$*" >>'@FOLDER@/calls'
case "$*" in
    ps\ *) cat '@FOLDER@/containers' ;;
    network\ inspect*) exit 1 ;;
    inspect\ *IPAddress*) echo 172.30.0.2 ;;
esac
"#;
