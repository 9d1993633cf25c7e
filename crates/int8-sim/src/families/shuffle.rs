//! Channels of groups dealt out in turn: `shuffle_channel`.

use std::sync::Arc;

use super::{OpKind, layout::then_rescale};
use crate::{
    Fault, Kernel,
    cluster::Converter,
    kernel::Gather,
    npu::{NpuOperation, Operand},
    program::Attributes,
};

/// The NNAdapter operation `CHANNEL_SHUFFLE` on the second axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelShuffle {
    /// The number of groups.
    pub groups: usize,
}

impl ChannelShuffle {
    /// Output channel i·groups + g is input channel g·(channels / groups) + i.
    fn cpu_kernel(self) -> Arc<dyn Kernel> {
        let groups = self.groups;
        Arc::new(Gather(move |from: &[usize]| {
            let channels = from.get(1).copied().unwrap_or(0);
            if groups == 0 || channels == 0 || !channels.is_multiple_of(groups) {
                return Err(Fault(format!("cannot deal {from:?} out to {groups} group(s)")));
            }
            let plane: usize = from[2..].iter().product();
            let source = |channel: usize| channel % groups * (channels / groups) + channel / groups;
            let order = (0..from[0] * channels).flat_map(|at| {
                let start = (at / channels * channels + source(at % channels)) * plane;
                start..start + plane
            });
            Ok((from.to_vec(), order.collect()))
        }))
    }
}

impl NpuOperation for ChannelShuffle {
    fn name(&self) -> &'static str {
        "CHANNEL_SHUFFLE"
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        then_rescale(self.cpu_kernel(), self.name(), inputs[0], outputs[0])
    }
}

/// The op type.
pub(crate) const OPS: &[OpKind] = &[OpKind {
    types: &["shuffle_channel"],
    inputs: &["X"],
    cpu: |op| Ok(vec![ChannelShuffle { groups: groups_of(op.op()) }.cpu_kernel()]),
    npu: Some(|converter: &mut Converter<'_>| {
        let groups = groups_of(converter.lite());
        let x = converter.input("X", 0)?;
        converter.emit(ChannelShuffle { groups }, vec![x], "Out");
        Ok(())
    }),
}];

fn groups_of(op: &paddle_model::LiteOp) -> usize {
    op.int("group").and_then(|groups| usize::try_from(groups).ok()).unwrap_or(1)
}
