//! Everything that can be wrong with a model, said with file, place and cure.

use std::path::PathBuf;

use op_graph::Name;

/// Why a model cannot be read, written or brought into Paddle Lite's form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file cannot be read.
    #[error("read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder holds no program under any name that Paddle Lite looks for.
    #[error("find a program in {dir}: none of {names} is there; give the two files by name", dir = dir.display())]
    NoProgram {
        /// The folder.
        dir: PathBuf,
        /// The names tried.
        names: String,
    },
    /// The program's bytes are not the protobuf message they should be.
    #[error("decode {file} as a Paddle program: {source}; is it a `.pdmodel` (not `.nb`, not `.json`), copied whole?")]
    Program {
        /// The file.
        file: String,
        /// What the decoder said.
        source: prost::DecodeError,
    },
    /// The program decodes, and says something that cannot be.
    #[error("understand {file}: {problem}")]
    Content {
        /// The file.
        file: String,
        /// What is wrong and where.
        problem: String,
    },
    /// The parameters do not fit their format or the program.
    #[error(
        "read {file} at byte {offset}, variable `{variable}`: {problem}; is it the parameter file of this program, copied whole?"
    )]
    Params {
        /// The file.
        file: String,
        /// Where the offending field begins.
        offset: usize,
        /// The variable being read.
        variable: Name,
        /// What is wrong.
        problem: String,
    },
    /// An op lacks an attribute that Paddle Lite reads unasked: it aborts while it loads the model.
    #[error(
        "load op {op} (`{op_type}`) as Paddle Lite does: it has no attribute `{attribute}`, and Paddle Lite aborts where Paddle \
         takes {default}; write a copy of the model that has it with `cargo xtask complete`, or export it with \
         `op._set_attr(\"{attribute}\", {default:?})`"
    )]
    MissingAttribute {
        /// The op's position in its block.
        op: usize,
        /// The op's type.
        op_type: String,
        /// What it lacks.
        attribute: &'static str,
        /// What Paddle takes in its place.
        default: f32,
    },
    /// Paddle Lite itself would abort on this program.
    #[error("rewrite op {op} (`{op_type}`) as Paddle Lite does: {problem}")]
    Lite {
        /// The op's position in the program's root block, or its creation number where a pass created it.
        op: usize,
        /// The op's type.
        op_type: String,
        /// What is wrong.
        problem: String,
    },
}
