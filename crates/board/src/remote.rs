//! The shell language spoken to boards: paths and quoting for any byte, proofs that a command ran, supervised jobs.

mod job;
mod nonce;
mod path;
mod quote;
mod sentinel;

pub(crate) use job::is_plain_name;
pub use job::{Job, JobEnd, JobError};
pub use nonce::Nonce;
pub use path::{RemotePath, RemotePathError};
pub use quote::{append_to_file, quote};
pub use sentinel::{Reply, unwrap, wrap};
pub(crate) use sentinel::{ends_reply, wrap_reading};
