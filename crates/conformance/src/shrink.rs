//! From a comparison that fails to the smallest one that fails in the same way.

use std::{mem, path::Path};

use op_graph::{OpGraph, OpSet};

use crate::{
    ConformanceError, Opt, Subject,
    compare::{Comparison, Forcing, compare},
};

/// A model and a forcing on which Paddle Lite and we disagree.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The model.
    pub subject: Subject,
    /// What is forced.
    pub forcing: Forcing,
    /// What came out.
    pub comparison: Comparison,
}

/// Makes a failure smaller: a random model loses steps, a config loses lines, a placement loses ops, as long as the first
/// difference stays of the same kind. `scratch` as in [`Opt::run`].
///
/// # Errors
/// When Paddle Lite cannot be asked, or a smaller model cannot be made.
pub fn shrink(opt: &Opt, failure: Failure, scratch: &Path) -> Result<Failure, ConformanceError> {
    let shorter = with_fewer_steps(opt, failure, scratch)?;
    with_less_forced(opt, &shorter, scratch)
}

fn with_fewer_steps(opt: &Opt, failure: Failure, scratch: &Path) -> Result<Failure, ConformanceError> {
    let Some(recipe) = failure.subject.recipe else { return Ok(failure) };
    for steps in 1..recipe.steps {
        let subject = Subject::create(crate::Recipe { steps, ..recipe }, scratch)?;
        let forcing = carry_over(&failure, &subject);
        if let Some(comparison) = still_fails(opt, &failure, &subject, &forcing, scratch)? {
            return Ok(Failure { subject, forcing, comparison });
        }
    }
    let subject = Subject::create(recipe, scratch)?;
    Ok(Failure { subject, ..failure })
}

/// The forcing for a smaller model: a placement keeps the ops whose records are still there.
fn carry_over(failure: &Failure, smaller: &Subject) -> Forcing {
    match (&failure.forcing, &failure.subject.derived, &smaller.derived) {
        (Forcing::Placement(placement), Ok(from), Ok(to)) => {
            Forcing::Placement(same_records(&from.graph, placement, &to.graph))
        }
        (forcing, _, _) => forcing.clone(),
    }
}

fn same_records(from: &OpGraph, placement: &OpSet, to: &OpGraph) -> OpSet {
    let wanted: Vec<_> = placement.iter().map(|op| from.record(op)).collect();
    to.ops().filter(|&op| wanted.contains(&to.record(op))).collect()
}

fn with_less_forced(opt: &Opt, failure: &Failure, scratch: &Path) -> Result<Failure, ConformanceError> {
    let mut smallest = failure.clone();
    let mut fails = |forcing: Forcing| -> Result<bool, ConformanceError> {
        let comparison = still_fails(opt, failure, &failure.subject, &forcing, scratch)?;
        let found = comparison.is_some();
        if let Some(comparison) = comparison {
            smallest = Failure { subject: failure.subject.clone(), forcing, comparison };
        }
        Ok(found)
    };
    if failure.forcing != Forcing::Nothing && !fails(Forcing::Nothing)? {
        match &failure.forcing {
            Forcing::Nothing => {}
            Forcing::Text(text) => {
                let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
                // A config of 0 bytes is no smaller config: Paddle Lite crashes on it.
                minimal(
                    lines,
                    |lines| if lines.is_empty() { Ok(false) } else { fails(Forcing::Text(lines.concat())) },
                )?;
            }
            Forcing::Placement(placement) => {
                minimal(placement.iter().collect(), |ops| fails(Forcing::Placement(ops.iter().copied().collect())))?;
            }
        }
    }
    Ok(smallest)
}

/// The comparison, if its first difference is of the same kind as the failure's.
fn still_fails(
    opt: &Opt,
    failure: &Failure,
    subject: &Subject,
    forcing: &Forcing,
    scratch: &Path,
) -> Result<Option<Comparison>, ConformanceError> {
    let comparison = compare(opt, subject, forcing, scratch)?;
    let kind = |comparison: &Comparison| comparison.differences.first().map(mem::discriminant);
    Ok((kind(&comparison) == kind(&failure.comparison)).then_some(comparison))
}

/// Leaves out parts of a list, large ones first, until no single item can be left out any more.
fn minimal<T: Clone, E>(mut items: Vec<T>, mut fails: impl FnMut(&[T]) -> Result<bool, E>) -> Result<Vec<T>, E> {
    let mut size = items.len().max(1);
    loop {
        let mut start = 0;
        let mut removed = false;
        while start < items.len() {
            let end = items.len().min(start + size);
            let rest = [&items[..start], &items[end..]].concat();
            if fails(&rest)? {
                items = rest;
                removed = true;
            } else {
                start = end;
            }
        }
        if size == 1 && !removed {
            return Ok(items);
        }
        size = (size / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_list_shrinks_to_the_items_that_fail_together() {
        let Ok(smallest) = minimal((0..100).collect(), |items: &[i32]| {
            Ok::<_, Infallible>(items.contains(&17) && items.contains(&63))
        });
        assert_eq!(smallest, [17, 63]);
    }

    #[test]
    fn a_list_that_fails_without_any_item_shrinks_to_nothing() {
        let Ok(smallest) = minimal(vec![1, 2, 3], |_: &[i32]| Ok::<_, Infallible>(true));
        assert!(smallest.is_empty());
    }
}
