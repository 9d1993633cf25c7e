//! What refused placements teach: which neighbours in topological order must move together.
//!
//! Real stacks refuse a convolution on the CPU whose bias add stays on the NPU (spec/measured.md "What placements do"). Every placement that
//! ran shows that none of its borders is of that kind; a refused placement has at least one that is.

use std::collections::BTreeMap;

use crate::UnitSet;

/// A border of a placement: the first atom is on the CPU, its neighbour is not.
type Border = (usize, usize);

/// Suspects of one refusal up to which each is likely to be to blame.
const FEW: usize = 3;

/// What is known of borders.
#[derive(Default)]
pub(crate) struct Ties {
    /// `true`: refused; `false`: seen to run.
    known: BTreeMap<Border, bool>,
    /// Refused placements that are not explained yet: their borders that may be to blame.
    open: Vec<Vec<Border>>,
}

impl Ties {
    /// Takes note of whether a placement ran.
    pub(crate) fn learn(&mut self, set: &UnitSet, ran: bool) {
        let borders = borders(set);
        if ran {
            for border in borders {
                self.known.entry(border).or_insert(false);
            }
            for suspects in &mut self.open {
                suspects.retain(|border| self.known.get(border) != Some(&false));
            }
        } else if !borders.iter().any(|border| self.known.get(border) == Some(&true)) {
            self.open.push(borders.into_iter().filter(|border| !self.known.contains_key(border)).collect());
        }
        let sure: Vec<Border> =
            self.open.iter().filter(|suspects| suspects.len() == 1).map(|suspects| suspects[0]).collect();
        for border in sure {
            self.known.insert(border, true);
        }
        self.open.retain(|suspects| {
            suspects.len() > 1 && !suspects.iter().any(|border| self.known.get(border) == Some(&true))
        });
    }

    /// Whether any placement was refused for a border.
    pub(crate) fn is_trouble(&self) -> bool {
        !self.open.is_empty() || self.known.values().any(|&refused| refused)
    }

    /// Whether a border was refused, or is one of the few that a refusal can be due to.
    fn is_likely(&self, border: Border) -> bool {
        self.known.get(&border) == Some(&true)
            || self.open.iter().any(|suspects| suspects.len() <= FEW && suspects.contains(&border))
    }

    /// The set and everything that is known to have to move with it.
    pub(crate) fn close(&self, set: &UnitSet) -> UnitSet {
        close_over(set, |border| self.known.get(&border) == Some(&true))
    }

    /// The set and everything that is known or likely to have to move with it.
    pub(crate) fn close_likely(&self, set: &UnitSet) -> UnitSet {
        close_over(set, |border| self.is_likely(border))
    }

    /// The set without an atom and without everything that is known to need it there.
    pub(crate) fn release(&self, set: &UnitSet, atom: usize) -> UnitSet {
        let mut rest = set.without([atom]);
        let mut work = vec![atom];
        while let Some(gone) = work.pop() {
            for other in neighbours(gone).filter(|&other| self.known.get(&(other, gone)) == Some(&true)) {
                if rest.contains(other) {
                    rest.remove(other);
                    work.push(other);
                }
            }
        }
        rest
    }

    /// A set that was refused, with the far side of every border that may be to blame; in the direction that ties were seen in, if in one.
    pub(crate) fn widen(&self, set: &UnitSet) -> UnitSet {
        let closed = self.close(set);
        if closed != *set {
            // That explains the refusal.
            return closed;
        }
        let count = |ahead: bool| self.known.iter().filter(|&(&(a, b), &refused)| refused && (b > a) == ahead).count();
        let (ahead, behind) = (count(true), count(false));
        let plausible = |&(a, b): &Border| if b > a { ahead > 0 || behind < 2 } else { behind > 0 || ahead < 2 };
        let suspects: Vec<Border> =
            borders(&closed).into_iter().filter(|border| !self.known.contains_key(border)).collect();
        let likely: Vec<usize> = suspects.iter().filter(|border| plausible(border)).map(|&(_, other)| other).collect();
        let far = if likely.is_empty() { suspects.into_iter().map(|(_, other)| other).collect() } else { likely };
        self.close(&closed.with(far))
    }
}

/// A set with the far sides of its borders of a kind, until there are none left.
fn close_over(set: &UnitSet, is_tie: impl Fn(Border) -> bool) -> UnitSet {
    let mut closed = set.clone();
    let mut work: Vec<usize> = set.iter().collect();
    while let Some(atom) = work.pop() {
        for other in neighbours(atom).filter(|&other| other < set.universe() && is_tie((atom, other))) {
            if !closed.contains(other) {
                closed.insert(other);
                work.push(other);
            }
        }
    }
    closed
}

fn neighbours(atom: usize) -> impl Iterator<Item = usize> {
    [atom.checked_add(1), atom.checked_sub(1)].into_iter().flatten()
}

fn borders(set: &UnitSet) -> Vec<Border> {
    let n = set.universe();
    set.iter()
        .flat_map(|atom| neighbours(atom).map(move |other| (atom, other)))
        .filter(|&(_, other)| other < n && !set.contains(other))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_with_one_unexplained_border_is_a_tie() {
        let mut ties = Ties::default();
        ties.learn(&UnitSet::of(6, [2, 3]), true);
        ties.learn(&UnitSet::of(6, [2]), false);
        assert_eq!(ties.close(&UnitSet::of(6, [2])), UnitSet::of(6, [2, 3]));
        assert!(ties.is_trouble());
    }

    #[test]
    fn a_refused_set_is_widened_by_every_border_that_may_be_to_blame() {
        let mut ties = Ties::default();
        ties.learn(&UnitSet::of(6, [2]), false);
        assert_eq!(ties.widen(&UnitSet::of(6, [2])), UnitSet::of(6, [1, 2, 3]));
        ties.learn(&UnitSet::of(6, [2, 3]), true);
        ties.learn(&UnitSet::of(6, [1, 2]), false);
        assert_eq!(ties.widen(&UnitSet::of(6, [2])), UnitSet::of(6, [2, 3]));
    }
}
