//! `.pdmodel`: between the protobuf messages and [`Program`].

use op_graph::Name;
use prost::Message;

use crate::{Attr, Block, DType, ModelError, Op, Program, Var, VarFlags, VarKind, program::Arguments, wire};

/// Reads a program; `file` names it in errors.
///
/// # Errors
/// When the bytes are not a program, or an op type, argument or attribute has a name that is not UTF-8.
pub fn read_program(bytes: &[u8], file: &str) -> Result<Program, ModelError> {
    let message =
        wire::ProgramDesc::decode(bytes).map_err(|source| ModelError::Program { file: file.to_owned(), source })?;
    let content = |problem| ModelError::Content { file: file.to_owned(), problem };
    if message.blocks.is_empty() {
        return Err(content("the program has no block; the file is empty or not a Paddle program".to_owned()));
    }
    let blocks = message.blocks.into_iter().map(read_block).collect::<Result<_, _>>().map_err(content)?;
    let version = message.version.and_then(|v| v.version).unwrap_or(0);
    Ok(Program { version, blocks, op_version_map: message.op_version_map })
}

fn read_block(block: wire::BlockDesc) -> Result<Block, String> {
    let ops = block.ops.into_iter().enumerate();
    Ok(Block {
        idx: block.idx,
        parent_idx: block.parent_idx,
        forward_block_idx: block.forward_block_idx,
        vars: block.vars.into_iter().map(read_var).collect(),
        ops: ops.map(|(i, op)| read_op(op).map_err(|e| format!("op {i}: {e}"))).collect::<Result<_, _>>()?,
    })
}

fn read_var(var: wire::VarDesc) -> Var {
    let (tensor, lod_level) = match var.r#type {
        wire::VarType { lod_tensor: Some(lod), .. } | wire::VarType { tensor_array: Some(lod), .. } => {
            (Some(lod.tensor), lod.lod_level.unwrap_or(0))
        }
        wire::VarType { selected_rows, .. } => (selected_rows, 0),
    };
    let tensor = tensor.map(|t| (DType::from_code(t.data_type), t.dims));
    let (dtype, dims) = tensor.unwrap_or_default();
    Var {
        name: Name::from(var.name.as_slice()),
        kind: VarKind::from_code(var.r#type.r#type),
        dtype,
        dims,
        lod_level,
        persistable: var.persistable.unwrap_or(false),
        flags: VarFlags {
            need_check_feed: var.need_check_feed,
            is_parameter: var.is_parameter,
            stop_gradient: var.stop_gradient,
        },
    }
}

fn read_op(op: wire::OpDesc) -> Result<Op, String> {
    let op_type = text(op.r#type, "op type")?;
    let attrs = op.attrs.into_iter().map(|attr| {
        let name = text(attr.name.clone(), "attribute name")?;
        let value = read_attr(attr).map_err(|e| format!("`{op_type}`, attribute `{name}`: {e}"))?;
        Ok::<_, String>((name, value))
    });
    Ok(Op {
        attrs: attrs.collect::<Result<_, _>>()?,
        inputs: read_arguments(op.inputs)?,
        outputs: read_arguments(op.outputs)?,
        is_target: op.is_target,
        op_type,
    })
}

fn read_arguments(vars: Vec<wire::op_desc::Var>) -> Result<Arguments, String> {
    let argument = |var: wire::op_desc::Var| Ok((text(var.parameter, "argument name")?, names(&var.arguments)));
    vars.into_iter().map(argument).collect()
}

fn read_attr(attr: wire::op_desc::Attr) -> Result<Attr, String> {
    let name = |bytes: Vec<u8>| Name::from(bytes.as_slice());
    Ok(match attr.r#type {
        0 => Attr::Int(attr.i.unwrap_or_default()),
        1 => Attr::Float(attr.f.unwrap_or_default()),
        2 => Attr::String(name(attr.s.unwrap_or_default())),
        3 => Attr::Ints(attr.ints),
        4 => Attr::Floats(attr.floats),
        5 => Attr::Strings(names(&attr.strings)),
        6 => Attr::Bool(attr.b.unwrap_or_default()),
        7 => Attr::Bools(attr.bools),
        8 => Attr::Block(attr.block_idx.unwrap_or_default()),
        9 => Attr::Long(attr.l.unwrap_or_default()),
        10 => Attr::Blocks(attr.blocks_idx),
        11 => Attr::Longs(attr.longs),
        12 => Attr::Float64s(attr.float64s),
        13 => Attr::Var(name(attr.var_name.unwrap_or_default())),
        14 => Attr::Vars(names(&attr.vars_name)),
        15 => Attr::Float64(attr.float64.unwrap_or_default()),
        code => return Err(format!("type code {code} is none of 0..=15")),
    })
}

fn text(bytes: Vec<u8>, what: &str) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|e| format!("{what} `{}` is not UTF-8", e.as_bytes().escape_ascii()))
}

fn names(list: &[Vec<u8>]) -> Vec<Name> {
    list.iter().map(|bytes| Name::from(bytes.as_slice())).collect()
}

/// The bytes of a `.pdmodel` that [`read_program`] reads back as the same program.
pub fn write_program(program: &Program) -> Vec<u8> {
    wire::ProgramDesc {
        blocks: program.blocks.iter().map(write_block).collect(),
        version: Some(wire::Version { version: Some(program.version) }),
        op_version_map: program.op_version_map.clone(),
    }
    .encode_to_vec()
}

fn write_block(block: &Block) -> wire::BlockDesc {
    wire::BlockDesc {
        idx: block.idx,
        parent_idx: block.parent_idx,
        vars: block.vars.iter().map(write_var).collect(),
        ops: block.ops.iter().map(write_op).collect(),
        forward_block_idx: block.forward_block_idx,
    }
}

fn write_var(var: &Var) -> wire::VarDesc {
    let tensor = var.dtype.map(|dtype| wire::TensorDesc { data_type: dtype.code(), dims: var.dims.clone() });
    let mut kind = wire::VarType { r#type: var.kind.code(), ..wire::VarType::default() };
    let with_lod = |tensor| wire::LodTensorDesc { tensor, lod_level: Some(var.lod_level) };
    match var.kind {
        VarKind::SelectedRows => kind.selected_rows = tensor,
        VarKind::TensorArray => kind.tensor_array = tensor.map(with_lod),
        _ => kind.lod_tensor = tensor.map(with_lod),
    }
    wire::VarDesc {
        name: var.name.as_bytes().to_vec(),
        r#type: kind,
        persistable: Some(var.persistable),
        need_check_feed: var.flags.need_check_feed,
        is_parameter: var.flags.is_parameter,
        stop_gradient: var.flags.stop_gradient,
    }
}

fn write_op(op: &Op) -> wire::OpDesc {
    wire::OpDesc {
        inputs: write_arguments(&op.inputs),
        outputs: write_arguments(&op.outputs),
        r#type: op.op_type.as_bytes().to_vec(),
        attrs: op.attrs.iter().map(|(name, value)| write_attr(name, value)).collect(),
        is_target: op.is_target,
    }
}

fn write_arguments(arguments: &Arguments) -> Vec<wire::op_desc::Var> {
    let argument = |(parameter, names): (&String, &Vec<Name>)| wire::op_desc::Var {
        parameter: parameter.as_bytes().to_vec(),
        arguments: to_bytes(names),
    };
    arguments.iter().map(argument).collect()
}

fn write_attr(name: &str, value: &Attr) -> wire::op_desc::Attr {
    let mut attr = wire::op_desc::Attr { name: name.as_bytes().to_vec(), ..wire::op_desc::Attr::default() };
    match value {
        Attr::Int(v) => (attr.r#type, attr.i) = (0, Some(*v)),
        Attr::Float(v) => (attr.r#type, attr.f) = (1, Some(*v)),
        Attr::String(v) => (attr.r#type, attr.s) = (2, Some(v.as_bytes().to_vec())),
        Attr::Ints(v) => (attr.r#type, attr.ints) = (3, v.clone()),
        Attr::Floats(v) => (attr.r#type, attr.floats) = (4, v.clone()),
        Attr::Strings(v) => (attr.r#type, attr.strings) = (5, to_bytes(v)),
        Attr::Bool(v) => (attr.r#type, attr.b) = (6, Some(*v)),
        Attr::Bools(v) => (attr.r#type, attr.bools) = (7, v.clone()),
        Attr::Block(v) => (attr.r#type, attr.block_idx) = (8, Some(*v)),
        Attr::Long(v) => (attr.r#type, attr.l) = (9, Some(*v)),
        Attr::Blocks(v) => (attr.r#type, attr.blocks_idx) = (10, v.clone()),
        Attr::Longs(v) => (attr.r#type, attr.longs) = (11, v.clone()),
        Attr::Float64s(v) => (attr.r#type, attr.float64s) = (12, v.clone()),
        Attr::Var(v) => (attr.r#type, attr.var_name) = (13, Some(v.as_bytes().to_vec())),
        Attr::Vars(v) => (attr.r#type, attr.vars_name) = (14, to_bytes(v)),
        Attr::Float64(v) => (attr.r#type, attr.float64) = (15, Some(*v)),
    }
    attr
}

fn to_bytes(names: &[Name]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}
