//! Many comparisons: given models and random ones, each under many forcings, on a few processors.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use op_graph::OpGraph;

use crate::{
    Opt, OptError, Recipe, Subject, SubjectError,
    compare::{Comparison, Forcing, compare},
    configs,
    shrink::{Failure, shrink},
};

/// Random models get this many pairs each, the first of them with nothing forced.
const PAIRS_PER_RANDOM_MODEL: usize = 4;
/// Random models have up to this many steps.
const MOST_STEPS: usize = 24;
/// One pair in so many is of a given model, while there are given ones; the others are of random models.
const GIVEN_SHARE: usize = 3;
/// So many failures are shrunk and told; the others are only counted.
const MOST_SHRUNK: usize = 5;

/// Why a run ended before its last pair.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConformanceError {
    /// Paddle Lite could not be asked.
    #[error(transparent)]
    Opt(#[from] OptError),
    /// A model could not be read or made.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// There is no folder for temporary files.
    #[error("make a temporary folder: {0}")]
    Scratch(std::io::Error),
}

/// What to compare.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many (model, forcing) pairs.
    pub pairs: usize,
    /// The same seed, pairs and models give the same comparisons.
    pub seed: u64,
    /// How many processes of `opt` run at once.
    pub jobs: usize,
    /// Models to compare beside the random ones; each has its turn with nothing forced first.
    pub given: Vec<Subject>,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Pairs compared.
    pub pairs: usize,
    /// Pairs of models that were given.
    pub given_pairs: usize,
    /// Pairs whose model Paddle Lite refused before the partition, as expected.
    pub refused: usize,
    /// Pairs of models whose ops Paddle Lite orders differently from run to run.
    pub unstable_order: usize,
    /// Pairs in which some op was forced.
    pub with_forced_ops: usize,
    /// Ops that no line could express, over all placements.
    pub inexpressible: usize,
    /// Pairs with a difference.
    pub different: usize,
    /// The first of those, one a model, shrunk.
    pub failures: Vec<Failure>,
    /// The models of `failures` by name.
    shrunk: BTreeSet<String>,
}

/// Compares pair by pair; `progress` gets the number of pairs done.
///
/// # Errors
/// When Paddle Lite cannot be asked or a model not be made. Differences are no error.
pub fn run(opt: &Opt, plan: &Plan, progress: &(dyn Fn(usize) + Sync)) -> Result<Summary, ConformanceError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let summary = Mutex::new(Summary::default());
    let outcomes: Vec<Result<(), ConformanceError>> = thread::scope(|scope| {
        let work = || {
            let scratch = tempfile::tempdir().map_err(ConformanceError::Scratch)?;
            while !stop.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= plan.pairs {
                    break;
                }
                let outcome = one_pair(opt, plan, index, scratch.path(), &summary);
                stop.fetch_or(outcome.is_err(), Ordering::Relaxed);
                progress(outcome?);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..plan.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    outcomes.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(summary.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Runs the pair of this index and gives the number of pairs done so far.
fn one_pair(
    opt: &Opt,
    plan: &Plan,
    index: usize,
    scratch: &Path,
    summary: &Mutex<Summary>,
) -> Result<usize, ConformanceError> {
    let (subject, forcing, is_given) = pair(plan, index, scratch)?;
    let comparison = compare(opt, &subject, &forcing, scratch)?;
    let to_shrink = {
        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.given_pairs += usize::from(is_given);
        summary.add(&comparison);
        summary.wants(&subject, &comparison)
    };
    if to_shrink {
        let smallest = shrink(opt, Failure { subject, forcing, comparison }, scratch)?;
        summary.lock().unwrap_or_else(PoisonError::into_inner).failures.push(smallest);
    }
    Ok(summary.lock().unwrap_or_else(PoisonError::into_inner).pairs)
}

impl Summary {
    /// Is it a failure to tell, one of a model that has none yet? Claims the model if so.
    fn wants(&mut self, subject: &Subject, comparison: &Comparison) -> bool {
        let differs = !comparison.differences.is_empty();
        differs && self.shrunk.len() < MOST_SHRUNK && self.shrunk.insert(subject.name.clone())
    }

    fn add(&mut self, comparison: &Comparison) {
        self.pairs += 1;
        self.refused += usize::from(comparison.refused);
        self.unstable_order += usize::from(comparison.unstable_order);
        self.with_forced_ops += usize::from(comparison.forced > 0);
        self.inexpressible += comparison.inexpressible;
        self.different += usize::from(!comparison.differences.is_empty());
    }
}

/// The pair of this index, the same in every run of one plan.
fn pair(plan: &Plan, index: usize, scratch: &Path) -> Result<(Subject, Forcing, bool), ConformanceError> {
    let mut rng = fastrand::Rng::with_seed(plan.seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    if !plan.given.is_empty() && index.is_multiple_of(GIVEN_SHARE) {
        let turn = index / GIVEN_SHARE;
        let subject = plan.given[turn % plan.given.len()].clone();
        let forcing = forcing(&mut rng, &subject, turn < plan.given.len());
        return Ok((subject, forcing, true));
    }
    let model = index / PAIRS_PER_RANDOM_MODEL;
    let mut model_rng = fastrand::Rng::with_seed(plan.seed.wrapping_add(model as u64));
    let subject = Subject::create(Recipe::random(&mut model_rng, MOST_STEPS), scratch)?;
    let forcing = forcing(&mut rng, &subject, index.is_multiple_of(PAIRS_PER_RANDOM_MODEL));
    Ok((subject, forcing, false))
}

fn forcing(rng: &mut fastrand::Rng, subject: &Subject, first: bool) -> Forcing {
    match &subject.derived {
        Ok(program) if !first && !program.ops.is_empty() => random_forcing(rng, &program.graph),
        _ => Forcing::Nothing,
    }
}

fn random_forcing(rng: &mut fastrand::Rng, graph: &OpGraph) -> Forcing {
    if rng.u8(..10) < 4 {
        Forcing::Placement(configs::random_placement(rng, graph))
    } else {
        Forcing::Text(configs::random(rng, graph))
    }
}
