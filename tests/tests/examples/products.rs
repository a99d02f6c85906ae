//! The products, and what is true of each.

use std::fs;
use std::path::PathBuf;

use lifeboat_tests::scratch;
use toml::{Table, Value};

/// A product with a folder in `examples/`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    /// The folder's name.
    pub(crate) name: &'static str,
    /// The variables that its configuration refers to, with plausible values; those of databases begin with `postgresql:`.
    pub(crate) variables: &'static [(&'static str, &'static str)],
    /// What can go wrong in its data.
    pub(crate) mishap: Mishap,
}

/// Something that went wrong in a database before it was backed up: the backup is whole, and worth little.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mishap {
    /// The database.
    pub(crate) database: &'static str,
    /// What happened to it.
    pub(crate) sql: &'static str,
    /// The assertion that has to notice.
    pub(crate) assert: &'static str,
}

/// A `[[database]]` of an example.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// Its name in the store.
    pub(crate) name: String,
    /// Its name on the server.
    pub(crate) dbname: String,
    /// The role, where tools run through a prefix.
    pub(crate) user: Option<String>,
    /// The variable that holds its connection string, where there is one.
    pub(crate) variable: Option<String>,
}

/// All of them.
pub(crate) const ALL: [Product; 5] = [BRIVEN, CULLIS, PILOT, IDENTITY_GOVERNANCE, DAOFLOW];

/// Two planes, on variables.
pub(crate) const BRIVEN: Product = Product {
    name: "briven",
    variables: &[
        ("BRIVEN_BACKUP_B2_KEY_ID", "0051a2b3c4d5e6f0000000001"),
        ("BRIVEN_BACKUP_B2_APP_KEY", "K005canary-application-key"),
        ("BRIVEN_BACKUP_CONTROL_URL", "postgresql://backup@control/briven_control"),
        ("BRIVEN_BACKUP_DATA_URL", "postgresql://backup@data/briven_data"),
        ("BRIVEN_DRILL_SERVER_URL", "postgresql://drill@restore/postgres"),
        ("BRIVEN_ENCRYPTION_KEY", "canary-briven-encryption-key-of-many-letters"),
    ],
    mishap: Mishap {
        database: "control",
        sql: "DELETE FROM project_members WHERE role = 'owner'",
        assert: "every live project has an owner",
    },
};

/// One database behind docker compose.
pub(crate) const CULLIS: Product = Product {
    name: "cullis",
    variables: &[],
    mishap: Mishap {
        database: "agent_trust",
        sql: "ALTER TABLE audit_log DISABLE TRIGGER USER;
              DELETE FROM audit_log WHERE org_id = 'globex' AND chain_seq = 100;
              ALTER TABLE audit_log ENABLE TRIGGER USER",
        assert: "the audit chains have no gap and no broken link",
    },
};

/// One database, on its own variables.
pub(crate) const PILOT: Product = Product {
    name: "pilot",
    variables: &[
        ("DATABASE_URL", "postgresql://helm@127.0.0.1/pilot"),
        ("S3_ACCESS_KEY", "DO00PILOT"),
        ("S3_SECRET_KEY", "canary-spaces-secret"),
        ("ENCRYPTION_KEY", "canary-pilot-encryption-key"),
    ],
    mishap: Mishap {
        database: "pilot",
        sql: "UPDATE connector_tokens SET access_token_enc = 'gho_this_was_never_encrypted'",
        assert: "every connector token is a ciphertext",
    },
};

/// One database, on its own variable.
pub(crate) const IDENTITY_GOVERNANCE: Product = Product {
    name: "identity-governance",
    variables: &[("DATABASE_URL", "postgresql://iga@127.0.0.1/iga")],
    mishap: Mishap {
        database: "iga",
        sql: "DELETE FROM audit_events WHERE seq >= 400",
        assert: "every audit checkpoint agrees with the chain",
    },
};

/// Its own database and Temporal's, behind docker compose.
pub(crate) const DAOFLOW: Product = Product {
    name: "daoflow",
    variables: &[("ENCRYPTION_KEY", "canary-daoflow-encryption-key-of-32-letters")],
    mishap: Mishap {
        database: "daoflow",
        sql: "UPDATE environment_variables SET value_encrypted = 'plain text' WHERE key = 'KEY_7'",
        assert: "every inline variable is a ciphertext",
    },
};

impl Product {
    /// A file of its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        scratch::workspace().join("examples").join(self.name).join(name)
    }

    /// Its configuration.
    pub(crate) fn configuration(&self) -> Table {
        fs::read_to_string(self.file("lifeboat.toml")).unwrap().parse().unwrap()
    }

    /// What its encrypted columns are under.
    pub(crate) fn column_key(&self) -> &'static str {
        let keys = self.variables.iter().filter(|(name, _)| name.ends_with("ENCRYPTION_KEY"));
        keys.map(|(_, value)| *value).next().expect("a product with encrypted columns has a key")
    }

    /// Its databases.
    pub(crate) fn databases(&self) -> Vec<Described> {
        let text = |table: &Value, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
        let described = |database: &Value| {
            let name = text(database, "name").expect("every database has a name");
            let variable = text(database, "url").map(|url| url.strip_prefix("env:").expect("a variable").to_owned());
            Described {
                dbname: text(database, "dbname").unwrap_or_else(|| format!("{}_{name}", self.name.replace('-', "_"))),
                user: text(database, "user"),
                variable,
                name,
            }
        };
        self.configuration()["database"].as_array().unwrap().iter().map(described).collect()
    }

    /// The names of the assertions about a database.
    pub(crate) fn asserts(&self, database: &str) -> Vec<String> {
        let configuration = self.configuration();
        let asserts = configuration["drill"]["assert"].as_array().unwrap();
        let about = |assert: &&Value| assert.get("database").is_none_or(|of| of.as_str() == Some(database));
        asserts.iter().filter(about).map(|assert| assert["name"].as_str().unwrap().to_owned()).collect()
    }

    /// SQL that makes tables and rows such as the product has in this database.
    pub(crate) fn fixture(&self, database: &str) -> String {
        let path = scratch::workspace().join(format!("fixtures/products/{}-{database}.sql", self.name));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
