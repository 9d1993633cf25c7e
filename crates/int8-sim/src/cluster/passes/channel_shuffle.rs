//! `FuseReshapeTransposeReshapeIntoChannelShuffle`: a reshape to five axes, the second and third swapped, and a reshape back.

use std::sync::Arc;

use crate::{
    cluster::{Model, Operation},
    families::{
        layout::{Reshape, TargetShape, Transpose},
        shuffle::ChannelShuffle,
    },
};

pub(super) fn fuse(model: &mut Model) {
    let mut at = 0;
    while at < model.operations.len() {
        if let Some((groups, transpose, reshape)) = shuffle(model, at) {
            // The later one first, so that the earlier position stays valid.
            let reshape = model.operations.remove(reshape);
            let transpose = model.operations.remove(transpose);
            let first = &mut model.operations[at];
            let origins = [&first.origins[..], &transpose.origins, &reshape.origins].concat();
            let kind = Arc::new(ChannelShuffle { groups });
            *first = Operation { kind, inputs: first.inputs.clone(), outputs: reshape.outputs, origins };
        }
        at += 1;
    }
}

/// The number of groups and the positions of the transpose and the last reshape behind the reshape at `at`.
fn shuffle(model: &Model, at: usize) -> Option<(usize, usize, usize)> {
    let dims = |operation: &Operation, at_least: usize| match &operation.as_kind::<Reshape>()?.shape {
        TargetShape::Dims(dims) if dims.len() >= at_least => Some(dims.clone()),
        _ => None,
    };
    let groups = usize::try_from(*dims(&model.operations[at], 5)?.get(1)?).ok().filter(|&groups| groups > 0)?;
    let transpose = model.only_reader(model.operations[at].outputs[0])?;
    let swaps = |perm: &[usize]| perm.len() >= 5 && perm[1] == 2 && perm[2] == 1;
    model.operations[transpose].as_kind::<Transpose>().filter(|transpose| swaps(&transpose.perm))?;
    let reshape = model.only_reader(model.operations[transpose].outputs[0])?;
    dims(&model.operations[reshape], 4)?;
    Some((groups, transpose, reshape))
}
