//! Two fidelities: a search on few samples, whose answer is tried on all; where that fails, a search on twice as many.

use op_graph::Placement;
use partition_search::{
    Certificate, Proof, Search, StopReason,
    strategy::{Strategy, WorstCase},
};
use trial_store::{Purpose, Verdict};

use crate::{
    PipelineError, Plan, Report,
    drive::{Keep, drive},
    evaluator::Job,
    run::{Baselines, Spent},
    trials::{Trials, Wanted},
};

/// Tries every member of the first placement that passes alone, and drops what can go.
const MEMBERS_ONLY: Strategy = Strategy {
    name: "members-only",
    about: "tries each member of a placement alone",
    minimal: false,
    proves: true,
    worst_case: WorstCase { trials: |units| units * (units + 1) / 2, proved: true },
    run: |ctx| Box::pin(async move { ctx.best() }),
};

impl Plan<'_> {
    /// Units that pass on all samples, found on few; `None` where the search has to run all.
    pub(crate) fn find_on_few(
        &self,
        trials: &Trials<'_>,
        baselines: &Baselines,
        spent: &mut Spent,
    ) -> Result<Option<Vec<usize>>, PipelineError> {
        let all = self.evaluator.samples();
        let usable = self.evaluator.takes_few() && baselines.goal.threshold.is_some();
        let mut samples = self.samples.filter(|_| usable).unwrap_or(all).max(1);
        while samples < all {
            let few = Trials { samples: Some(samples), ..*trials };
            let problem = self.problem(baselines, *spent)?.proof(Proof::IfMonotone);
            let mut search = problem.search(&self.strategy)?;
            drive(&few, self.units, baselines.goal, &mut search, Keep::Nothing)?;
            let found = search.outcome();
            spent.trials += found.statistics.trials;
            let Some(best) = found.best.filter(|_| found.stop == Some(StopReason::Finished)) else { return Ok(None) };
            let members: Vec<usize> = best.set.iter().collect();
            if self.passes_on_all(trials, baselines, &members)? {
                return Ok(Some(members));
            }
            spent.trials += 1;
            let _ = trials.run.log(&format!("what {samples} samples foretold does not pass on all {all}"));
            samples *= 2;
        }
        Ok(None)
    }

    fn passes_on_all(
        &self,
        trials: &Trials<'_>,
        baselines: &Baselines,
        members: &[usize],
    ) -> Result<bool, PipelineError> {
        let placement: Placement = self.units.placement(members.iter().copied());
        let units = members.iter().map(|&unit| unit as u32).collect();
        let wanted = Wanted { units, ..Wanted::new(Job::Placed(placement), Purpose::Search) };
        match trials.one(wanted, |_| Ok(baselines.goal)) {
            Ok((_, answer)) => Ok(answer.verdict == Verdict::Pass),
            Err(PipelineError::Interrupted) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A search on all samples that moves these units only.
    pub(crate) fn search_among(
        &self,
        members: &[usize],
        baselines: &Baselines,
        spent: Spent,
    ) -> Result<Search, PipelineError> {
        let others = (0..self.units.len()).filter(|unit| !members.contains(unit));
        // All-CPU of this search is all of them.
        let baselines = Baselines { forced: None, ..baselines.clone() };
        let problem = self.problem(&baselines, spent)?.pin_npu(others).proof(Proof::Direct);
        Ok(problem.search_with(&MEMBERS_ONLY)?)
    }
}

/// What such a search says of all placements: its failing trials say nothing of units that could not move in it.
pub(crate) fn only_among_members(report: &mut Report) {
    report.lower_bound = report.lower_bound.min(1);
    if !matches!(report.certificate, Certificate::OneMinimal | Certificate::OneMinimalIfMonotone) {
        report.certificate = Certificate::BestSoFar;
    }
}
