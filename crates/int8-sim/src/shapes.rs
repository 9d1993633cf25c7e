//! The shape of every tensor, found by running the program once in float on zeros: there is no second set of shape rules.

use paddle_model::LiteProgram;

use crate::{
    Tensor,
    cpu::CpuOp,
    families::kind_of,
    program::{read_version, results, written_version},
};

/// The shapes of the tensor versions for a batch of one, at their positions.
pub(crate) fn infer(program: &LiteProgram) -> Vec<Option<Vec<usize>>> {
    let mut shapes: Vec<Option<Vec<usize>>> = vec![None; program.graph.tensor_count()];
    let mut tensors: Vec<Option<Tensor>> = vec![None; program.graph.tensor_count()];
    for op in program.graph.ops() {
        let lite = &program.ops[op.index()];
        if lite.op_type == "feed" {
            let version = lite.output("Out").and_then(|name| written_version(program, op, name));
            if let Some(version) = version {
                let dims = &program.tensor(version).dims;
                let shape: Vec<usize> = dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(1).max(1)).collect();
                tensors[version.index()] = Some(Tensor::from_f32(shape.clone(), vec![0.0; shape.iter().product()]));
                shapes[version.index()] = Some(shape);
            }
            continue;
        }
        let Some(kind) = kind_of(&lite.op_type) else { continue };
        let mut inputs = Vec::new();
        let mut known = true;
        for name in kind.inputs.iter().filter_map(|argument| lite.inputs.get(*argument)).flatten() {
            let version = read_version(program, op, name);
            match version.and_then(|version| tensors[version.index()].as_ref()) {
                Some(tensor) => inputs.push(tensor),
                None => known &= version.is_some_and(|version| program.graph.producer(version).is_none()),
            }
        }
        if !known {
            continue;
        }
        let Ok(kernels) = (kind.cpu)(&CpuOp { program, id: op, int8: false, shapes: &shapes }) else { continue };
        let outputs: Vec<Option<Tensor>> = kernels.iter().map(|kernel| kernel.run(&inputs).ok()).collect();
        for (name, tensor) in results(lite).into_iter().zip(outputs) {
            if let (Some(version), Some(tensor)) = (written_version(program, op, name), tensor) {
                shapes[version.index()] = Some(tensor.shape().to_vec());
                tensors[version.index()] = Some(tensor);
            }
        }
    }
    shapes
}
