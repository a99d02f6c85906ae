//! From arguments to exit code.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use lifeboat_core::{Error, Kind, Result, ResultExt};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::cli::{Command, GlobalArgs, Lifeboat, LifeboatBackup, LifeboatDrill, LifeboatRotate, refuse_passwords};
use crate::commands::{self, Context};
use crate::config::Environment;
use crate::exit::Exit;
use crate::output::{self, Console, Outcome, Style};
use crate::{allocator, logs, signals};

/// Which binary this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Every command.
    Lifeboat,
    /// Backups only.
    LifeboatBackup,
    /// Drills only.
    LifeboatDrill,
    /// Rotation only.
    LifeboatRotate,
}

/// Parses the arguments of this process, does what they say, prints, and gives the exit code.
#[must_use]
pub fn run(program: Program) -> ExitCode {
    allocator::settle();
    let args: Vec<OsString> = env::args_os().collect();
    let environment = Environment::of_process();
    let console = Console::default();
    if let Err(error) = refuse_passwords(&args) {
        let style = Style::detect(args.iter().any(|arg| arg == "--json"), false, &environment);
        return conclude(style, &console, &Err(error), Exit::Failed(Kind::Usage)).into();
    }
    let (global, command) = match parse(program, args) {
        Ok(parsed) => parsed,
        Err(error) => return refused(&error),
    };
    let style = Style::detect(global.json, global.quiet, &environment);
    logs::install(global.verbose, style, &console, &environment);
    install_crypto();
    let (ended, exit) = match runtime() {
        Ok(runtime) => {
            let ended = runtime.block_on(carry_out(global, command, style, &console, environment));
            // One thread may be writing to a reader that has stalled. The others are waited for: letting go of a thread in the moment in
            // which it ends is a race in glibc (2.36, at least), which once ended a program by SIGSEGV.
            runtime.shutdown_timeout(ENDED_WITHIN);
            ended
        }
        Err(error) => (Err(error), Exit::Failed(Kind::Failure)),
    };
    conclude(style, &console, &ended, exit).into()
}

/// The library prints help, version and usage errors itself, each to the right stream.
fn refused(error: &clap::Error) -> ExitCode {
    // A closed stdout or stderr changes nothing about the arguments.
    let _ = error.print();
    if error.use_stderr() { Exit::Failed(Kind::Usage).into() } else { Exit::Success.into() }
}

fn parse(program: Program, args: Vec<OsString>) -> Result<(GlobalArgs, Command), clap::Error> {
    match program {
        Program::Lifeboat => Lifeboat::try_parse_from(args).map(|parsed| (parsed.global, parsed.command)),
        Program::LifeboatBackup => {
            LifeboatBackup::try_parse_from(args).map(|parsed| (parsed.global, Command::Backup(parsed.args)))
        }
        Program::LifeboatDrill => {
            LifeboatDrill::try_parse_from(args).map(|parsed| (parsed.global, Command::Drill(parsed.command)))
        }
        Program::LifeboatRotate => {
            LifeboatRotate::try_parse_from(args).map(|parsed| (parsed.global, Command::Rotate(parsed.command)))
        }
    }
}

/// A second installation fails, and changes nothing: there is one provider in the whole tree.
fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .kind_of(Kind::Failure, || "start the runtime".to_owned())
}

async fn carry_out(
    global: GlobalArgs,
    command: Command,
    style: Style,
    console: &Console,
    environment: Environment,
) -> (Result<Outcome>, Exit) {
    let cancel = CancellationToken::new();
    let received = match signals::watch(cancel.clone(), console.clone()) {
        Ok(received) => received,
        Err(error) => return (Err(error), Exit::Failed(Kind::Failure)),
    };
    let monitor = output::monitor(style, console, &environment);
    let context = Context { global, style, console: console.clone(), environment, monitor, cancel };
    let ended = Box::pin(commands::dispatch(command, &context)).await;
    let exit = match &ended {
        Ok(outcome) => outcome.exit,
        Err(error) if error.kind() == Kind::Cancelled => received.exit().unwrap_or(Exit::TERMINATED),
        Err(error) => Exit::Failed(error.kind()),
    };
    (ended, exit)
}

/// A closed stdout must not look like success.
fn conclude(style: Style, console: &Console, ended: &Result<Outcome>, exit: Exit) -> Exit {
    match output::conclude(style, console, ended, exit) {
        Ok(()) => exit,
        Err(error) => {
            let error = Error::new(Kind::Failure, "write to stdout").caused_by(error);
            console.line(&format!("error: {}", error.chain()));
            if exit == Exit::Success { Exit::Failed(Kind::Failure) } else { exit }
        }
    }
}

const WORKERS: usize = 2;
const ENDED_WITHIN: Duration = Duration::from_secs(1);
/// Pages that are never touched cost nothing; unoptimised builds touch more of them.
const STACK_BYTES: usize = 4 << 20;
