//! A model as it lies on disk: its program and the values of its parameters.

use std::{collections::BTreeMap, fs, path::Path};

use op_graph::Name;

use crate::{LiteOptions, LiteProgram, ModelError, Param, Program, lite, pdiparams, pdmodel};

/// The names under which Paddle Lite looks for a program in a folder (spec/paddle-lite.md G).
const PROGRAM_NAMES: [&str; 4] = ["__model__", "model", "model.pdmodel", "inference.pdmodel"];

/// The names under which Paddle Lite looks for combined parameters beside it; any `*.pdiparams` comes next.
const PARAMS_NAMES: [&str; 2] = ["params", "weights"];

/// A program and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The program as exported.
    pub program: Program,
    /// The values of its persistable variables.
    pub params: BTreeMap<Name, Param>,
}

impl Model {
    /// Reads a model from its two files.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn load(pdmodel: impl AsRef<Path>, pdiparams: impl AsRef<Path>) -> Result<Self, ModelError> {
        let program = load_program(pdmodel.as_ref())?;
        let bytes = read(pdiparams.as_ref())?;
        let params = pdiparams::read_params(&program, &bytes, &pdiparams.as_ref().display().to_string())?;
        Ok(Self { program, params })
    }

    /// Reads a model from the bytes of its two files.
    ///
    /// # Errors
    /// When the bytes are not what they should be.
    pub fn from_bytes(pdmodel: &[u8], pdiparams: &[u8]) -> Result<Self, ModelError> {
        let program = pdmodel::read_program(pdmodel, "the program")?;
        let params = pdiparams::read_params(&program, pdiparams, "the parameters")?;
        Ok(Self { program, params })
    }

    /// Reads a model from a folder, by the names that Paddle Lite looks for: combined parameters where there are any,
    /// else one file a variable (spec/paddle-lite.md G).
    ///
    /// # Errors
    /// When the folder holds no program, or a file cannot be read or does not hold what it should.
    pub fn load_dir(dir: impl AsRef<Path>) -> Result<Self, ModelError> {
        let dir = dir.as_ref();
        let pdmodel = PROGRAM_NAMES
            .iter()
            .map(|name| dir.join(name))
            .find(|path| path.is_file())
            .ok_or_else(|| ModelError::NoProgram { dir: dir.to_owned(), names: PROGRAM_NAMES.join(", ") })?;
        let combined = PARAMS_NAMES.iter().map(|name| dir.join(name)).find(|path| path.is_file());
        let beside = Some(pdmodel.with_extension("pdiparams")).filter(|path| path.is_file());
        if let Some(pdiparams) = combined.or(beside).or(any_pdiparams(dir)?) {
            return Self::load(pdmodel, pdiparams);
        }
        let program = load_program(&pdmodel)?;
        let params = load_uncombined(&program, dir)?;
        Ok(Self { program, params })
    }

    /// Gives every op the attributes that Paddle Lite needs and Paddle leaves out where they have their default, such as the
    /// `threshold` of `relu6`; Paddle computes the same with them. Returns how many were missing.
    pub fn complete(&mut self) -> usize {
        lite::complete(&mut self.program)
    }

    /// The program as Paddle Lite has it when it prints `subgraph operators:`.
    ///
    /// # Errors
    /// When Paddle Lite would abort on this program.
    pub fn lite_program(&self, options: &LiteOptions) -> Result<LiteProgram, ModelError> {
        lite::build(self, *options)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })
}

fn load_program(path: &Path) -> Result<Program, ModelError> {
    pdmodel::read_program(&read(path)?, &path.display().to_string())
}

/// The first `*.pdiparams` of a folder by name.
fn any_pdiparams(dir: &Path) -> Result<Option<std::path::PathBuf>, ModelError> {
    let fail = |source| ModelError::Read { path: dir.to_owned(), source };
    let mut found: Option<std::path::PathBuf> = None;
    for entry in fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let fits = path.extension().is_some_and(|e| e == "pdiparams") && path.is_file();
        if fits && found.as_ref().is_none_or(|best| path < *best) {
            found = Some(path);
        }
    }
    Ok(found)
}

/// Reads one file a variable, each named after it.
fn load_uncombined(program: &Program, dir: &Path) -> Result<BTreeMap<Name, Param>, ModelError> {
    let vars = program.blocks.first().map_or(&[][..], |block| &block.vars);
    let mut params = BTreeMap::new();
    for var in vars.iter().filter(|var| var.is_stored()) {
        let path = dir.join(file_name(&var.name)?);
        let param = pdiparams::read_param(&var.name, &read(&path)?, &path.display().to_string())?;
        params.insert(var.name.clone(), param);
    }
    Ok(params)
}

/// The variable's name as a plain path below the folder; a name that would leave the folder is refused.
fn file_name(name: &Name) -> Result<&Path, ModelError> {
    let plain = |path: &&Path| path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    name.as_str().map(Path::new).filter(plain).ok_or_else(|| ModelError::Content {
        file: "the program".to_owned(),
        problem: format!("variable `{name}` has no combined parameters and its name cannot be a file name"),
    })
}
