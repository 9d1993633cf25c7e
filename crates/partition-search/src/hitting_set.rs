//! The least weight a passing set can have, given the failing sets: a minimum hitting set of their complements.
//!
//! If the oracle is monotone and `S` failed, every passing set holds a unit outside `S`. The complements of the failing sets are
//! therefore clauses that a passing set must hit, and the cheapest set that hits all of them is a lower bound (spec/search.md "What may be claimed").

use crate::UnitSet;

/// Branches after which the exact search gives up and the bound from disjoint clauses stands.
const MOST_BRANCHES: usize = 20_000;
/// Clauses kept; the smallest ones bind most.
const MOST_CLAUSES: usize = 400;

/// A lower bound on the weight of any set that hits every clause: the minimum where the instance is small enough to be solved.
pub(crate) fn lower_bound(clauses: &[UnitSet], weights: &[u64]) -> u64 {
    let clauses = essential(clauses);
    let greedy = packing(&clauses, weights, &UnitSet::empty(weights.len()));
    let mut solver = Solver { weights, best: u64::MAX, branches: 0 };
    solver.descend(&clauses, &UnitSet::empty(weights.len()), 0, UnitSet::empty(weights.len()));
    if solver.branches > MOST_BRANCHES || solver.best == u64::MAX { greedy } else { solver.best }
}

/// Drops every clause that holds another one; smallest first.
fn essential(clauses: &[UnitSet]) -> Vec<UnitSet> {
    let mut sorted: Vec<(usize, &UnitSet)> = clauses.iter().map(|clause| (clause.len(), clause)).collect();
    sorted.sort();
    let mut kept: Vec<UnitSet> = Vec::new();
    for (size, clause) in sorted {
        if size > 0 && kept.len() < MOST_CLAUSES && !kept.iter().any(|smaller| smaller.is_subset(clause)) {
            kept.push(clause.clone());
        }
    }
    kept
}

/// The sum over disjoint clauses of their cheapest unit that is not banned: each needs a unit of its own.
fn packing(clauses: &[UnitSet], weights: &[u64], banned: &UnitSet) -> u64 {
    let mut used = UnitSet::empty(weights.len());
    let mut total = 0;
    for clause in clauses {
        let open = clause.difference(banned);
        if open.intersection(&used).is_empty() {
            total += open.iter().map(|unit| weights[unit]).min().unwrap_or(0);
            used = used.union(&open);
        }
    }
    total
}

struct Solver<'a> {
    weights: &'a [u64],
    best: u64,
    branches: usize,
}

impl Solver<'_> {
    /// `banned` units were taken in a branch already explored, so that no set is visited twice.
    fn descend(&mut self, clauses: &[UnitSet], chosen: &UnitSet, weight: u64, banned: UnitSet) {
        self.branches += 1;
        if self.branches > MOST_BRANCHES {
            return;
        }
        let open: Vec<UnitSet> =
            clauses.iter().filter(|clause| clause.intersection(chosen).is_empty()).cloned().collect();
        if weight + packing(&open, self.weights, &banned) >= self.best {
            return;
        }
        let Some(clause) = open.iter().map(|clause| clause.difference(&banned)).min_by_key(UnitSet::len) else {
            self.best = weight;
            return;
        };
        let mut banned = banned;
        for unit in clause.iter() {
            self.descend(&open, &chosen.with([unit]), weight + self.weights[unit], banned.clone());
            banned.insert(unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_in_every_clause_is_enough() {
        let clauses = [UnitSet::of(4, [0, 1]), UnitSet::of(4, [1, 2]), UnitSet::of(4, [1, 3])];
        assert_eq!(lower_bound(&clauses, &[1; 4]), 1);
    }

    #[test]
    fn a_triangle_needs_two_though_no_two_clauses_are_disjoint() {
        let clauses = [UnitSet::of(3, [0, 1]), UnitSet::of(3, [1, 2]), UnitSet::of(3, [0, 2])];
        assert_eq!(lower_bound(&clauses, &[1; 3]), 2);
    }

    #[test]
    fn weights_decide_which_unit_hits() {
        let clauses = [UnitSet::of(3, [0, 1]), UnitSet::of(3, [1, 2])];
        assert_eq!(lower_bound(&clauses, &[2, 9, 3]), 5);
        assert_eq!(lower_bound(&[], &[2, 9, 3]), 0);
    }
}
