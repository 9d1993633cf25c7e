//! What a strategy sees: a passing placement to shrink, and the means to try others.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use crate::judge::Judged;
use crate::ledger::Ledger;
use crate::{Proof, Purpose, UnitSet, Verdict};

/// Refused placements in a row after which a question is given up.
const MOST_REPAIRS: usize = 5;

/// The strategy's side of a search.
///
/// Sets here are over *atoms*: units that move as one, numbered `0..len()` in topological order, pinned units left out. Trying a placement
/// suspends the strategy until the answer is told, so a strategy reads as sequential code. What was tried before is answered at once.
#[derive(Clone)]
pub struct Ctx {
    ledger: Arc<Mutex<Ledger>>,
}

pub(crate) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ctx {
    pub(crate) fn new(ledger: Arc<Mutex<Ledger>>) -> Self {
        Self { ledger }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// The number of atoms.
    pub fn len(&self) -> usize {
        self.ledger().atoms.len()
    }

    /// Whether there is nothing to move.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many trials can run at the same time.
    pub fn width(&self) -> usize {
        self.ledger().problem.width
    }

    /// The seed for random choices.
    pub fn seed(&self) -> u64 {
        self.ledger().problem.seed
    }

    /// The cheapest placement that passed so far; empty before the first.
    pub fn best(&self) -> UnitSet {
        let ledger = self.ledger();
        ledger.best().map_or_else(|| UnitSet::empty(ledger.atoms.len()), |(set, _, _)| set.clone())
    }

    /// The suspicion per atom (the highest of its units), if there is a prior.
    pub fn prior(&self) -> Option<Vec<f64>> {
        let ledger = self.ledger();
        let prior = ledger.problem.prior.as_ref()?;
        let highest = |atom: &Vec<usize>| atom.iter().map(|&unit| prior[unit]).fold(f64::NEG_INFINITY, f64::max);
        Some(ledger.atoms.iter().map(highest).collect())
    }

    /// The class per atom (that of its first unit), if units have classes.
    pub fn classes(&self) -> Option<Vec<usize>> {
        let ledger = self.ledger();
        let classes = ledger.problem.classes.as_ref()?;
        Some(ledger.atoms.iter().map(|atom| classes[atom[0]]).collect())
    }

    /// Tries a placement.
    pub async fn test(&self, set: &UnitSet) -> Judged {
        self.test_as(set, Purpose::Search).await
    }

    /// Whether a placement passes.
    pub async fn passes(&self, set: &UnitSet) -> bool {
        self.test(set).await.verdict == Verdict::Pass
    }

    /// Tries a placement for a stated purpose.
    pub async fn test_as(&self, set: &UnitSet, purpose: Purpose) -> Judged {
        let index = self.ledger().record(set);
        poll_fn(|_| match self.ledger().poll(index, set, purpose) {
            Some(judged) => Poll::Ready(judged),
            None => Poll::Pending,
        })
        .await
    }

    /// Tries a placement that may be changed a little: what is known to have to move with it is added, and if it is refused, what may have to.
    ///
    /// Returns the placement that was tried last, and its verdict.
    pub async fn resolve(&self, set: &UnitSet) -> (UnitSet, Judged) {
        let mut tried = self.close(set);
        let mut judged = self.test(&tried).await;
        for _ in 0..MOST_REPAIRS {
            let wider = self.ledger().ties.widen(&tried);
            if judged.verdict != Verdict::Unresolved || wider == tried || wider.len() == wider.universe() {
                break;
            }
            tried = wider;
            judged = self.test(&tried).await;
        }
        (tried, judged)
    }

    /// A placement with everything that is known to have to move with it.
    pub fn close(&self, set: &UnitSet) -> UnitSet {
        self.ledger().ties.close(set)
    }

    /// A placement with everything that is known or likely to have to move with it.
    pub(crate) fn close_likely(&self, set: &UnitSet) -> UnitSet {
        self.ledger().ties.close_likely(set)
    }

    /// [`Ctx::resolve`] for several placements at the same time.
    pub async fn resolve_all(&self, sets: &[UnitSet]) -> Vec<(UnitSet, Judged)> {
        join_all(sets.iter().map(|set| self.resolve(set)).collect()).await
    }

    /// Whether any placement was refused for what must move together.
    pub fn is_refused(&self) -> bool {
        self.ledger().ties.is_trouble()
    }

    /// A placement without an atom, and without what is known to be refused if the atom goes and it stays.
    pub fn release(&self, set: &UnitSet, atom: usize) -> UnitSet {
        self.ledger().ties.release(set, atom)
    }

    /// Tries several placements at the same time; verdicts in the order of the sets.
    pub async fn test_all(&self, sets: &[UnitSet]) -> Vec<Judged> {
        self.test_all_as(sets, Purpose::Search).await
    }

    /// Tries several placements at the same time for a stated purpose.
    pub async fn test_all_as(&self, sets: &[UnitSet], purpose: Purpose) -> Vec<Judged> {
        join_all(sets.iter().map(|set| self.test_as(set, purpose)).collect()).await
    }

    /// Whether every member of a passing placement is shown to be necessary, as far as the caller wants it shown.
    pub(crate) fn is_proven(&self, set: &UnitSet) -> bool {
        let ledger = self.ledger();
        let by_monotony = ledger.problem.proof == Proof::IfMonotone;
        set.iter().all(|atom| {
            let rest = set.without([atom]);
            let implied = || ledger.failing().any(|failed| !failed.contains(atom) && rest.is_subset(failed));
            ledger.verdict_on(&rest) == Some(Verdict::Fail) || by_monotony && implied()
        })
    }

    /// Repeats a placement that was tried, if nothing is known of the noise yet.
    pub(crate) async fn measure_noise(&self, set: &UnitSet) {
        {
            let mut ledger = self.ledger();
            if !ledger.judge.is_unknown() {
                return;
            }
            let index = ledger.record(set);
            ledger.want(index, 2);
        }
        self.test_as(set, Purpose::Repeat).await;
    }

    /// What is known of a placement, without a trial.
    pub fn known(&self, set: &UnitSet) -> Option<Verdict> {
        self.ledger().verdict_on(set)
    }
}

/// Runs several futures to their end, all of them started at once.
pub(crate) async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
