//! Everything a search knows: what was asked and answered, the best placement so far, what may still be spent.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::judge::{Judge, Judged, Ruling};
use crate::problem::Key;
use crate::rng::Rng;
use crate::ties::Ties;
use crate::{Answer, Objective, Problem, Purpose, Question, QuestionId, Statistics, UnitSet, Verdict};

/// Boards from which idle ones are given placements that nobody asked for yet.
const MANY_BOARDS: usize = 32;
/// Random placements drawn for an idle board before it is left idle.
const FILLER_DRAWS: usize = 8;

/// What a placement costs: the objective's first number, then the number of operators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) first: f64,
    pub(crate) ops: u64,
}

impl Cost {
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        self.first.total_cmp(&other.first).then(self.ops.cmp(&other.ops))
    }

    pub(crate) fn is_below(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Less
    }
}

/// One placement (or several with the same key), as asked.
pub(crate) struct Record {
    /// In atoms.
    pub(crate) set: UnitSet,
    pub(crate) answers: Vec<Answer>,
    /// Asked and not yet answered.
    pub(crate) waiting: usize,
    /// Answers wanted before it is judged, beyond what the judge wants.
    pub(crate) wanted: usize,
    pub(crate) judged: Option<Judged>,
    /// A strategy, not a filler for idle boards, asked for it.
    pub(crate) firm: bool,
}

/// A placement that passed, and what it costs.
#[derive(Clone)]
struct Passing {
    record: usize,
    set: UnitSet,
    cost: Cost,
}

pub(crate) struct Ledger {
    pub(crate) problem: Problem,
    /// Units per atom: what the strategies move as one. Units pinned to either side are in none.
    pub(crate) atoms: Vec<Vec<usize>>,
    /// The units on the CPU in every question.
    always: UnitSet,
    pub(crate) records: Vec<Record>,
    by_key: HashMap<Key, usize>,
    by_set: HashMap<UnitSet, usize>,
    queue: VecDeque<(usize, Purpose)>,
    /// For fillers only.
    rng: Rng,
    asked: BTreeMap<QuestionId, usize>,
    next_id: u64,
    passing: Vec<Passing>,
    best: Option<usize>,
    pub(crate) judge: Judge,
    pub(crate) ties: Ties,
    pub(crate) statistics: Statistics,
    /// Counts changes, so that the strategy is polled only when there is something new.
    pub(crate) version: u64,
}

impl Ledger {
    pub(crate) fn new(problem: Problem, groups: Vec<Vec<usize>>) -> Self {
        let pinned = |group: &Vec<usize>, pins: &UnitSet| group.iter().any(|&unit| pins.contains(unit));
        let mut always = UnitSet::empty(problem.n);
        let mut atoms = Vec::new();
        for group in groups {
            if pinned(&group, &problem.pinned_cpu) {
                always = always.with(group);
            } else if !pinned(&group, &problem.pinned_npu) {
                atoms.push(group);
            }
        }
        let judge = Judge::new(&problem);
        let rng = Rng::new(problem.seed);
        Self {
            problem,
            atoms,
            always,
            records: Vec::new(),
            by_key: HashMap::new(),
            by_set: HashMap::new(),
            queue: VecDeque::new(),
            rng,
            asked: BTreeMap::new(),
            next_id: 0,
            passing: Vec::new(),
            best: None,
            judge,
            ties: Ties::default(),
            statistics: Statistics::default(),
            version: 0,
        }
    }

    /// Atoms to units, pinned ones included.
    pub(crate) fn units(&self, atoms: &UnitSet) -> UnitSet {
        self.always.with(atoms.iter().flat_map(|atom| self.atoms[atom].iter().copied()))
    }

    pub(crate) fn cost(&self, atoms: &UnitSet) -> Cost {
        let units = self.units(atoms);
        let ops = units.iter().map(|unit| u64::from(self.problem.costs[unit])).sum();
        let first = match &self.problem.objective {
            Objective::FewestOps => ops as f64,
            Objective::FewestClusters(measure) | Objective::Latency(measure) => measure(&units),
        };
        Cost { first, ops }
    }

    /// The record of a placement, made if it is new.
    pub(crate) fn record(&mut self, set: &UnitSet) -> usize {
        if let Some(&index) = self.by_set.get(set) {
            return index;
        }
        let fresh = self.records.len();
        let index = match &self.problem.canonical {
            Some(canonical) => {
                let key = canonical(&self.units(set));
                *self.by_key.entry(key).or_insert(fresh)
            }
            None => fresh,
        };
        self.by_set.insert(set.clone(), index);
        if index == fresh {
            self.records.push(Record {
                set: set.clone(),
                answers: Vec::new(),
                waiting: 0,
                wanted: 0,
                judged: None,
                firm: false,
            });
        }
        index
    }

    /// The verdict on a placement if it is known; else sees to it that it is asked.
    pub(crate) fn poll(&mut self, index: usize, set: &UnitSet, purpose: Purpose) -> Option<Judged> {
        self.records[index].firm = true;
        if let Some(judged) = self.settle(index) {
            if judged.verdict == Verdict::Pass {
                self.offer(index, set);
            }
            return Some(judged);
        }
        let record = &mut self.records[index];
        if record.waiting == 0 {
            record.waiting += 1;
            let purpose = if record.answers.is_empty() { purpose } else { Purpose::Repeat };
            self.queue.push_back((index, purpose));
        }
        None
    }

    /// Judges a record if its answers allow it.
    fn settle(&mut self, index: usize) -> Option<Judged> {
        let record = &self.records[index];
        if record.judged.is_none()
            && !record.answers.is_empty()
            && record.answers.len() >= record.wanted
            && let Ruling::Settled(judged) = self.judge.rule(&record.answers)
        {
            self.records[index].judged = Some(judged);
            self.ties.learn(&self.records[index].set, judged.verdict != Verdict::Unresolved);
        }
        self.records[index].judged
    }

    /// Wants at least `answers` answers before the record counts as judged.
    pub(crate) fn want(&mut self, index: usize, answers: usize) {
        let record = &mut self.records[index];
        record.wanted = record.wanted.max(answers);
        if record.answers.len() < record.wanted {
            record.judged = None;
        }
    }

    /// A passing placement: keeps it if it is the cheapest.
    fn offer(&mut self, record: usize, set: &UnitSet) {
        let cost = self.cost(set);
        let better = self.best.is_none_or(|best| cost.is_below(&self.passing[best].cost));
        if better {
            self.passing.push(Passing { record, set: set.clone(), cost });
            self.best = Some(self.passing.len() - 1);
        } else if self.judge.is_noisy() {
            self.passing.push(Passing { record, set: set.clone(), cost });
        }
    }

    /// Prefers this placement to others of the same cost.
    pub(crate) fn adopt(&mut self, set: &UnitSet) {
        let record = self.record(set);
        let cost = self.cost(set);
        let passes = self.records[record].judged.is_some_and(|judged| judged.verdict == Verdict::Pass);
        if passes && self.best().is_some_and(|(_, best, _)| !best.is_below(&cost)) {
            self.passing.push(Passing { record, set: set.clone(), cost });
            self.best = Some(self.passing.len() - 1);
        }
    }

    /// Re-elects the best after a verdict was revised.
    pub(crate) fn elect(&mut self) {
        let standing = |p: &Passing| self.records[p.record].judged.is_some_and(|j| j.verdict == Verdict::Pass);
        self.best = (0..self.passing.len())
            .filter(|&i| standing(&self.passing[i]))
            .min_by(|&a, &b| self.passing[a].cost.compare(&self.passing[b].cost));
    }

    pub(crate) fn best(&self) -> Option<(&UnitSet, Cost, Judged)> {
        let best = &self.passing[self.best?];
        Some((&best.set, best.cost, self.records[best.record].judged?))
    }

    pub(crate) fn has_firm_question(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.asked.len()
    }

    pub(crate) fn question(&mut self) -> Option<Question> {
        let (index, purpose) = self.queue.pop_front()?;
        Some(self.ask(index, purpose))
    }

    /// A placement for an idle board: the best one without a member, or without a random part of it.
    pub(crate) fn filler(&mut self) -> Option<Question> {
        if self.problem.width < MANY_BOARDS {
            return None;
        }
        let best = self.best().map(|(set, _, _)| set.clone())?;
        let members: Vec<usize> = best.iter().collect();
        let singles = members.iter().map(|&atom| best.without([atom])).find(|rest| !self.by_set.contains_key(rest));
        let rest = singles.or_else(|| {
            (0..FILLER_DRAWS).find_map(|_| {
                let share = self.rng.uniform();
                let rest = best.without(members.iter().copied().filter(|_| self.rng.uniform() < share));
                (!self.by_set.contains_key(&rest)).then_some(rest)
            })
        })?;
        let index = self.record(&rest);
        let record = &mut self.records[index];
        if !record.answers.is_empty() || record.waiting > 0 {
            return None;
        }
        record.waiting = 1;
        Some(self.ask(index, Purpose::Speculation))
    }

    fn ask(&mut self, index: usize, purpose: Purpose) -> Question {
        let id = QuestionId(self.next_id);
        self.next_id += 1;
        self.asked.insert(id, index);
        self.statistics.trials += 1;
        let repeat = self.records[index].answers.len() as u32;
        self.statistics.repeats += usize::from(repeat > 0);
        self.statistics.speculative += usize::from(purpose == Purpose::Speculation);
        Question { id, set: self.units(&self.records[index].set), purpose, repeat }
    }

    /// Takes an answer; false if no such question is open.
    pub(crate) fn tell(&mut self, id: QuestionId, answer: Answer) -> bool {
        let Some(index) = self.asked.remove(&id) else { return false };
        let counter = match self.judge.single(&answer) {
            Verdict::Pass => &mut self.statistics.passed,
            Verdict::Fail => &mut self.statistics.failed,
            Verdict::Unresolved => &mut self.statistics.unresolved,
        };
        *counter += 1;
        let record = &mut self.records[index];
        record.waiting = record.waiting.saturating_sub(1);
        record.answers.push(answer);
        self.judge.learn(&record.answers);
        if !record.firm {
            let set = record.set.clone();
            if self.settle(index).is_some_and(|judged| judged.verdict == Verdict::Pass) {
                self.offer(index, &set);
            }
        }
        self.version += 1;
        true
    }

    /// Puts an answer that the caller already had on record, without counting it as a trial.
    pub(crate) fn know(&mut self, set: &UnitSet, answer: Answer) {
        let index = self.record(set);
        self.records[index].answers.push(answer);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.problem.limits.max_trials.is_some_and(|most| self.statistics.trials >= most)
    }

    pub(crate) fn is_late(&self) -> bool {
        match (&self.problem.clock, self.problem.limits.max_time) {
            (Some(clock), Some(most)) => clock() >= most,
            _ => false,
        }
    }
}

/// What the outcome reads.
impl Ledger {
    pub(crate) fn failing(&self) -> impl Iterator<Item = &UnitSet> {
        let failed = |record: &&Record| record.judged.is_some_and(|judged| judged.verdict == Verdict::Fail);
        self.records.iter().filter(failed).map(|record| &record.set)
    }

    /// The verdict on a placement, or on one with the same key, if it is settled.
    pub(crate) fn verdict_on(&self, set: &UnitSet) -> Option<Verdict> {
        let index = self.by_set.get(set).copied().or_else(|| {
            let key = self.problem.canonical.as_ref()?(&self.units(set));
            self.by_key.get(&key).copied()
        })?;
        self.records[index].judged.map(|judged| judged.verdict)
    }

    pub(crate) fn lower_is_better(&self) -> bool {
        self.problem.threshold.is_some_and(|t| t.direction == crate::Direction::LowerIsBetter)
    }

    pub(crate) fn fits(&self, ops: u64) -> bool {
        self.problem.limits.max_cpu_ops.is_none_or(|most| ops <= most as u64)
    }
}
