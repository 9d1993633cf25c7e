//! A program as `.pdmodel` holds it, in types of our own: blocks of variables and ops.

use std::collections::BTreeMap;

use op_graph::Name;

use crate::DType;

/// A whole program; block 0 is the root (spec/paddle-lite.md G).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The exporter's version, `major·1e6 + minor·1e3 + patch`; 0 where the file names none.
    pub version: i64,
    /// The blocks in file order.
    pub blocks: Vec<Block>,
    /// Versions of op definitions, unread.
    pub op_version_map: Option<Vec<u8>>,
}

/// A list of ops and the variables they touch.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// This block's number.
    pub idx: i32,
    /// The enclosing block's number, −1 for the root.
    pub parent_idx: i32,
    /// The block this one is the gradient of, where given.
    pub forward_block_idx: Option<i32>,
    /// The variables.
    pub vars: Vec<Var>,
    /// The ops in execution order.
    pub ops: Vec<Op>,
}

impl Block {
    /// An empty root block.
    pub fn root() -> Self {
        Self { idx: 0, parent_idx: -1, forward_block_idx: None, vars: Vec::new(), ops: Vec::new() }
    }
}

/// What a variable holds; codes of spec/paddle-lite.md G.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VarKind {
    /// An ordinary tensor (code 7).
    Tensor,
    /// Sparse rows (code 8).
    SelectedRows,
    /// The list behind every `feed` (code 9).
    FeedList,
    /// The list behind every `fetch` (code 10).
    FetchList,
    /// A list of tensors (code 13).
    TensorArray,
    /// Opaque (code 17).
    Raw,
    /// Any other code.
    Other(i32),
}

impl VarKind {
    const CODES: [(Self, i32); 6] = [
        (Self::Tensor, 7),
        (Self::SelectedRows, 8),
        (Self::FeedList, 9),
        (Self::FetchList, 10),
        (Self::TensorArray, 13),
        (Self::Raw, 17),
    ];

    /// The kind behind Paddle's code.
    pub fn from_code(code: i32) -> Self {
        Self::CODES.iter().find(|(_, c)| *c == code).map_or(Self::Other(code), |(kind, _)| *kind)
    }

    /// Paddle's code of the kind.
    pub fn code(self) -> i32 {
        if let Self::Other(code) = self {
            return code;
        }
        Self::CODES.iter().find(|(kind, _)| *kind == self).map_or(-1, |(_, code)| *code)
    }
}

/// A variable's description. For a parameter the header in `.pdiparams` wins over it (spec/models.md).
#[derive(Clone, Debug, PartialEq)]
pub struct Var {
    /// The name.
    pub name: Name,
    /// What it holds.
    pub kind: VarKind,
    /// The element type, where the variable is a tensor of a known type.
    pub dtype: Option<DType>,
    /// The sizes, −1 where unknown.
    pub dims: Vec<i64>,
    /// Level-of-detail depth, usually 0.
    pub lod_level: i32,
    /// Does it keep its value between runs, as weights do?
    pub persistable: bool,
    /// The remaining flags as stored.
    pub flags: VarFlags,
}

/// Flags of a variable that only training reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VarFlags {
    /// `need_check_feed`
    pub need_check_feed: Option<bool>,
    /// `is_parameter`
    pub is_parameter: Option<bool>,
    /// `stop_gradient`
    pub stop_gradient: Option<bool>,
}

impl Var {
    /// An ordinary tensor variable that is not persistable.
    pub fn tensor(name: impl Into<Name>, dtype: DType, dims: &[i64]) -> Self {
        Self {
            name: name.into(),
            kind: VarKind::Tensor,
            dtype: Some(dtype),
            dims: dims.to_vec(),
            lod_level: 0,
            persistable: false,
            flags: VarFlags::default(),
        }
    }

    /// A tensor variable whose value lies in `.pdiparams`.
    pub fn parameter(name: impl Into<Name>, dtype: DType, dims: &[i64]) -> Self {
        Self { persistable: true, ..Self::tensor(name, dtype, dims) }
    }

    /// Does its value lie in `.pdiparams` (spec/paddle-lite.md G)?
    pub fn is_stored(&self) -> bool {
        self.persistable && !matches!(self.kind, VarKind::FeedList | VarKind::FetchList | VarKind::Raw)
    }
}

/// Argument name (`Input`, `Filter`, …) → the names of the variables bound to it.
pub type Arguments = BTreeMap<String, Vec<Name>>;

/// One op of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Op {
    /// The op type, e.g. `conv2d`.
    pub op_type: String,
    /// The variables it reads.
    pub inputs: Arguments,
    /// The variables it writes.
    pub outputs: Arguments,
    /// The attributes.
    pub attrs: BTreeMap<String, Attr>,
    /// Marked as a target of the program by the exporter.
    pub is_target: Option<bool>,
}

/// The value of an op's attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attr {
    /// 32-bit integer.
    Int(i32),
    /// Single precision.
    Float(f32),
    /// Text, any bytes.
    String(Name),
    /// 32-bit integers.
    Ints(Vec<i32>),
    /// Singles.
    Floats(Vec<f32>),
    /// Texts.
    Strings(Vec<Name>),
    /// Truth value.
    Bool(bool),
    /// Truth values.
    Bools(Vec<bool>),
    /// A block's number.
    Block(i32),
    /// 64-bit integer.
    Long(i64),
    /// Numbers of blocks.
    Blocks(Vec<i32>),
    /// 64-bit integers.
    Longs(Vec<i64>),
    /// Doubles.
    Float64s(Vec<f64>),
    /// The name of a variable.
    Var(Name),
    /// Names of variables.
    Vars(Vec<Name>),
    /// Double precision.
    Float64(f64),
}

impl Attr {
    /// The value as an integer, where it is one (a truth value counts as 0 or 1).
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Self::Int(value) => Some(value.into()),
            Self::Long(value) => Some(value),
            Self::Bool(value) => Some(value.into()),
            _ => None,
        }
    }

    /// The value as a single, where it is a floating-point number.
    pub fn as_float(&self) -> Option<f32> {
        match *self {
            Self::Float(value) => Some(value),
            Self::Float64(value) => Some(value as f32),
            _ => None,
        }
    }

    /// The value as a truth value, where it is one (an integer counts as not 0).
    pub fn as_bool(&self) -> Option<bool> {
        self.as_int().map(|value| value != 0)
    }

    /// The value as text, where it is UTF-8 text.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { text.as_str() } else { None }
    }

    /// The value as a list of integers, where it is one.
    pub fn as_ints(&self) -> Option<Vec<i64>> {
        match self {
            Self::Ints(values) => Some(values.iter().map(|&value| value.into()).collect()),
            Self::Longs(values) => Some(values.clone()),
            _ => None,
        }
    }

    /// The value as a list of singles, where it is one.
    pub fn as_floats(&self) -> Option<&[f32]> {
        if let Self::Floats(values) = self { Some(values) } else { None }
    }
}
