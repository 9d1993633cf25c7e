//! What is known against each op on TIM-VX before anything runs: how its result differs from Paddle's, what would cure that in the model, how
//! sure that is, and where it is written. [`known`] looks at one op; a new fact is one entry in one list.

mod facts;

use op_graph::{OpGraph, OpId};
use paddle_model::{LiteOp, LiteProgram};

/// How bad a deviation is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harm {
    /// The stack does not run it.
    Refused,
    /// The result is another function of the input.
    Wrong,
    /// Values beyond a range are cut off.
    Saturates,
    /// The result is off by more than rounding explains.
    Coarse,
    /// The result is off by one code at most.
    Rounding,
}

/// How sure a deviation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// Seen on VeriSilicon's own NPU or on its software model.
    Measured,
    /// Read in the source of the stack.
    Read,
    /// Follows from the source, and was never seen.
    Inferred,
}

impl Certainty {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Read => "read in the source",
            Self::Inferred => "inferred, never seen",
        }
    }
}

/// A way in which the NPU differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// How bad.
    pub harm: Harm,
    /// How sure.
    pub certainty: Certainty,
    /// What the NPU does, and how that differs.
    pub text: &'static str,
    /// What would avoid it in the model; empty where nothing is known.
    pub cure: &'static str,
    /// The section of the specification.
    pub source: &'static str,
}

/// An op as the facts look at it. Without a model its attributes and scales are not known, and a fact that depends on them is stated with its
/// condition.
pub(crate) struct View<'a> {
    graph: &'a OpGraph,
    program: Option<&'a LiteProgram>,
    id: OpId,
}

impl View<'_> {
    fn op(&self) -> Option<&LiteOp> {
        self.program.and_then(|program| program.ops.get(self.id.index()))
    }

    fn op_type(&self) -> &str {
        self.graph.record(self.id).op_type.as_str().unwrap_or_default()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.op()?.attrs.get(name)?.as_bool()
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.op()?.attrs.get(name)?.as_int()
    }

    fn float(&self, name: &str) -> Option<f32> {
        self.op()?.attrs.get(name)?.as_float()
    }

    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.op()?.attrs.get(name)?.as_ints()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.op()?.attrs.get(name)?.as_str()
    }

    /// Steps of the activations that it reads.
    fn input_steps(&self) -> Vec<f32> {
        let Some(program) = self.program else { return Vec::new() };
        let activations = self.graph.inputs(self.id).into_iter().map(|tensor| program.tensor(tensor));
        activations.filter(|tensor| !tensor.persistable).filter_map(|tensor| tensor.scale).collect()
    }

    fn output_step(&self) -> Option<f32> {
        self.program?.tensor(*self.graph.outputs(self.id).first()?).scale
    }

    /// Output height over input height, where both are known and it is whole.
    fn enlarged(&self) -> Option<i64> {
        let program = self.program?;
        let height = |tensor| program.tensor(tensor).dims.get(2).copied().filter(|&dim| dim > 0);
        let input = height(*self.graph.inputs(self.id).first()?)?;
        Some(height(*self.graph.outputs(self.id).first()?)? / input)
    }

    fn is_in_place(&self) -> bool {
        let record = self.graph.record(self.id);
        record.inputs.iter().any(|name| record.outputs.contains(name))
    }
}

/// What is known against an op, worst first. `program` gives attributes, shapes and scales; without it only the type counts.
pub fn known(graph: &OpGraph, program: Option<&LiteProgram>, op: OpId) -> Vec<Deviation> {
    let view = View { graph, program, id: op };
    let mut known: Vec<Deviation> = facts::FACTS
        .iter()
        .filter(|fact| fact.types.contains(&view.op_type()) && (fact.applies)(&view))
        .map(|fact| fact.deviation)
        .collect();
    known.sort_by_key(|deviation| (deviation.harm, deviation.certainty));
    known
}
