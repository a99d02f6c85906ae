//! `lifeboat rotate backups`, and the way to `lifeboat rotate columns`.

mod columns;
mod keys;
mod reencrypt;
mod retire;
mod run_lock;
mod text;

use lifeboat_core::store::Store;
use lifeboat_core::{Kind, Result};
use lifeboat_rotate::backups::{
    Failed, Failures, RewrapOptions, RotateOptions, StatusReport, plan_rewrap, rewrap, status, verify,
};
use serde_json::{Value, json};

pub(super) use self::columns::{accepted, encrypted_column, format};
use self::keys::Keys;
use super::Context;
use crate::cli::{FromTo, RotateBackups, RotateCommand, ToArgs};
use crate::config::{Allowed, Config};
use crate::exit::Exit;
use crate::output::Outcome;
use crate::output::table::{Align, render};

/// Rotates the keys of backups, or those of columns.
///
/// # Errors
/// [`Config`](lifeboat_core::Kind::Config) without a keyring; [`WrongKey`](lifeboat_core::Kind::WrongKey) for a key that is
/// not there; what the library's function returns.
pub(super) async fn run(command: &RotateCommand, context: &Context) -> Result<Outcome> {
    match command {
        RotateCommand::Backups(command) => Box::pin(backups(command, context)).await,
        RotateCommand::Columns(command) => columns::run(command, context).await,
        RotateCommand::Detect(args) => Box::pin(columns::detect(args, context)).await,
    }
}

async fn backups(command: &RotateBackups, context: &Context) -> Result<Outcome> {
    let scene = Scene::set(context).await?;
    match command {
        RotateBackups::Status => scene.status().await,
        RotateBackups::Plan(args) => Box::pin(scene.plan(args)).await,
        RotateBackups::Rewrap(args) => Box::pin(scene.rewrap(args)).await,
        RotateBackups::Verify(args) => Box::pin(scene.verify(args)).await,
        RotateBackups::Retire(args) => Box::pin(retire::run(&scene, args)).await,
        RotateBackups::Reencrypt(args) => Box::pin(reencrypt::run(&scene, args)).await,
    }
}

/// What every one of these commands needs.
struct Scene<'a> {
    context: &'a Context,
    config: Config,
    stores: Vec<Store>,
}

impl<'a> Scene<'a> {
    async fn set(context: &'a Context) -> Result<Self> {
        let config = context.config(context.global.flags())?;
        let mut stores = Vec::new();
        for address in &context.global.store {
            let store = config.store.moved_to(address)?.open(&context.environment).await?;
            // Named twice it is one store: its backups must not be sealed anew twice.
            if stores.iter().all(|known: &Store| known.address() != store.address()) {
                stores.push(store);
            }
        }
        if stores.is_empty() {
            stores.push(config.store.open(&context.environment).await?);
        }
        Ok(Self { context, config, stores })
    }

    fn options(&self) -> RotateOptions {
        RotateOptions { cancel: self.context.cancel.clone(), ..RotateOptions::default() }
    }

    fn addresses(&self) -> Vec<&str> {
        self.stores.iter().map(Store::address).collect()
    }

    async fn status(&self) -> Result<Outcome> {
        let report = status(&self.stores, &self.options(), self.context.monitor.clone()).await?;
        let json = json!({"stores": self.addresses(), "report": report});
        Ok(Outcome::success(status_text(&report, &self.addresses()), json))
    }

    async fn plan(&self, args: &FromTo) -> Result<Outcome> {
        let keys = Keys::load(self, args.allowed(), args.from.as_deref()).await?;
        let to = keys.to(args.to.as_deref())?;
        let options = RewrapOptions { from: keys.from.clone(), rotate: self.options() };
        let plan = plan_rewrap(&self.stores, &keys.open, to.id(), &options, self.context.monitor.clone()).await?;
        let text = text::plan(&plan, to.id(), &self.addresses());
        let json = json!({"stores": self.addresses(), "to": to.id(), "from": keys.from, "plan": plan});
        Ok(self.ended(text, json, plan.rewrap + plan.already > 0, &plan.closed))
    }

    async fn rewrap(&self, args: &FromTo) -> Result<Outcome> {
        let keys = Keys::load(self, args.allowed(), args.from.as_deref()).await?;
        let to = keys.to(args.to.as_deref())?;
        let options = RewrapOptions { from: keys.from.clone(), rotate: self.options() };
        let monitor = self.context.monitor.clone();
        let summary = rewrap(&self.stores, &keys.open, to.as_ref(), &options, monitor).await?;
        let text = text::rewrap(&summary, to.id(), &self.addresses());
        let json = json!({"stores": self.addresses(), "to": to.id(), "from": keys.from, "summary": summary});
        Ok(self.ended(text, json, summary.any_done(), &summary.failed))
    }

    async fn verify(&self, args: &ToArgs) -> Result<Outcome> {
        // A key that is named may be used, whatever its state.
        let keys = Keys::load(self, Allowed { unencrypted: false, retired: true, unsigned: args.allow_unsigned }, None)
            .await?;
        let to = keys.to(args.to.as_deref())?;
        let monitor = self.context.monitor.clone();
        let report = verify(&self.stores, to.clone(), &keys.open, &self.options(), monitor).await?;
        let text = text::verify(&report, to.id(), &self.addresses());
        let json = json!({"stores": self.addresses(), "to": to.id(), "report": report});
        Ok(self.ended(text, json, report.proven > 0, &report.failed))
    }

    /// Tells on stderr of one backup that failed, and what can be done about it.
    fn tell(&self, how: &str, failure: &Failed) {
        self.context.console.line(&format!("{how}: {}: {}", failure.backup, failure.error));
        if let Some(hint) = &failure.hint {
            self.context.console.line(&format!("  hint: {hint}"));
        }
    }

    /// Tells what failed on stderr; that is a partial success when anything else was done.
    fn ended(&self, text: String, json: Value, any_done: bool, failed: &Failures) -> Outcome {
        for failure in &failed.first {
            self.tell("failed", failure);
        }
        let untold = failed.count - failed.first.len() as u64;
        if untold > 0 {
            self.context.console.line(&format!("and {untold} more"));
        }
        let exit = match failed.kind() {
            None => Exit::Success,
            Some(_) if any_done => Exit::Failed(Kind::Partial),
            Some(kind) => Exit::Failed(kind),
        };
        Outcome { text, json, exit }
    }
}

impl FromTo {
    fn allowed(&self) -> Allowed {
        Allowed { unencrypted: false, retired: self.allow_retired, unsigned: self.allow_unsigned }
    }
}

fn status_text(report: &StatusReport, stores: &[&str]) -> String {
    if report.keys.is_empty() && report.encrypted + report.unencrypted + report.unfinished == 0 {
        return format!("no backups in {}: is the address right, its prefix too?\n", stores.join(", "));
    }
    let head = [
        ("KEY", Align::Left),
        ("BACKUPS", Align::Right),
        ("ONLY KEY OF", Align::Right),
        ("RUNS", Align::Right),
        ("UNFINISHED", Align::Right),
    ];
    let rows: Vec<_> = report
        .keys
        .iter()
        .map(|(id, used)| {
            let counts = [used.backups, used.only_wrap_of, used.runs, used.unfinished].map(|count| count.to_string());
            std::iter::once(id.to_string()).chain(counts).collect()
        })
        .collect();
    let mut text = if rows.is_empty() { String::new() } else { render(&head, &rows) + "\n" };
    text += &format!(
        "{}: {} encrypted {}, {} not encrypted, {} unfinished\n",
        stores.join(", "),
        report.encrypted,
        if report.encrypted == 1 { "backup" } else { "backups" },
        report.unencrypted,
        report.unfinished
    );
    if report.one_wrap > 0 {
        text += &match report.one_wrap {
            1 => "1 opens with one key only: when it is lost, so is the backup\n".to_owned(),
            count => format!("{count} open with one key only: when it is lost, so are they\n"),
        };
    }
    if report.no_wrap > 0 {
        text += &match report.no_wrap {
            1 => "1 has no wrap left, and nobody can open it\n".to_owned(),
            count => format!("{count} have no wrap left, and nobody can open them\n"),
        };
    }
    text
}
