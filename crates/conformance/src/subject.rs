//! A model under comparison: its files for `opt`, and what we derive from them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use paddle_model::{LiteOptions, LiteProgram, LiteRelease, Model, ModelError, write_params, write_program};

use crate::{ModelFiles, Recipe};

/// Why there is no model to compare.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The model cannot be read.
    #[error("read the model {name}: {source}")]
    Model {
        /// The model's name.
        name: String,
        /// What is wrong with it.
        source: ModelError,
    },
    /// A file or folder cannot be used.
    #[error("use {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A random model did not survive being written and read: a defect of writer or reader.
    #[error("round-trip {0:?}: it reads back as another model than was written")]
    RoundTrip(Recipe),
}

/// A model with what Paddle Lite should make of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// A name for people.
    pub name: String,
    /// Where it lies.
    pub files: ModelFiles,
    /// How it was made, where it was made at random.
    pub recipe: Option<Recipe>,
    /// The program as Paddle Lite should log it; or why Paddle Lite should refuse it.
    pub derived: Result<LiteProgram, String>,
}

impl Subject {
    /// A model from disk.
    ///
    /// # Errors
    /// When it cannot be read. That Paddle Lite should refuse it is no error.
    pub fn load(name: &str, files: ModelFiles) -> Result<Self, SubjectError> {
        let fail = |source| SubjectError::Model { name: name.into(), source };
        let model = Model::load(&files.pdmodel, &files.pdiparams).map_err(fail)?;
        Ok(Self { name: name.into(), files, recipe: None, derived: derive(&model) })
    }

    /// A random model, written into this folder.
    ///
    /// # Errors
    /// When it cannot be written or does not read back as it was.
    pub fn create(recipe: Recipe, folder: &Path) -> Result<Self, SubjectError> {
        let model = recipe.model();
        let files = ModelFiles::in_folder(folder);
        let (program, params) = (write_program(&model.program), write_params(&model.params));
        for (path, bytes) in [(&files.pdmodel, &program), (&files.pdiparams, &params)] {
            fs::write(path, bytes).map_err(|source| SubjectError::File { path: path.clone(), source })?;
        }
        let name = format!("random model (seed {}, {} steps)", recipe.seed, recipe.steps);
        let back = Model::from_bytes(&program, &params)
            .map_err(|source| SubjectError::Model { name: name.clone(), source })?;
        if back != model {
            return Err(SubjectError::RoundTrip(recipe));
        }
        Ok(Self { name, files, recipe: Some(recipe), derived: derive(&model) })
    }

    /// All models below a folder, each with the name of its path: wherever a `model.pdmodel` lies beside a
    /// `model.pdiparams`.
    ///
    /// # Errors
    /// When a folder or a model cannot be read.
    pub fn find(folder: &Path) -> Result<Vec<Self>, SubjectError> {
        let mut found = Vec::new();
        let mut pending = vec![folder.to_path_buf()];
        while let Some(dir) = pending.pop() {
            let fail = |source| SubjectError::File { path: dir.clone(), source };
            for entry in fs::read_dir(&dir).map_err(fail)? {
                let path = entry.map_err(fail)?.path();
                if path.is_dir() {
                    pending.push(path);
                }
            }
            let files = ModelFiles::in_folder(&dir);
            if files.pdmodel.is_file() && files.pdiparams.is_file() {
                let name = dir.strip_prefix(folder).unwrap_or(&dir).display().to_string();
                found.push(Self::load(&name, files)?);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

fn derive(model: &Model) -> Result<LiteProgram, String> {
    let options = LiteOptions { release: LiteRelease::V2_13Rc, ..LiteOptions::default() };
    model.lite_program(&options).map_err(|error| error.to_string())
}
