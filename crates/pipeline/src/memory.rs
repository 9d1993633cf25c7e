//! What earlier runs measured on the very same content: looked up before a trial is run, kept after it.

use op_graph::Placement;
use serde::{Deserialize, Serialize};
use trial_store::{Cache, CacheKey, CacheScope, Cause, Measurement, StoreError};

use crate::{Goal, Subject, evaluator::Evaluation};

/// A cache, and the content that this run shares with others.
pub struct Memory {
    cache: Cache,
    scope: CacheScope,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    measurement: Measurement,
    pass: Option<bool>,
}

impl Memory {
    /// Serves a run whose trials depend on the contents of `scope`, the placement, and nothing else.
    pub fn new(cache: Cache, scope: CacheScope) -> Self {
        Self { cache, scope }
    }

    /// None where a placement cannot be written as a config, which is what it is known by.
    fn key(&self, subject: &Subject, placement: &Placement, repeat: u32) -> Option<CacheKey> {
        let config = subgraph_log::write(&subject.graph, placement).ok()?.text;
        Some(self.scope.partition(&config, repeat))
    }

    /// What is known of a placement.
    pub(crate) fn recall(&self, subject: &Subject, placement: &Placement, repeat: u32) -> Option<Evaluation> {
        let key = self.key(subject, placement, repeat)?;
        // A damaged or unreadable cache is as good as an empty one.
        let Remembered { measurement, pass } = self.cache.get(key).ok().flatten()?;
        Some(Evaluation { measurement, pass })
    }

    /// Keeps what a trial gave, where it would hold in another run.
    pub(crate) fn keep(
        &self,
        subject: &Subject,
        placement: &Placement,
        repeat: u32,
        goal: Goal,
        evaluation: &Evaluation,
    ) -> Result<(), StoreError> {
        let Some(key) = self.key(subject, placement, repeat).filter(|_| holds_elsewhere(goal, evaluation)) else {
            return Ok(());
        };
        let Evaluation { measurement, pass } = evaluation.clone();
        self.cache.put(key, &Remembered { measurement, pass })
    }
}

/// Crashes and timeouts may pass by themselves, and a trial that stopped early knows its verdict for one goal only.
fn holds_elsewhere(goal: Goal, evaluation: &Evaluation) -> bool {
    match &evaluation.measurement.unresolved {
        Some(unresolved) => unresolved.cause == Cause::Refused,
        None => evaluation.measurement.score.is_some() || goal.threshold.is_none(),
    }
}
