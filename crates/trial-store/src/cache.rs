//! What earlier runs measured, by content, and values too large for the journal. Copies only: it may always be deleted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition, TableError};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Identity, StoreError, codec};

const VALUES: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("values");

/// How much of the database redb may keep in memory, bytes.
const MEMORY: usize = 64 << 20;

/// What all trials of a run have in common; trials with another scope never share a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheScope {
    /// Model and weights.
    pub model: Identity,
    /// The samples that are run, preprocessing and labels included.
    pub inputs: Identity,
    /// The metric with its parameters.
    pub metric: Identity,
    /// The backend, with `SoC`, driver and library hashes where it is a board.
    pub device: Identity,
}

/// The key of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(Identity);

impl CacheScope {
    /// The key of a placement, told by its canonical partition config. `repeat` keeps repeated measurements apart.
    pub fn partition(&self, canonical_config: &[u8], repeat: u32) -> CacheKey {
        CacheKey(self.builder("partition", repeat).field("config", canonical_config).finish())
    }

    /// The key of every placement that gives these clusters, as lists of ops: the NPU runs the same for all of them.
    /// The order of clusters and of ops within one does not matter.
    pub fn clusters(&self, clusters: &[Vec<u32>], repeat: u32) -> CacheKey {
        let mut clusters = clusters.to_vec();
        for cluster in &mut clusters {
            cluster.sort_unstable();
        }
        clusters.sort_unstable();
        let mut builder = self.builder("clusters", repeat);
        for cluster in clusters {
            let bytes: Vec<u8> = cluster.iter().flat_map(|op| op.to_le_bytes()).collect();
            builder = builder.field("cluster", &bytes);
        }
        CacheKey(builder.finish())
    }

    fn builder(&self, kind: &str, repeat: u32) -> crate::IdentityBuilder {
        Identity::builder("npu-bisect cache 1")
            .field("kind", kind.as_bytes())
            .field("model", self.model.as_bytes())
            .field("inputs", self.inputs.as_bytes())
            .field("metric", self.metric.as_bytes())
            .field("device", self.device.as_bytes())
            .field("repeat", &repeat.to_le_bytes())
    }
}

impl From<Identity> for CacheKey {
    /// For values that are told by an identity of their own, such as the outputs of a baseline.
    fn from(identity: Identity) -> Self {
        Self(identity)
    }
}

/// A damaged cache that was moved out of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where the damaged file is now.
    pub moved_to: PathBuf,
    /// What the database said of it.
    pub reason: String,
}

/// An embedded database (redb, docs/adr/0003-redb.md) of one file. One process at a time; its threads may share it.
#[derive(Debug)]
pub struct Cache {
    database: Database,
    path: PathBuf,
}

impl Cache {
    /// Opens or creates a cache, and its directory (0700). A file that is no database is set aside, which the answer
    /// reports, and a new one begun.
    ///
    /// # Errors
    /// [`StoreError::CacheBusy`] while another process has it open, [`StoreError::Cache`], [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<(Self, Option<SetAside>), StoreError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
            crate::run_dir::make_private_dir(parent).map_err(|source| StoreError::io("create", parent, source))?;
        }
        let reason = match create(path) {
            Ok(database) => return Ok((Self { database, path: path.to_owned() }, None)),
            Err(error) if is_damage(&error) => error.to_string(),
            Err(error) => return Err(open_error(path, error)),
        };
        let moved_to = path.with_extension("damaged");
        fs::rename(path, &moved_to).map_err(|source| StoreError::io("set aside", path, source))?;
        let database = create(path).map_err(|error| open_error(path, error))?;
        Ok((Self { database, path: path.to_owned() }, Some(SetAside { moved_to, reason })))
    }

    /// The value of a key; none where there is none, or where it was damaged or written as another type.
    ///
    /// # Errors
    /// [`StoreError::Io`] (a full disk), [`StoreError::Cache`].
    pub fn get<T: DeserializeOwned>(&self, key: CacheKey) -> Result<Option<T>, StoreError> {
        let failed = |error| self.failed("read", error);
        let transaction = self.database.begin_read().map_err(|error| failed(error.into()))?;
        let table = match transaction.open_table(VALUES) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table.map_err(|error| failed(error.into()))?,
        };
        let found = table.get(key.0.as_bytes()).map_err(|error| failed(error.into()))?;
        Ok(found.and_then(|bytes| codec::decode(bytes.value()).ok()))
    }

    /// Keeps a value, on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Io`] (a full disk), [`StoreError::Cache`].
    pub fn put<T: Serialize>(&self, key: CacheKey, value: &T) -> Result<(), StoreError> {
        let bytes = codec::encode(value).map_err(|error| StoreError::Cache {
            action: "write to",
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        self.insert(key, &bytes).map_err(|error| self.failed("write to", error))
    }

    fn insert(&self, key: CacheKey, bytes: &[u8]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(VALUES)?.insert(key.0.as_bytes(), bytes)?;
        transaction.commit()?;
        Ok(())
    }

    fn failed(&self, action: &'static str, error: redb::Error) -> StoreError {
        match error {
            redb::Error::Io(source) => StoreError::io(action, &self.path, source),
            error => StoreError::Cache { action, path: self.path.clone(), reason: error.to_string() },
        }
    }
}

fn create(path: &Path) -> Result<Database, DatabaseError> {
    // Checked whole each time, because redb may panic later on a file that something else has changed.
    Database::builder().set_check_integrity_on_open(true).set_cache_size(MEMORY).create(path)
}

fn is_damage(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Storage(redb::StorageError::Corrupted(_)) | DatabaseError::UpgradeRequired(_) => true,
        // redb says this of a file that does not begin as its databases do.
        DatabaseError::Storage(redb::StorageError::Io(error)) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::CacheBusy(path.to_owned()),
        DatabaseError::Storage(redb::StorageError::Io(source)) => StoreError::io("open", path, source),
        error => StoreError::Cache { action: "open", path: path.to_owned(), reason: error.to_string() },
    }
}
