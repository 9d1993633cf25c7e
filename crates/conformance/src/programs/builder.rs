//! The program under construction: its variables, its parameters, and the tensors that a next op may read.

use std::collections::{BTreeMap, BTreeSet};

use op_graph::Name;
use paddle_model::{Attr, Block, DType, Model, Op, Param, Program, Var, VarKind};

use super::{NameStyle, Quantization};

/// The exporter's version that the programs claim: 2.6.2 (spec/models.md).
const PADDLE_VERSION: i64 = 2_006_002;

/// A tensor of the program.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) name: Name,
    /// Sizes, batch first.
    pub(super) dims: Vec<usize>,
    pub(super) dtype: DType,
}

/// An op before it joins the program.
pub(super) struct Draft(Op);

impl Draft {
    pub(super) fn new(op_type: &str) -> Self {
        Self(Op { op_type: op_type.into(), ..Op::default() })
    }

    pub(super) fn input(self, argument: &str, name: &Name) -> Self {
        self.inputs(argument, std::slice::from_ref(name))
    }

    pub(super) fn inputs(mut self, argument: &str, names: &[Name]) -> Self {
        self.0.inputs.insert(argument.into(), names.to_vec());
        self
    }

    pub(super) fn output(self, argument: &str, name: &Name) -> Self {
        self.outputs(argument, std::slice::from_ref(name))
    }

    pub(super) fn outputs(mut self, argument: &str, names: &[Name]) -> Self {
        self.0.outputs.insert(argument.into(), names.to_vec());
        self
    }

    pub(super) fn attr(mut self, name: &str, value: Attr) -> Self {
        self.0.attrs.insert(name.into(), value);
        self
    }
}

pub(super) struct ProgramBuilder {
    pub(super) rng: fastrand::Rng,
    pub(super) quantization: Quantization,
    /// Tensors whose quantized form exists already, and the name of that form.
    pub(super) quantized: BTreeMap<Name, Name>,
    names: NameStyle,
    ops: Vec<Op>,
    vars: BTreeMap<Name, Var>,
    params: BTreeMap<Name, Param>,
    live: Vec<Value>,
    numbers: usize,
}

impl ProgramBuilder {
    /// A program that only has one to three inputs.
    pub(super) fn new(rng: fastrand::Rng, names: NameStyle, quantization: Quantization) -> Self {
        let mut builder = Self {
            rng,
            quantization,
            quantized: BTreeMap::new(),
            names,
            ops: Vec::new(),
            vars: BTreeMap::new(),
            params: BTreeMap::new(),
            live: Vec::new(),
            numbers: 0,
        };
        builder.vars.insert("feed".into(), list_var("feed", VarKind::FeedList));
        builder.vars.insert("fetch".into(), list_var("fetch", VarKind::FetchList));
        let count = [1, 1, 1, 2, 3][builder.rng.usize(..5)];
        for column in 0..count {
            let x = builder.fresh("image", &[1, 4, 8, 8]);
            builder.push(
                Draft::new("feed").input("X", &"feed".into()).output("Out", &x.name).attr("col", Attr::Int(column)),
            );
            builder.offer(x);
        }
        builder
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(0..100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    pub(super) fn next_number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    /// A new float tensor with a name in the program's style.
    pub(super) fn fresh(&mut self, op_type: &str, dims: &[usize]) -> Value {
        let index = self.next_number();
        let name = self.names.name(&mut self.rng, op_type, index);
        self.declare(name, dims)
    }

    /// A new float tensor of this name.
    pub(super) fn declare(&mut self, name: Name, dims: &[usize]) -> Value {
        self.declare_as(name, dims, DType::Float32)
    }

    pub(super) fn declare_as(&mut self, name: Name, dims: &[usize], dtype: DType) -> Value {
        let sizes: Vec<i64> = dims.iter().map(|&size| size as i64).collect();
        self.vars.insert(name.clone(), Var::tensor(name.clone(), dtype, &sizes));
        Value { name, dims: dims.to_vec(), dtype }
    }

    pub(super) fn parameter_name(&mut self, op_type: &str) -> Name {
        let index = self.next_number();
        Name::from(format!("{op_type}_{index}.w_0"))
    }

    /// Adds a parameter, or replaces it where a tensor that is quantized anew needs the same scale again.
    pub(super) fn parameter(&mut self, name: Name, param: Param) {
        let sizes: Vec<i64> = param.dims.iter().map(|&size| size as i64).collect();
        self.vars.insert(name.clone(), Var::parameter(name.clone(), param.data.dtype(), &sizes));
        self.params.insert(name, param);
    }

    pub(super) fn push(&mut self, draft: Draft) {
        self.ops.push(draft.0);
    }

    /// Lets later ops read this tensor.
    pub(super) fn offer(&mut self, value: Value) {
        self.live.push(value);
    }

    /// A tensor to read that satisfies `wanted`; the newest are the likeliest, old ones make long branches.
    pub(super) fn choose(&mut self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let fitting: Vec<&Value> = self.live.iter().filter(|value| wanted(value)).collect();
        let last = fitting.len().checked_sub(1)?;
        let back = if self.rng.u8(0..100) < 60 { 0 } else { self.rng.usize(..fitting.len()) };
        Some(fitting[last - back].clone())
    }

    /// A feature map, batch × channels × height × width.
    pub(super) fn choose_map(&mut self) -> Option<Value> {
        self.choose(|value| value.dims.len() == 4 && value.dtype == DType::Float32)
    }

    /// Fetches what nothing reads and puts the parts together.
    pub(super) fn finish(mut self) -> Model {
        let read: BTreeSet<Name> = self.ops.iter().flat_map(|op| op.inputs.values().flatten().cloned()).collect();
        let mut sinks: Vec<Value> = self.live.iter().filter(|value| !read.contains(&value.name)).cloned().collect();
        if sinks.is_empty() {
            sinks.extend(self.live.last().cloned());
        }
        let tail_scales = self.chance(40);
        for (column, sink) in sinks.into_iter().enumerate() {
            let out = if tail_scales && sink.dtype == DType::Float32 { self.tail_scale(&sink) } else { sink };
            self.push(
                Draft::new("fetch")
                    .input("X", &out.name)
                    .output("Out", &"fetch".into())
                    .attr("col", Attr::Int(column as i32)),
            );
        }
        let block = Block { vars: self.vars.into_values().collect(), ops: self.ops, ..Block::root() };
        Model {
            program: Program { version: PADDLE_VERSION, blocks: vec![block], ..Program::default() },
            params: self.params,
        }
    }

    /// The identity `scale` that the exporter appends for each save.
    fn tail_scale(&mut self, x: &Value) -> Value {
        let index = self.next_number();
        let out = self.declare(format!("save_infer_model/scale_{index}.tmp_0").into(), &x.dims);
        self.push(identity_scale(&x.name, &out.name));
        out
    }
}

/// A `scale` that changes nothing, which Paddle Lite removes where it can.
pub(super) fn identity_scale(from: &Name, to: &Name) -> Draft {
    scale(from, to, 1.0, 0.0)
}

pub(super) fn scale(from: &Name, to: &Name, factor: f32, bias: f32) -> Draft {
    Draft::new("scale")
        .input("X", from)
        .output("Out", to)
        .attr("scale", Attr::Float(factor))
        .attr("bias", Attr::Float(bias))
        .attr("bias_after_scale", Attr::Bool(true))
}

fn list_var(name: &str, kind: VarKind) -> Var {
    Var { kind, dtype: None, persistable: true, ..Var::tensor(name, DType::Float32, &[]) }
}
