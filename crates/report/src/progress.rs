//! Progress as plain lines: one per finished trial, and one for whatever else a person wants to know at once.

use std::collections::BTreeMap;

use trial_store::{Answer, BoardChanged, BoardState, Event, Lever, Purpose, Source, TrialAsked, Verdict};

/// Turns events into lines.
#[derive(Clone, Debug)]
pub struct Progress {
    units: usize,
    lever: Lever,
    asked: BTreeMap<u32, TrialAsked>,
    done: usize,
    best: Option<usize>,
}

impl Progress {
    /// For a run with so many units to move.
    pub fn new(units: usize) -> Self {
        Self { units, lever: Lever::Cpu, asked: BTreeMap::new(), done: 0, best: None }
    }

    /// For a search with this lever; without it, the units of a placement move to the CPU.
    pub fn with_lever(mut self, lever: Lever) -> Self {
        self.lever = lever;
        self
    }

    /// The line to print for an event, if it deserves one.
    pub fn line(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::TrialAsked(asked) => {
                self.asked.insert(asked.trial, asked.clone());
                None
            }
            Event::TrialAnswered(answered) => {
                self.done += 1;
                let asked = self.asked.remove(&answered.trial)?;
                Some(self.trial(&asked, &answered.answer))
            }
            Event::BestImproved(best) => {
                self.best = Some(best.units.len());
                None
            }
            Event::BoardFault(fault) if fault.trial.is_none() => Some(format!("  {}: {}", fault.board, fault.detail)),
            Event::BoardFault(fault) => Some(format!("  {}: {}; trying again", fault.board, fault.detail)),
            Event::BoardChanged(changed) => Some(format!("  {}: {}", changed.board, fate(changed))),
            Event::TrialReopened(reopened) => Some(format!("  trial {} is asked again", reopened.trial)),
            _ => None,
        }
    }

    fn trial(&self, asked: &TrialAsked, answer: &Answer) -> String {
        let what = match asked.purpose {
            Purpose::BaselineCpu => "baseline: no NPU".to_owned(),
            Purpose::BaselineNpu => "baseline: all on the NPU".to_owned(),
            Purpose::BaselineForced if self.lever == Lever::Float => "baseline: every op in float".to_owned(),
            Purpose::BaselineForced => "baseline: every op forced to the CPU".to_owned(),
            Purpose::Verification => "verification of the answer".to_owned(),
            _ => format!("{} of {} units {}", asked.units.len(), self.units, self.lever.place()),
        };
        let verdict = match answer.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Unresolved => "refused",
        };
        let score = match (&answer.measurement.score, &answer.measurement.unresolved) {
            (Some(score), _) => format!("{score:.4}"),
            (None, Some(unresolved)) => first_line(&unresolved.detail),
            (None, None) => String::new(),
        };
        let best = self.best.map(|best| format!("  best so far {best} units")).unwrap_or_default();
        let earlier = if answer.source == Source::Cached { "  (an earlier run)" } else { "" };
        format!("{:>4}  {what:<38} {verdict:<8} {score}{earlier}{best}", asked.trial)
    }
}

fn first_line(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// What became of a board.
pub(crate) fn fate(changed: &BoardChanged) -> String {
    let state = match changed.state {
        BoardState::Healthy => "ready",
        BoardState::Recovering => "being brought back",
        BoardState::Quarantined => "given up",
    };
    changed.treatment.iter().fold(state.to_owned(), |state, treatment| format!("{state}: {treatment}"))
}
