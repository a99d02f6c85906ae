//! What the bucket says of itself. It is asked, never told anything.

use super::clients::S3Clients;
use super::{Answer, Behaviour, Run};
use crate::error::Result;
use crate::store::fault::told;
use crate::store::s3::{Said, code};

impl Run<'_> {
    pub(super) async fn bucket(&mut self) -> Result<()> {
        let Some(requests) = self.probe.s3.as_ref().map(S3Clients::requests) else { return Ok(()) };
        for (behaviour, query, root, yes) in QUESTIONS {
            self.job.check()?;
            match requests.ask(query).await {
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
            Ok(said) => {
                let answer = match (said.status, code(&said)) {
                    (_, Some("SlowDown" | "RequestTimeout")) => Answer::Inconclusive,
                    (401 | 403, _) => Answer::Denied,
                    (400 | 404 | 405 | 501, _) => Answer::Unsupported,
                    _ => Answer::Inconclusive,
                };
                let code = code(&said).map_or_else(String::new, |code| format!(" ({code})"));
                self.found(behaviour, answer, Some(format!("the store answered {}{code}", said.status)));
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
