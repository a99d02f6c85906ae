//! What a run that gave no name over says of the database that had it: nobody should have to look.

use lifeboat_core::Error;

/// Why a name was not given over.
#[derive(Debug)]
pub(super) enum NotGiven {
    /// Whoever had it has it, and all that it had.
    AsItWas(Error),
    /// It is not known who has it; the error tells what is.
    Unclear(Error),
}

impl NotGiven {
    /// The error of something that left the live database alone: without the lock of its name, another run may have changed it.
    pub(super) fn under_lock(is_held: bool, error: Error) -> Self {
        if is_held { Self::AsItWas(error) } else { Self::Unclear(error) }
    }

    /// What the operator is told.
    pub(super) fn told(self, doing: &str, name: &str) -> Error {
        match self {
            Self::AsItWas(error) => as_it_was(doing, name, error),
            Self::Unclear(error) => error.while_doing(doing),
        }
    }
}

impl From<Error> for NotGiven {
    fn from(error: Error) -> Self {
        Self::AsItWas(error)
    }
}

/// The error of a run that changed nothing of the live database.
pub(super) fn as_it_was(doing: &str, name: &str, error: Error) -> Error {
    error.while_doing(format!("{doing}; the live database {name} is as it was"))
}

#[cfg(test)]
mod tests {
    use lifeboat_core::job::cancelled;
    use lifeboat_core::{Error, Kind};

    use super::NotGiven;

    #[test]
    fn the_live_database_is_as_it_was_where_that_is_known() {
        let ended = NotGiven::from(cancelled()).told("replace shop", "shop");
        assert_eq!(ended.chain(), "replace shop; the live database shop is as it was: the run was cancelled");
        assert_eq!(ended.kind(), Kind::Cancelled);
        let lost = Error::new(Kind::Database, "find out which database is called shop").hint("look");
        let lost = NotGiven::Unclear(lost).told("replace shop", "shop");
        assert_eq!(lost.chain(), "replace shop: find out which database is called shop");
        assert_eq!(lost.help(), Some("look"));
    }

    #[test]
    fn nothing_is_said_of_the_live_database_where_its_lock_was_lost() {
        let told = |is_held| NotGiven::under_lock(is_held, cancelled()).told("replace shop", "shop").chain();
        assert_eq!(told(true), "replace shop; the live database shop is as it was: the run was cancelled");
        assert_eq!(told(false), "replace shop: the run was cancelled");
    }
}
