//! From a program and a placement to nodes: clusters are formed and compiled, the rest runs on the CPU, and what crosses is
//! converted.

use std::{collections::HashMap, sync::Arc};

use op_graph::{Clustering, OpId, OpSet, Support, TensorId};
use paddle_model::{DType, LiteProgram};

use crate::{
    Config, CpuFlavour, Kernel, Quant, Refusal, RefusalClass, Target,
    arena::{Arena, NodeId, Work},
    cluster::{Converter, Model, optimize},
    cpu::CpuOp,
    families::{convert::DataConvert, kind_of},
    kernel::{Quantize, Table, ToReals},
    npu::{Operand, Precision},
    program::{read_version, results, written_version},
    rules,
};

/// What one placement computes.
pub(crate) struct Plan {
    /// The nodes of the program's outputs, in the order of its fetches.
    pub(crate) outputs: Vec<NodeId>,
    /// The clusters that took effect.
    pub(crate) clustering: Clustering,
    /// Where the first result of each op can be seen; an op that was fused into a later one has none of its own.
    pub(crate) layers: Vec<Layer>,
}

/// The first result of an op, as some node computes it.
#[derive(Clone, Copy)]
pub(crate) struct Layer {
    pub(crate) op: OpId,
    pub(crate) node: NodeId,
    /// What its codes stand for; none for real values.
    pub(crate) quant: Option<Quant>,
}

/// A tensor as it lies in Lite's memory.
#[derive(Clone, Copy)]
struct Value {
    node: NodeId,
    /// The step of its codes; none for real values.
    step: Option<f32>,
}

/// A step of the program once each cluster is one op.
#[derive(Clone, Copy)]
enum Unit {
    Cpu(OpId),
    Cluster(usize),
}

/// Compiles a placement.
pub(crate) fn lower(
    program: &LiteProgram,
    shapes: &[Option<Vec<usize>>],
    arena: &mut Arena,
    config: &Config,
) -> Result<Plan, Refusal> {
    let clustering = match &config.target {
        Target::Lite => Clustering::default(),
        Target::TimVx { forced } => {
            let marked = Support::TimVx.ops(&program.graph).difference(forced);
            program.clustering(&marked)
        }
    };
    let assignment = clustering.assignment(program.ops.len());
    if config.target != Target::Lite {
        rules::stack::check_at_load(program, &assignment)?;
    }
    let mut float_ops = config.mixed_float.clone();
    if config.cpu == CpuFlavour::Float {
        float_ops.extend(program.graph.ops().filter(|op| assignment[op.index()].is_none()));
    }
    let mut lowering = Lowering {
        program,
        shapes,
        arena,
        assignment,
        clustering,
        float_ops,
        nearest_even: config.cpu == CpuFlavour::Float,
        values: vec![None; program.graph.tensor_count()],
        outputs: HashMap::new(),
        layers: Vec::new(),
    };
    for unit in lowering.units()? {
        match unit {
            Unit::Cpu(op) => lowering.cpu_op(op)?,
            Unit::Cluster(cluster) => lowering.cluster(cluster)?,
        }
    }
    lowering.plan()
}

struct Lowering<'a> {
    program: &'a LiteProgram,
    shapes: &'a [Option<Vec<usize>>],
    arena: &'a mut Arena,
    assignment: Vec<Option<usize>>,
    clustering: Clustering,
    float_ops: OpSet,
    /// How calibs round: half away from zero on ARM, to even on the machine of the recordings.
    nearest_even: bool,
    values: Vec<Option<Value>>,
    outputs: HashMap<usize, NodeId>,
    layers: Vec<Layer>,
}

impl Lowering<'_> {
    /// The steps in an order in which each comes after what it reads.
    fn units(&self) -> Result<Vec<Unit>, Refusal> {
        let graph = &self.program.graph;
        let unit_of = |op: OpId| self.assignment[op.index()].map_or(op.index(), |cluster| graph.op_count() + cluster);
        let unit_count = graph.op_count() + self.clustering.len();
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); unit_count];
        let mut waits = vec![0usize; unit_count];
        for op in graph.ops() {
            for tensor in graph.inputs(op) {
                let Some(producer) = graph.producer(tensor) else { continue };
                let (from, to) = (unit_of(producer), unit_of(op));
                if from != to {
                    readers[from].push(to);
                    waits[to] += 1;
                }
            }
        }
        let exists = |unit: usize| unit >= graph.op_count() || self.assignment[unit].is_none();
        let mut ready: std::collections::BTreeSet<usize> =
            (0..unit_count).filter(|&unit| waits[unit] == 0 && exists(unit)).collect();
        let mut units = Vec::new();
        while let Some(unit) = ready.pop_first() {
            units.push(unit);
            for &reader in &readers[unit] {
                waits[reader] -= 1;
                if waits[reader] == 0 {
                    ready.insert(reader);
                }
            }
        }
        if units.len() != (0..unit_count).filter(|&unit| exists(unit)).count() {
            return Err(Refusal::load(RefusalClass::Malformed, None, "the clusters depend on each other in a circle"));
        }
        let unit = |unit: usize| match unit.checked_sub(graph.op_count()) {
            Some(cluster) => Unit::Cluster(cluster),
            None => Unit::Cpu(OpId::new(unit)),
        };
        Ok(units.into_iter().map(unit).collect())
    }

    fn plan(self) -> Result<Plan, Refusal> {
        let outputs = (0..self.program.fetches.len()).map(|column| {
            let missing = || Refusal::load(RefusalClass::Malformed, None, format!("output {column} is never fetched"));
            self.outputs.get(&column).copied().ok_or_else(missing)
        });
        Ok(Plan { outputs: outputs.collect::<Result<_, _>>()?, clustering: self.clustering, layers: self.layers })
    }

    fn cpu_op(&mut self, op: OpId) -> Result<(), Refusal> {
        let lite = &self.program.ops[op.index()];
        match lite.op_type.as_str() {
            "feed" => return self.feed(op),
            "fetch" => return self.fetch(op),
            _ => {}
        }
        let Some(kind) = kind_of(&lite.op_type) else {
            let text = format!("the simulator has no CPU kernel for `{}`", lite.op_type);
            return Err(Refusal::load(RefusalClass::NoKernel, Some(op), text));
        };
        let int8 = lite.enable_int8 && !self.float_ops.contains(op);
        let mut inputs = Vec::new();
        for &argument in kind.inputs {
            for (index, name) in lite.inputs.get(argument).into_iter().flatten().enumerate() {
                let Some(tensor) = read_version(self.program, op, name) else { continue };
                let Some(value) = self.values[tensor.index()] else { continue };
                let step = lite.input_scale(argument, index).and_then(|steps| steps.first().copied());
                let value = match step {
                    Some(step) if int8 => self.quantized(value, step)?,
                    _ => self.real(value)?,
                };
                inputs.push(value.node);
            }
        }
        let prepared = CpuOp { program: self.program, id: op, int8, shapes: self.shapes };
        for (result, name) in results(lite).into_iter().enumerate() {
            let Some(tensor) = written_version(self.program, op, name) else { continue };
            let node = self.arena.node(Work::Cpu { op, result, int8 }, inputs.clone(), || {
                let kernels = (kind.cpu)(&prepared);
                let kernels = kernels.map_err(|text| Refusal::load(RefusalClass::NoKernel, Some(op), text))?;
                let missing =
                    || Refusal::load(RefusalClass::NoKernel, Some(op), format!("result {result} has no kernel"));
                kernels.into_iter().nth(result).ok_or_else(missing)
            })?;
            self.values[tensor.index()] = Some(Value { node, step: None });
            if result == 0 {
                self.layers.push(Layer { op, node, quant: None });
            }
        }
        Ok(())
    }

    fn feed(&mut self, op: OpId) -> Result<(), Refusal> {
        let lite = &self.program.ops[op.index()];
        let name = lite.output("Out");
        let column = name.and_then(|name| self.program.feeds.iter().position(|feed| feed == name));
        let tensor = name.and_then(|name| written_version(self.program, op, name));
        let (Some(column), Some(tensor)) = (column, tensor) else {
            return Err(Refusal::load(RefusalClass::Malformed, Some(op), "a feed without an output"));
        };
        let never = || Err(Refusal::load(RefusalClass::Malformed, Some(op), "a feed has no kernel"));
        let node = self.arena.node(Work::Feed(column), Vec::new(), never)?;
        self.values[tensor.index()] = Some(Value { node, step: None });
        Ok(())
    }

    fn fetch(&mut self, op: OpId) -> Result<(), Refusal> {
        let lite = &self.program.ops[op.index()];
        let name = lite.input("X");
        let column = name.and_then(|name| self.program.fetches.iter().position(|fetch| fetch == name));
        let value = name.and_then(|name| read_version(self.program, op, name)).and_then(|t| self.values[t.index()]);
        let (Some(column), Some(value)) = (column, value) else {
            return Err(Refusal::load(RefusalClass::Malformed, Some(op), "a fetch of a tensor that no op computes"));
        };
        let node = self.real(value)?.node;
        self.outputs.insert(column, node);
        Ok(())
    }

    /// A value as codes: a calib, where it is real (spec/paddle-lite.md C5).
    fn quantized(&mut self, value: Value, step: f32) -> Result<Value, Refusal> {
        if value.step.is_some() {
            return Ok(value);
        }
        let nearest_even = self.nearest_even;
        let kernel = || -> Result<Arc<dyn Kernel>, Refusal> { Ok(Arc::new(Quantize { step, nearest_even })) };
        let work = Work::Quantize { step: step.to_bits(), nearest_even };
        Ok(Value { node: self.arena.node(work, vec![value.node], kernel)?, step: Some(step) })
    }

    /// A value as real numbers: a calib, where it is codes.
    fn real(&mut self, value: Value) -> Result<Value, Refusal> {
        let Some(step) = value.step else { return Ok(value) };
        let kernel = || -> Result<Arc<dyn Kernel>, Refusal> {
            Ok(Arc::new(ToReals(move |code| rules::lite::dequantize(code, step))))
        };
        let work = Work::Dequantize { step: step.to_bits() };
        Ok(Value { node: self.arena.node(work, vec![value.node], kernel)?, step: None })
    }

    fn cluster(&mut self, cluster: usize) -> Result<(), Refusal> {
        let members = self.clustering.clusters()[cluster].clone();
        let inputs = self.cluster_inputs(cluster, &members)?;
        let outputs = self.cluster_outputs(cluster, &members);
        let float_ops = self.float_ops.clone();
        let mut converter = Converter::new(self.program, self.shapes, &float_ops);
        for &(tensor, value) in &inputs {
            let precision = match (value.step, self.program.tensor(tensor).dtype) {
                (Some(scale), _) => Precision::Int8 { scale },
                (None, Some(DType::Int64)) => Precision::Int64,
                (None, Some(DType::Int32 | DType::Bool)) => Precision::Int32,
                (None, _) => Precision::Float32,
            };
            converter.declare_input(tensor, precision);
        }
        let mut casts = HashMap::new();
        for &op in &members {
            self.convert(&mut converter, &mut casts, cluster, op)?;
        }
        let mut model = converter.finish(&outputs)?;
        for (&(tensor, _), operand) in inputs.iter().zip(model.inputs.clone()) {
            if model.readers(operand).is_empty() {
                return Err(rules::stack::untouched_operand(self.program, tensor));
            }
        }
        optimize(&mut model);
        self.emit(&model, &inputs, &outputs)
    }

    /// What enters a cluster, in the form it wants: int8 where the first reader has a scale (spec/paddle-lite.md C4, C5).
    fn cluster_inputs(&mut self, cluster: usize, members: &[OpId]) -> Result<Vec<(TensorId, Value)>, Refusal> {
        let mut inputs: Vec<(TensorId, Value)> = Vec::new();
        for &op in members {
            for tensor in self.program.graph.inputs(op) {
                let inside = |op: OpId| self.assignment[op.index()] == Some(cluster);
                if self.program.graph.producer(tensor).is_none_or(inside)
                    || inputs.iter().any(|&(seen, _)| seen == tensor)
                {
                    continue;
                }
                let Some(value) = self.values[tensor.index()] else {
                    let text = format!("`{}` has no value", self.program.graph.tensor_name(tensor));
                    return Err(Refusal::build(RefusalClass::Malformed, Some(op), text));
                };
                let step = members.iter().find_map(|&reader| self.step_for(reader, tensor));
                let value = match step {
                    Some(step) => self.quantized(value, step)?,
                    None => self.real(value)?,
                };
                inputs.push((tensor, value));
            }
        }
        Ok(inputs)
    }

    /// The scale an op has for a tensor it reads.
    fn step_for(&self, reader: OpId, tensor: TensorId) -> Option<f32> {
        if self.float_ops.contains(reader) || !self.program.graph.inputs(reader).contains(&tensor) {
            return None;
        }
        let lite = &self.program.ops[reader.index()];
        let name = self.program.graph.tensor_name(tensor);
        lite.inputs.iter().find_map(|(argument, names)| {
            let index = names.iter().position(|bound| bound == name)?;
            lite.input_scale(argument, index)?.first().copied()
        })
    }

    /// What others read of what a cluster computes.
    fn cluster_outputs(&self, cluster: usize, members: &[OpId]) -> Vec<TensorId> {
        let graph = &self.program.graph;
        let read_outside = |&tensor: &TensorId| {
            graph.consumers(tensor).into_iter().any(|reader| self.assignment[reader.index()] != Some(cluster))
        };
        members.iter().flat_map(|&op| graph.outputs(op)).filter(read_outside).collect()
    }

    /// Converts one op; where it is quantized and the op before it is not, or the reverse, a calib comes between
    /// (spec/paddle-lite.md C4).
    fn convert(
        &self,
        converter: &mut Converter<'_>,
        casts: &mut HashMap<(TensorId, bool), usize>,
        cluster: usize,
        op: OpId,
    ) -> Result<(), Refusal> {
        converter.begin(op);
        let lite = &self.program.ops[op.index()];
        let convert = kind_of(&lite.op_type).and_then(|kind| kind.npu);
        let Some(convert) = convert else {
            let text = format!("the simulator has no NPU kernel for `{}`", lite.op_type);
            return Err(Refusal::build(RefusalClass::NoKernel, Some(op), text));
        };
        let quantized = |op: OpId| self.program.ops[op.index()].is_quantized() && !self.float_ops.contains(op);
        let wants_codes = quantized(op);
        let mut plain = Vec::new();
        for tensor in self.program.graph.inputs(op) {
            let producer = self.program.graph.producer(tensor);
            let Some(producer) = producer.filter(|op| self.assignment[op.index()] == Some(cluster)) else { continue };
            if quantized(producer) == wants_codes || lite.op_type == "shape" {
                continue;
            }
            let Some(operand) = converter.mapped(tensor) else { continue };
            plain.push((tensor, operand));
            if let Some(&cast) = casts.get(&(tensor, wants_codes)) {
                converter.map(tensor, cast);
                continue;
            }
            let precision = if wants_codes {
                Precision::Int8 { scale: self.step_for(op, tensor).unwrap_or_default() }
            } else {
                Precision::Float32
            };
            converter.cast(tensor, DataConvert, precision);
            if let Some(cast) = converter.mapped(tensor) {
                casts.insert((tensor, wants_codes), cast);
            }
        }
        convert(converter)?;
        for (tensor, operand) in plain {
            converter.map(tensor, operand);
        }
        Ok(())
    }

    /// Turns a compiled cluster into nodes.
    fn emit(&mut self, model: &Model, inputs: &[(TensorId, Value)], outputs: &[TensorId]) -> Result<(), Refusal> {
        let mut nodes: HashMap<usize, NodeId> = HashMap::new();
        for (&operand, &(_, value)) in model.inputs.iter().zip(inputs) {
            nodes.insert(operand, value.node);
        }
        for operation in &model.operations {
            let operands = |ids: &[usize]| ids.iter().map(|&id| &model.operands[id]).collect::<Vec<&Operand>>();
            let (read, written) = (operands(&operation.inputs), operands(&operation.outputs));
            let op = operation.origins.first().copied();
            rules::stack::check_tensor_types(op, read.iter().chain(&written).copied())?;
            let types: Vec<String> = read
                .iter()
                .chain(&written)
                .map(|operand| format!("{:?}{:?}", operand.precision, operand.shape))
                // What the operation's attributes are: two outputs of one op may have equal types.
                .chain([format!("{:?}", operation.kind)])
                .collect();
            let work =
                Work::Npu { name: operation.kind.name(), origins: operation.origins.clone(), types: types.join(" ") };
            let variable = operation.inputs.iter().filter(|&&id| !model.is_constant(id));
            let inputs: Vec<NodeId> = variable.filter_map(|id| nodes.get(id).copied()).collect();
            let node = self.arena.node(work, inputs, || {
                let kernel = operation.kind.kernel(&read, &written);
                kernel.map_err(|text| Refusal::build(RefusalClass::DataType, op, text))
            })?;
            nodes.insert(operation.outputs[0], node);
            if let Some(&op) = operation.origins.last() {
                self.layers.push(Layer { op, node, quant: model.operands[operation.outputs[0]].precision.quant() });
            }
        }
        for (&operand, &tensor) in model.outputs.iter().zip(outputs) {
            let Some(&node) = nodes.get(&operand) else {
                return Err(rules::stack::no_operand_for_output(self.program, tensor));
            };
            let value = self.handed_back(node, &model.operands[operand].precision)?;
            self.values[tensor.index()] = Some(value);
        }
        Ok(())
    }

    /// An output of a cluster as it lies in Lite's memory.
    fn handed_back(&mut self, node: NodeId, precision: &Precision) -> Result<Value, Refusal> {
        let Some(Quant { scale, zero_point }) = precision.quant() else { return Ok(Value { node, step: None }) };
        if zero_point == 0 {
            return Ok(Value { node, step: Some(scale) });
        }
        let kernel = || -> Result<Arc<dyn Kernel>, Refusal> {
            Ok(Arc::new(Table::new(|code| rules::stack::handed_back(code, zero_point))))
        };
        let node = self.arena.node(Work::HandBack { zero_point }, vec![node], kernel)?;
        Ok(Value { node, step: Some(scale) })
    }
}
