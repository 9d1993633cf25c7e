//! Everything that happens in a run, as data: the only road from the pipeline to console, report and journal.
//!
//! Facts are fields; free text (`detail`, `text`) explains them to people and is never read back.

use serde::{Deserialize, Serialize};

use crate::{Answer, Indices, Manifest, Purpose, Question, Verdict, float};

/// One thing that happened. In JSON the field `event` names the kind: `{"event":"trial_asked","trial":1,…}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The first event of a run.
    RunStarted(RunStarted),
    /// The run goes on in a new process; [`crate::RunDir::open_existing`] writes it.
    RunResumed(RunResumed),
    /// A trial is about to start: on disk before it does.
    TrialAsked(TrialAsked),
    /// A trial has its answer, measured or found in a cache.
    TrialAnswered(TrialAnswered),
    /// A trial is to be asked again, whatever was known of it: the user wants that, or the board that answered proved unsound.
    TrialReopened(TrialReopened),
    /// Trouble with a board: never a verdict.
    BoardFault(BoardFault),
    /// A board joined, left or was quarantined.
    BoardChanged(BoardChanged),
    /// What the strategy decided to do next, in its own words.
    Decision(Decision),
    /// A smaller or the first passing placement.
    BestImproved(BestImproved),
    /// A fresh trial of the answer, or of a neighbour of it, has ended.
    Verified(Verified),
    /// The search ends; nothing is asked after it.
    Stopped(Stopped),
    /// The result is written.
    Finished(Finished),
}

/// See [`Event::RunStarted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Configuration, seed and content identities, as in `run.json`.
    pub manifest: Manifest,
    /// Ops of the model, feed and fetch included.
    pub ops: u32,
    /// Units that the search may move.
    pub units: u32,
    /// The boards at hand, by name; empty where everything is simulated.
    #[serde(default)]
    pub boards: Vec<String>,
    /// How many trials may run at once.
    pub workers: u32,
}

/// See [`Event::RunResumed`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunResumed {
    /// Did the process before end by itself, with an error or not? A trial in flight was not what killed it then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_order: bool,
    /// Bytes of a torn record that were cut off the journal.
    pub lost_bytes: u64,
    /// Trials that had begun and have no answer.
    pub unanswered: Vec<u32>,
}

/// See [`Event::TrialAsked`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialAsked {
    /// Numbered from 1 in the order of asking. A trial keeps its number when it is asked again.
    pub trial: u32,
    /// 1, and one more each time the trial is asked again (after a crash or a board fault).
    pub attempt: u32,
    /// What is asked.
    pub question: Question,
    /// The units on the CPU, where the placement is made of units.
    #[serde(default)]
    pub units: Indices,
    /// Why.
    pub purpose: Purpose,
    /// On which board; none where it is simulated.
    #[serde(default)]
    pub board: Option<String>,
}

impl TrialAsked {
    /// The first attempt of a simulated trial; set the other fields as needed.
    pub fn new(trial: u32, question: Question, purpose: Purpose) -> Self {
        Self { trial, attempt: 1, question, units: Indices::default(), purpose, board: None }
    }
}

/// See [`Event::TrialAnswered`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialAnswered {
    /// The trial, which was asked before.
    pub trial: u32,
    /// Its answer.
    #[serde(flatten)]
    pub answer: Answer,
}

impl TrialAnswered {
    /// This trial has this answer.
    pub fn new(trial: u32, answer: Answer) -> Self {
        Self { trial, answer }
    }
}

/// See [`Event::TrialReopened`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialReopened {
    /// The trial.
    pub trial: u32,
}

/// See [`Event::BoardFault`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardFault {
    /// The board's name.
    pub board: String,
    /// The trial that it cost, if one ran.
    #[serde(default)]
    pub trial: Option<u32>,
    /// The kind of trouble.
    pub kind: FaultKind,
    /// What was seen, for people.
    pub detail: String,
}

/// Kinds of [`BoardFault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The connection broke or could not be made.
    Transport,
    /// The board did not answer in time.
    Timeout,
    /// A process on it cannot be killed.
    Unkillable,
    /// The placement did not take effect there.
    NoEffect,
    /// Its health check failed.
    Unhealthy,
    /// Its results do not match their manifest.
    BadResult,
}

/// See [`Event::BoardChanged`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardChanged {
    /// The board's name.
    pub board: String,
    /// Its new state.
    pub state: BoardState,
    /// What is done to bring it back, for people; none where nothing is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub treatment: Option<String>,
}

/// Whether a board takes trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardState {
    /// It does.
    Healthy,
    /// It is being brought back (reconnect, reboot, power cycle).
    Recovering,
    /// It takes no more trials in this run.
    Quarantined,
}

/// See [`Event::Decision`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The strategy's name.
    pub strategy: String,
    /// Its words, for people.
    pub text: String,
    /// Fewest trials that may still be needed, where the strategy can tell.
    #[serde(default)]
    pub remaining_at_least: Option<u32>,
    /// Most trials that may still be needed, where the strategy can tell.
    #[serde(default)]
    pub remaining_at_most: Option<u32>,
}

/// See [`Event::BestImproved`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestImproved {
    /// The trial that passed.
    pub trial: u32,
    /// The ops on the CPU.
    pub cpu_ops: Indices,
    /// The same as units.
    #[serde(default)]
    pub units: Indices,
    /// Its score.
    #[serde(default, with = "float::optional")]
    pub score: Option<f64>,
}

/// See [`Event::Verified`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// The trial that shows it.
    pub trial: u32,
    /// The unit returned to the NPU; none where the answer itself was run.
    #[serde(default)]
    pub without_unit: Option<u32>,
    /// Its verdict: `Pass` confirms the answer, `Fail` confirms that the unit is necessary.
    pub verdict: Verdict,
}

/// See [`Event::Stopped`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Why.
    pub reason: StopReason,
    /// More for people.
    #[serde(default)]
    pub detail: String,
}

/// Why a search ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The strategy has nothing left to ask.
    Converged,
    /// As many trials as were allowed.
    TrialLimit,
    /// As much time as was allowed.
    TimeLimit,
    /// Ctrl-C, or a signal.
    Interrupted,
    /// No board takes trials any more.
    NoDevice,
    /// The disk is full or cannot be written.
    Storage,
    /// A bug in the tool.
    Internal,
}

/// See [`Event::Finished`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// What was found.
    pub outcome: Outcome,
    /// What is proven of it; none where there is no answer to prove something of.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// For [`Certificate::NoSmallerFound`]: the smaller placements that were tried.
    #[serde(default)]
    pub smaller_tried: Vec<Indices>,
    /// The ops on the CPU.
    pub cpu_ops: Indices,
    /// The same as units.
    #[serde(default)]
    pub units: Indices,
    /// Score of the answer.
    #[serde(default, with = "float::optional")]
    pub score: Option<f64>,
    /// Score on the CPU alone; none where refused.
    #[serde(default, with = "float::optional")]
    pub score_cpu: Option<f64>,
    /// Score with nothing forced; none where refused.
    #[serde(default, with = "float::optional")]
    pub score_npu: Option<f64>,
    /// NPU clusters of the answer.
    #[serde(default)]
    pub clusters: Option<u32>,
    /// Trials used, baselines included.
    pub trials: u32,
}

/// What a finished run has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// A placement that passes.
    Found,
    /// Nothing needs to move: the NPU alone passes.
    NothingToMove,
    /// The quantized model is at fault: it fails on the CPU as well.
    ModelAtFault,
    /// No placement that runs and passes was found.
    NothingPasses,
}

/// What may be claimed of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// Each member was shown necessary.
    OneMinimal,
    /// Each member is necessary if more ops on the CPU never hurt.
    OneMinimalIfMonotone,
    /// A lower bound meets the size, if more ops on the CPU never hurt.
    MinimumIfMonotone,
    /// The smaller sets that were tried all fail.
    NoSmallerFound,
    /// A limit was reached.
    BestSoFar,
}
