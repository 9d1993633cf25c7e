//! The run directory of a search: every trial is on disk before it counts, so that no crash, full disk or Ctrl-C costs
//! a finished one, and so that a run can be resumed, explained, edited and repeated.
//!
//! | file | what it holds |
//! |---|---|
//! | `run.json` | the [`Manifest`]: format and tool version, configuration, content identities |
//! | `journal.jsonl` | the only truth: one checksummed [`Entry`] a line, append-only |
//! | `trials.jsonl` | derived: one plain line per finished trial, for people and programs ([`TrialLine`]) |
//! | `tool.log` | what the tool had to say, for people |
//! | `lock` | who writes to this directory ([`Holder`]) |
//! | `graph.json` | what is searched: ops, tensors, units ([`GraphFile`]) |
//! | `layers.json` | per op: simulated error, estimated cost ([`LayersFile`]) |
//! | `pareto/pareto.json` | the placements that no other one beats ([`Tradeoff`]) |
//! | `subgraph.txt`, `result.json`, `report.html`, … | written whole or not at all ([`RunDir::write`]) |
//!
//! An [`Event`] is the only road from the pipeline to console, report and journal. [`History`] is what the events of a
//! journal add up to, [`TrialLog`] the same as a text that a person can edit, and [`Cache`] keeps measurements across runs.
//!
//! ```
//! use trial_store::{Answer, Event, Indices, Manifest, Measurement, Purpose, Question, RunDir, Timestamp, TrialAnswered, TrialAsked, Verdict};
//!
//! # let parent = tempfile::tempdir().unwrap();
//! # let path = parent.path().join("run");
//! let clock = || Timestamp::from_millis(1_700_000_000_000);
//! let run = RunDir::create(&path, Manifest::new("npu-bisect 0.1.0", 7), clock)?;
//! let question = Question { backend: "timvx".into(), cpu_ops: Indices::from_iter([3, 4, 5]), samples: 64, repeat: 0 };
//! run.append(Event::TrialAsked(TrialAsked::new(1, question.clone(), Purpose::Search)))?;
//! drop(run); // a power cut while the trial runs
//!
//! let (run, recovered) = RunDir::open_existing(&path, clock)?;
//! assert_eq!(recovered.history.unanswered().next().map(|trial| trial.number), Some(1));
//! let asked = TrialAsked { attempt: 2, ..TrialAsked::new(1, question.clone(), Purpose::Search) };
//! run.append(Event::TrialAsked(asked))?;
//! let measured = Measurement { score: Some(0.993), ..Measurement::default() };
//! run.append(Event::TrialAnswered(TrialAnswered::new(1, Answer::measured(Verdict::Pass, measured))))?;
//! run.write("subgraph.txt", b"conv2d:x,w:y\n")?;
//! drop(run);
//!
//! let history = trial_store::read_run(&path)?.history;
//! assert_eq!(history.answer(&question).map(|answer| answer.verdict), Some(Verdict::Pass));
//! # Ok::<(), trial_store::StoreError>(())
//! ```

mod answer;
mod atomic;
mod cache;
mod codec;
mod error;
mod event;
mod float;
mod graph_file;
mod history;
mod identity;
mod indices;
mod journal;
mod layers_file;
mod line;
mod lock;
mod manifest;
mod pareto_file;
mod question;
mod recovery;
mod result_file;
mod run_dir;
mod run_path;
mod time;
mod trial_log;
mod trials_file;

pub use answer::{Answer, Cause, Measurement, Source, Unresolved, Verdict};
pub use atomic::write_atomically;
pub use cache::{Cache, CacheKey, CacheScope, SetAside};
pub use codec::CodecError;
pub use error::StoreError;
pub use event::{
    BestImproved, BoardChanged, BoardFault, BoardState, Certificate, Decision, Event, FaultKind, Finished, Outcome,
    RunResumed, RunStarted, StopReason, Stopped, TrialAnswered, TrialAsked, TrialReopened, Verified,
};
pub use graph_file::{GraphFile, GraphOp, GraphTensor, Risk};
pub use history::{Ask, AskEnd, BoardNews, History, Oddity, Trial};
pub use identity::{Identity, IdentityBuilder, IdentityError};
pub use indices::{Indices, IndicesError};
pub use journal::Journal;
pub use layers_file::{LayerNoise, LayerNotes, LayersFile, OpCost};
pub use line::Entry;
pub use lock::Holder;
pub use manifest::{Difference, FORMAT_VERSION, Manifest};
pub use pareto_file::Tradeoff;
pub use question::{Purpose, Question};
pub use recovery::{LostTail, Recovery, recover};
pub use result_file::{CulpritEntry, EstimatedMs, Lever, ResultFile};
pub use run_dir::{Recovered, RunDir, Snapshot, read_run};
pub use run_path::{PathError, RunPath};
pub use time::{Clock, Timestamp, system_clock};
pub use trial_log::{LogError, LoggedTrial, TrialLog};
pub use trials_file::TrialLine;
