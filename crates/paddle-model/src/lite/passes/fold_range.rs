//! `range` is folded where its start, end and step are constants.

use super::fold::{Constant, constant_input, element_count, fold};
use crate::{
    ModelError, TensorData,
    lite::{desc::OpDesc, scope::Scope, ssa::SsaGraph},
};

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    fold(graph, scope, &["range"], compute)
}

fn compute(desc: &OpDesc, scope: &Scope) -> Result<Option<Constant>, String> {
    let bound = |argument| Ok::<_, String>(constant_input(desc, scope, argument)?.map(|(_, data)| data));
    let (Some(start), Some(end), Some(step)) = (bound("Start")?, bound("End")?, bound("Step")?) else {
        return Ok(None);
    };
    let mismatch = || "its start, end and step are not of one element type that Paddle Lite supports".to_owned();
    let data = match (start, end, step) {
        (TensorData::Float32(start), TensorData::Float32(end), TensorData::Float32(step)) => {
            let (&start, &end, &step) = first(start, end, step)?;
            let span = ((end - start) / step).abs().ceil();
            let count = if span.is_finite() { element_count(&[span as i64])? } else { element_count(&[i64::MAX])? };
            let values = std::iter::successors(Some(start), |value| Some(value + step));
            TensorData::Float32(values.take(count).collect())
        }
        (TensorData::Int32(_), TensorData::Int32(_), TensorData::Int32(_)) => {
            let values = integers(start, end, step)?;
            TensorData::Int32(values.into_iter().map(|value| value as i32).collect())
        }
        (TensorData::Int64(_), TensorData::Int64(_), TensorData::Int64(_)) => {
            TensorData::Int64(integers(start, end, step)?)
        }
        _ => return Err(mismatch()),
    };
    Ok(Some((vec![data.len() as i64], data)))
}

fn integers(start: &TensorData, end: &TensorData, step: &TensorData) -> Result<Vec<i64>, String> {
    let list = |data: &TensorData| data.to_i64().unwrap_or_default();
    let (start, end, step) = (list(start), list(end), list(step));
    let (&start, &end, &step) = first(&start, &end, &step)?;
    let span = i128::from(end) - i128::from(start);
    let step_size = i128::from(step).abs();
    if step_size == 0 {
        return Err("its step is 0".to_owned());
    }
    let count = (span.abs() + step_size - 1) / step_size;
    let count = element_count(&[i64::try_from(count).unwrap_or(i64::MAX)])?;
    Ok(std::iter::successors(Some(start), |value| Some(value.wrapping_add(step))).take(count).collect())
}

fn first<'a, T>(start: &'a [T], end: &'a [T], step: &'a [T]) -> Result<(&'a T, &'a T, &'a T), String> {
    match (start.first(), end.first(), step.first()) {
        (Some(start), Some(end), Some(step)) => Ok((start, end, step)),
        _ => Err("its start, end or step is empty".to_owned()),
    }
}
