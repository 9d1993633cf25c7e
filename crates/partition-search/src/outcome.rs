//! What a search hands back: the placement, and exactly what was shown of it.

use serde::{Deserialize, Serialize};

use crate::hitting_set;
use crate::ledger::Ledger;
use crate::{UnitSet, Verdict};

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The strategy has nothing more to ask.
    Finished,
    /// All-NPU passes: nothing has to move.
    NothingToMove,
    /// No placement that runs and passes was found.
    NoStart,
    /// [`crate::Limits::max_trials`] is used up.
    TrialLimit,
    /// [`crate::Limits::max_time`] is used up.
    TimeLimit,
    /// The caller stopped it.
    Interrupted,
}

/// What is proven of the best placement; exactly one holds (spec/search.md "What may be claimed").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// For every member, the placement without it was tried and failed; or it was refused, and the placement without it and the partners
    /// that cannot leave alone either was tried and failed.
    OneMinimal,
    /// For every member, a failing trial without it holds all other members: if the oracle is monotone, no member can go.
    OneMinimalIfMonotone,
    /// The failing trials imply that no passing placement is smaller, if the oracle is monotone.
    MinimumIfMonotone,
    /// The search ran to its end; every smaller placement it tried did not pass.
    NoSmallerFound,
    /// A limit was reached, or nothing is known of the members.
    BestSoFar,
}

impl Certificate {
    /// The name in result files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneMinimal => "one_minimal",
            Self::OneMinimalIfMonotone => "one_minimal_if_monotone",
            Self::MinimumIfMonotone => "minimum_if_monotone",
            Self::NoSmallerFound => "no_smaller_found",
            Self::BestSoFar => "best_so_far",
        }
    }
}

/// The best placement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The units on the CPU, pinned ones included.
    pub set: UnitSet,
    /// The operators on the CPU.
    pub ops: u64,
    /// The objective's value (the same as `ops` for [`crate::Objective::FewestOps`]).
    pub cost: f64,
    /// The mean score of its trials.
    pub score: Option<f64>,
    /// The standard error of `score`.
    pub error: f64,
}

/// What was shown of one member (a unit, or units that move together).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The units.
    pub units: Vec<usize>,
    /// The verdict on the best placement without it, if that was tried.
    pub alone: Option<Verdict>,
    /// Where it cannot leave alone: the other units that left with it in a trial that ran and failed, of which none can leave alone
    /// either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partners: Vec<usize>,
    /// A failing trial lacks it and holds all other members.
    pub if_monotone: bool,
}

/// One placement that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The units on the CPU.
    pub set: UnitSet,
    /// The verdict, if it was settled.
    pub verdict: Option<Verdict>,
    /// The mean score.
    pub score: Option<f64>,
    /// How often it was measured.
    pub looks: usize,
}

/// What a search spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Questions asked; baselines only where the search asked them itself.
    pub trials: usize,
    /// Of these, repeats of an earlier question.
    pub repeats: usize,
    /// Of these, asked only because a board was idle.
    pub speculative: usize,
    /// Answers that passed.
    pub passed: usize,
    /// Answers that failed.
    pub failed: usize,
    /// Answers that were unresolved.
    pub unresolved: usize,
}

/// The result of a search; at any time, not only at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The best placement within the limits, if one passed.
    pub best: Option<Best>,
    /// The best placement where it needs more CPU operators than [`crate::Limits::max_cpu_ops`] allows; then `best` is empty.
    pub over_budget: Option<Best>,
    /// What is proven of it.
    pub certificate: Certificate,
    /// Operators that every passing placement needs, if the oracle is monotone (0 if nothing is known).
    pub lower_bound: u64,
    /// Per member of the best placement, in unit order; pinned units are no members.
    pub evidence: Vec<Evidence>,
    /// Every placement tried, in the order first asked; baselines included.
    pub tried: Vec<Tried>,
    /// What was spent.
    pub statistics: Statistics,
    /// The standard deviation of a score: 0 if repeats agreed, `None` if it was never measured.
    pub sigma: Option<f64>,
    /// Why it ended; `None` while it runs.
    pub stop: Option<StopReason>,
}

impl Outcome {
    /// Whether repeats of one placement disagreed.
    pub fn is_flaky(&self) -> bool {
        self.sigma.is_some_and(|sigma| sigma > 0.0)
    }
}

pub(crate) fn outcome(ledger: &Ledger, stop: Option<StopReason>) -> Outcome {
    let sign = |score: f64| if ledger.lower_is_better() { -score } else { score };
    let tried = ledger
        .records
        .iter()
        .filter(|record| !record.answers.is_empty())
        .map(|record| {
            let scores: Vec<f64> = record.answers.iter().filter_map(|answer| answer.score).collect();
            let score = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
            let verdict = record.judged.map(|judged| judged.verdict);
            Tried { set: ledger.units(&record.set), verdict, score, looks: record.answers.len() }
        })
        .collect();
    let evidence = evidence(ledger);
    let lower_bound = lower_bound(ledger);
    let best = ledger.best().map(|(set, cost, judged)| Best {
        set: ledger.units(set),
        ops: cost.ops,
        cost: cost.first,
        score: judged.score.map(sign),
        error: judged.error,
    });
    let certificate = match &best {
        None => Certificate::BestSoFar,
        Some(best) => certificate(best, &evidence, lower_bound, stop),
    };
    let fits = best.as_ref().is_none_or(|best| ledger.fits(best.ops));
    let (best, over_budget) = if fits { (best, None) } else { (None, best) };
    Outcome {
        best,
        over_budget,
        certificate,
        lower_bound,
        evidence,
        tried,
        statistics: ledger.statistics,
        sigma: ledger.judge.sigma(),
        stop,
    }
}

fn certificate(best: &Best, evidence: &[Evidence], lower_bound: u64, stop: Option<StopReason>) -> Certificate {
    if evidence.iter().all(|e| e.alone == Some(Verdict::Fail) || !e.partners.is_empty()) {
        Certificate::OneMinimal
    } else if lower_bound >= best.ops {
        Certificate::MinimumIfMonotone
    } else if evidence.iter().all(|e| e.if_monotone) {
        Certificate::OneMinimalIfMonotone
    } else if matches!(stop, Some(StopReason::Finished)) {
        Certificate::NoSmallerFound
    } else {
        Certificate::BestSoFar
    }
}

fn evidence(ledger: &Ledger) -> Vec<Evidence> {
    let Some((best, _, _)) = ledger.best() else { return Vec::new() };
    let alone = |atom: usize| ledger.verdict_on(&best.without([atom]));
    let refused: Vec<usize> = best.iter().filter(|&atom| alone(atom) == Some(Verdict::Unresolved)).collect();
    best.iter()
        .map(|atom| {
            let rest = best.without([atom]);
            let partners = if refused.contains(&atom) { partners(ledger, best, &refused, atom) } else { Vec::new() };
            Evidence {
                units: ledger.atoms[atom].clone(),
                alone: alone(atom),
                partners: partners.into_iter().flat_map(|partner| ledger.atoms[partner].iter().copied()).collect(),
                if_monotone: ledger.failing().any(|set| !set.contains(atom) && rest.is_subset(set)),
            }
        })
        .collect()
}

/// The fewest refused members with which a refused member left in a trial that failed.
fn partners(ledger: &Ledger, best: &UnitSet, refused: &[usize], atom: usize) -> Vec<usize> {
    let left = |set: &UnitSet| -> Option<Vec<usize>> {
        let left = best.difference(set);
        let fits = set.is_subset(best) && left.contains(atom) && left.len() > 1;
        (fits && left.iter().all(|other| refused.contains(&other)))
            .then(|| left.iter().filter(|&other| other != atom).collect())
    };
    ledger.failing().filter_map(left).min_by_key(Vec::len).unwrap_or_default()
}

/// Pinned operators plus the cheapest set that hits the complement of every failing placement.
fn lower_bound(ledger: &Ledger) -> u64 {
    let clauses: Vec<UnitSet> = ledger.failing().map(UnitSet::complement).collect();
    let weights: Vec<u64> =
        ledger.atoms.iter().map(|atom| atom.iter().map(|&unit| u64::from(ledger.problem.costs[unit])).sum()).collect();
    ledger.cost(&UnitSet::empty(ledger.atoms.len())).ops + hitting_set::lower_bound(&clauses, &weights)
}
