//! `.pdiparams`: the values of all persistable variables, end to end, sorted by name, without an index (spec/paddle-lite.md G).
//!
//! Nothing in the file says which variable comes next, so a single wrong length shifts all that follow. The reader is therefore
//! strict, and checks every length against what is left before it allocates.

use std::collections::{BTreeMap, BTreeSet};

use op_graph::Name;
use prost::Message;

use crate::{DType, ModelError, Param, Program, TensorData, VarKind, wire};

/// Reads the values of the program's stored variables; `file` names the bytes in errors.
///
/// Element type and sizes are those of the header before each value; the program's own description may differ and loses
/// (spec/models.md).
///
/// # Errors
/// When the file ends early or late, or a header is not what the format allows: with byte offset and variable.
pub fn read_params(program: &Program, bytes: &[u8], file: &str) -> Result<BTreeMap<Name, Param>, ModelError> {
    let mut reader = Reader { bytes, offset: 0 };
    let mut params = BTreeMap::new();
    let mut last = Name::from("");
    for (variable, kind) in stored_variables(program) {
        let param = reader.param(kind).map_err(|(offset, problem)| ModelError::Params {
            file: file.to_owned(),
            offset,
            variable: variable.clone(),
            problem,
        })?;
        last = variable.clone();
        params.insert(variable, param);
    }
    if reader.offset < bytes.len() {
        let (offset, left) = (reader.offset, bytes.len() - reader.offset);
        let problem = format!("{left} bytes follow the value of the last variable, so the program names too few");
        return Err(ModelError::Params { file: file.to_owned(), offset, variable: last, problem });
    }
    Ok(params)
}

/// Reads the value of one variable that lies in a file of its own.
///
/// # Errors
/// As [`read_params`].
pub fn read_param(variable: &Name, bytes: &[u8], file: &str) -> Result<Param, ModelError> {
    let fail =
        |(offset, problem)| ModelError::Params { file: file.to_owned(), offset, variable: variable.clone(), problem };
    let mut reader = Reader { bytes, offset: 0 };
    let param = reader.param(VarKind::Tensor).map_err(fail)?;
    match bytes.len() - reader.offset {
        0 => Ok(param),
        left => Err(fail((reader.offset, format!("{left} bytes follow the value")))),
    }
}

/// The bytes of a `.pdiparams` that [`read_params`] reads back, given a program that declares exactly these variables.
pub fn write_params(params: &BTreeMap<Name, Param>) -> Vec<u8> {
    let mut out = Vec::new();
    for param in params.values() {
        write_param(param, &mut out);
    }
    out
}

/// The variables whose values a parameter file holds, in its order: by the bytes of their names.
fn stored_variables(program: &Program) -> BTreeSet<(Name, VarKind)> {
    let root = program.blocks.first().map_or(&[][..], |block| &block.vars);
    let mut seen = BTreeSet::new();
    root.iter()
        .filter(|var| var.is_stored() && seen.insert(&var.name))
        .map(|var| (var.name.clone(), var.kind))
        .collect()
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

/// Where the offending field begins, and what is wrong.
type Problem = (usize, String);

impl<'a> Reader<'a> {
    /// The next `len` bytes, or a complaint that they are not all there.
    fn take(&mut self, len: u64, what: &str) -> Result<&'a [u8], Problem> {
        let left = &self.bytes[self.offset..];
        match usize::try_from(len).ok().and_then(|len| left.split_at_checked(len)) {
            Some((taken, _)) => {
                self.offset += taken.len();
                Ok(taken)
            }
            None => Err((self.offset, format!("{what} needs {len} bytes, {} are left", left.len()))),
        }
    }

    fn u32(&mut self, what: &str) -> Result<u32, Problem> {
        let bytes = self.take(4, what)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn u64(&mut self, what: &str) -> Result<u64, Problem> {
        let low = self.u32(what)?;
        let high = self.u32(what)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    fn version(&mut self, what: &str) -> Result<(), Problem> {
        let offset = self.offset;
        match self.u32(what)? {
            0 => Ok(()),
            version => Err((offset, format!("{what} is {version}, only 0 is known"))),
        }
    }

    fn lod(&mut self) -> Result<Vec<Vec<u8>>, Problem> {
        let offset = self.offset;
        let levels = self.u64("the number of LoD levels")?;
        let left = self.bytes.len() - self.offset;
        if levels > left as u64 / 8 {
            return Err((offset, format!("{levels} LoD levels cannot fit in the {left} bytes left")));
        }
        let mut lod = Vec::new();
        for _ in 0..levels {
            let len = self.u64("the length of a LoD level")?;
            lod.push(self.take(len, "a LoD level")?.to_vec());
        }
        Ok(lod)
    }

    fn tensor_desc(&mut self) -> Result<(DType, Vec<usize>, u64), Problem> {
        let offset = self.offset;
        let len = self.u32("the length of the tensor description")?;
        if len > i32::MAX as u32 {
            return Err((offset, format!("the tensor description has the negative length {}", len as i32)));
        }
        let offset = self.offset;
        let desc = wire::TensorDesc::decode(self.take(len.into(), "the tensor description")?)
            .map_err(|e| (offset, format!("the tensor description does not decode: {e}")))?;
        let dtype = DType::from_code(desc.data_type)
            .ok_or_else(|| (offset, format!("element type code {} is not known", desc.data_type)))?;
        // Even around a size of 0 the others must have a product, which later code takes of some of them.
        let product = |least: i64| {
            let mut sizes = desc.dims.iter().map(|&dim| dim.max(least));
            sizes.try_fold(dtype.size() as i64, i64::checked_mul)
        };
        let sound = desc.dims.iter().all(|&dim| dim >= 0) && product(1).is_some();
        let size = product(0).filter(|_| sound).map(|size| size as u64);
        let dims = desc.dims.iter().map(|&dim| usize::try_from(dim)).collect::<Result<_, _>>();
        match (size, dims) {
            (Some(size), Ok(dims)) => Ok((dtype, dims, size)),
            _ => Err((offset, format!("the sizes {:?} are impossible", desc.dims))),
        }
    }

    fn param(&mut self, kind: VarKind) -> Result<Param, Problem> {
        if kind != VarKind::Tensor {
            return Err((self.offset, format!("a persistable variable of kind {kind:?} is not supported")));
        }
        self.version("the version of the variable")?;
        let lod = self.lod()?;
        self.version("the version of the tensor")?;
        let (dtype, dims, size) = self.tensor_desc()?;
        let what = format!("the value ({dtype} {dims:?})");
        let data = TensorData::from_le_bytes(dtype, self.take(size, &what)?);
        Ok(Param { dims, data, lod })
    }
}

fn write_param(param: &Param, out: &mut Vec<u8>) {
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&(param.lod.len() as u64).to_le_bytes());
    for level in &param.lod {
        out.extend_from_slice(&(level.len() as u64).to_le_bytes());
        out.extend_from_slice(level);
    }
    out.extend_from_slice(&0_u32.to_le_bytes());
    let dims = param.dims.iter().map(|&dim| dim as i64).collect();
    let desc = wire::TensorDesc { data_type: param.data.dtype().code(), dims }.encode_to_vec();
    out.extend_from_slice(&(desc.len() as i32).to_le_bytes());
    out.extend_from_slice(&desc);
    param.data.write_le_bytes(out);
}
