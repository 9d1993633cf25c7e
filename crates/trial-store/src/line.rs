//! One line of the journal: an event as JSON, behind a checksum of its own bytes.
//!
//! The checksum is BLAKE3 cut to 64 bits: the crate hashes with BLAKE3 anyway, so a CRC would only add a dependency.

use serde::{Deserialize, Serialize};

use crate::{Event, Identity, Timestamp};

/// An event, its place in the run and its time: what journal, console and report receive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 0 without a gap.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The longest line that is written or read, the newline included.
pub(crate) const MAX_LINE: usize = 16 << 20;

const PREFIX: &[u8] = br#"{"check":""#;
const CHECK_DIGITS: usize = 16;
const AFTER_CHECK: &[u8] = br#"","#;
const HEADER: usize = PREFIX.len() + CHECK_DIGITS + AFTER_CHECK.len();

/// Why a line is no entry.
pub(crate) enum LineError {
    /// Its bytes are not the ones that were written.
    Damaged(String),
    /// Its bytes are right, but this tool does not know what they say.
    Unknown(String),
}

/// The line of an entry: `{"check":"<16 digits>",<the entry's fields>}` and a newline. The checksum covers what follows
/// its comma, the newline excluded.
pub(crate) fn encode(entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let json = serde_json::to_vec(entry)?;
    let body = &json[1..]; // without the opening brace
    Ok([PREFIX, check(body).as_bytes(), AFTER_CHECK, body, b"\n"].concat())
}

/// Reads a line without its newline.
pub(crate) fn decode(line: &[u8]) -> Result<Entry, LineError> {
    let damaged = |reason: &str| LineError::Damaged(reason.to_owned());
    let after_prefix = line.strip_prefix(PREFIX).ok_or_else(|| damaged("it does not begin with a checksum"))?;
    if line.len() <= HEADER || !after_prefix[CHECK_DIGITS..].starts_with(AFTER_CHECK) {
        return Err(damaged("its checksum is cut off"));
    }
    if check(&line[HEADER..]).as_bytes() != &after_prefix[..CHECK_DIGITS] {
        return Err(damaged("its checksum does not match"));
    }
    serde_json::from_slice(line).map_err(|error| LineError::Unknown(error.to_string()))
}

fn check(body: &[u8]) -> String {
    format!("{:.CHECK_DIGITS$}", Identity::of_bytes(body))
}
