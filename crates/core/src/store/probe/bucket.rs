//! What the bucket says of itself. It is asked, never told anything.

use super::clients::Said;
use super::{Answer, Behaviour, Run};
use crate::error::Result;
use crate::store::fault::told;

impl Run<'_> {
    pub(super) async fn bucket(&mut self) -> Result<()> {
        let Some(s3) = &self.probe.s3 else { return Ok(()) };
        for (behaviour, query, root, yes) in QUESTIONS {
            self.job.check()?;
            match s3.ask(query).await {
                Ok(said) if said.status == 200 && said.text.contains(yes) => self.found(behaviour, Answer::Ok, None),
                Ok(said) if said.status == 200 && said.text.contains(root) => {
                    self.found(behaviour, Answer::Unsupported, Some("it is not switched on".to_owned()));
                }
                Ok(said) if said.status == 200 => {
                    self.found(behaviour, Answer::Ignored, Some("the question was taken for another one".to_owned()));
                }
                other => self.bucket_said(behaviour, other),
            }
        }
        Ok(())
    }

    /// Notes an answer that is no yes.
    pub(super) fn bucket_said(&mut self, behaviour: Behaviour, said: object_store::Result<Said>) {
        match said {
            Ok(Said { status, text }) => {
                let answer = match status {
                    401 | 403 => Answer::Denied,
                    400 | 404 | 405 | 501 => Answer::Unsupported,
                    _ => Answer::Inconclusive,
                };
                let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
                let code = code.map_or_else(String::new, |(code, _)| format!(" ({code})"));
                self.found(behaviour, answer, Some(format!("the store answered {status}{code}")));
            }
            Err(error) => self.found(behaviour, Answer::Inconclusive, Some(told(&error))),
        }
    }
}

/// What is asked, how, what any answer to it holds, and what a yes holds.
const QUESTIONS: [(Behaviour, &str, &str, &str); 3] = [
    (Behaviour::Versioning, "versioning=", "Versioning", "<Status>Enabled</Status>"),
    (
        Behaviour::ObjectLock,
        "object-lock=",
        "ObjectLockConfiguration",
        "<ObjectLockEnabled>Enabled</ObjectLockEnabled>",
    ),
    (Behaviour::AbortRule, "lifecycle=", "LifecycleConfiguration", "AbortIncompleteMultipartUpload"),
];
