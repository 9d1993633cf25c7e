//! A loaded data description: samples with inputs, labels, and the way outputs are decoded.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use accuracy::{Prediction, Tensor, Tolerance, Truth};

use crate::{
    Decode, Error, Input, Task,
    description::{Accept, Description},
    labels::Labels,
};

/// The name of the description in the directory of the data.
pub const DESCRIPTION_FILE: &str = "data.toml";

/// What a data description and its files hold. Cheap to clone and to take subsets of.
#[derive(Clone, Debug)]
pub struct Dataset {
    path: PathBuf,
    task: Task,
    inputs: Vec<Input>,
    labels: Option<Labels>,
    decoder: Option<Decode>,
    metric: Option<String>,
    tolerance: Option<Tolerance>,
    /// The samples in use, as positions in the files.
    samples: Arc<[usize]>,
}

impl Dataset {
    /// Reads a data description, or the `data.toml` of a directory, and the files it names.
    ///
    /// # Errors
    /// When a file cannot be read, is not what the description says, or the files differ in their number of samples.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let path = if path.is_dir() { path.join(DESCRIPTION_FILE) } else { path.to_path_buf() };
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let description: Description = toml::from_str(&text)
            .map_err(|source| Error::Description { path: path.clone(), source: Box::new(source) })?;
        let setting = |key: &str, reason: String| Error::Setting { path: path.clone(), key: key.into(), reason };
        let directory = path.parent().unwrap_or(Path::new(""));

        if description.inputs.is_empty() {
            return Err(setting("inputs", "expected at least one table `[[inputs]]`".into()));
        }
        let decoder = decoder(&description, &setting)?;
        let tolerance = tolerance(&description.accept, &setting)?;
        if let Some(name) = &description.accept.metric {
            accuracy::metric(name)?;
        }
        let inputs = description
            .inputs
            .into_iter()
            .enumerate()
            .map(|(i, input)| {
                Input::load(directory, input, |key, reason| setting(&format!("inputs[{i}].{key}"), reason))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let count = inputs[0].samples();
        let same = |key: &str, found: usize| match found {
            _ if found == count => Ok(()),
            _ => Err(setting(key, format!("it holds {found} samples, the first input holds {count}"))),
        };
        for (i, input) in inputs.iter().enumerate() {
            same(&format!("inputs[{i}].file"), input.samples())?;
        }
        let labels = match &description.labels {
            Some(_) if description.task == Task::Raw => {
                return Err(setting("labels", "the task `raw` takes none; name the task".into()));
            }
            Some(labels) => Some(Labels::load(directory, labels, description.task)?),
            None => None,
        };
        if let Some(labels) = &labels {
            same("labels.file", labels.truths.len())?;
        }
        let used = description.samples.unwrap_or(count);
        if used == 0 || used > count {
            return Err(setting("samples", format!("{used} is not among 1 to {count}, which the files hold")));
        }
        let (task, metric, samples) = (description.task, description.accept.metric, (0..used).collect());
        Ok(Self { path, task, inputs, labels, decoder, metric, tolerance, samples })
    }

    /// Where the description was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file that was read, the description first: whoever remembers scores by content needs them all.
    pub fn files(&self) -> Vec<&Path> {
        let inputs = self.inputs.iter().flat_map(Input::files).map(PathBuf::as_path);
        let labels = self.labels.as_ref().map(|labels| labels.path.as_path());
        std::iter::once(self.path.as_path()).chain(inputs).chain(labels).collect()
    }

    /// What the model is for.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The model's inputs.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The inputs in the order in which a model takes them, by the names that the description gives them; without names they stay.
    ///
    /// # Errors
    /// When some inputs have names and others do not, or a name is none of the model's.
    pub fn in_order_of(mut self, feeds: &[String]) -> Result<Self, Error> {
        let position = |(i, input): (usize, &Input)| {
            let place = |name: &str| feeds.iter().position(|feed| feed == name);
            let wrong = |reason| Error::Setting { path: self.path.clone(), key: format!("inputs[{i}].name"), reason };
            match input.name() {
                None if self.inputs.iter().all(|input| input.name().is_none()) => Ok(i),
                None => Err(wrong("other inputs have names; name this one too".into())),
                Some(name) => {
                    let known = feeds.join("`, `");
                    place(name).ok_or_else(|| wrong(format!("`{name}` is no input of the model; it has `{known}`")))
                }
            }
        };
        let places: Vec<usize> = self.inputs.iter().enumerate().map(position).collect::<Result<_, _>>()?;
        let mut placed: Vec<(usize, Input)> = places.into_iter().zip(self.inputs).collect();
        placed.sort_by_key(|(place, _)| *place);
        self.inputs = placed.into_iter().map(|(_, input)| input).collect();
        Ok(self)
    }

    /// How many samples are in use.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Never: a dataset without samples does not load.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Whether there are labels.
    pub fn has_labels(&self) -> bool {
        self.labels.is_some()
    }

    /// The label of a sample.
    pub fn truth(&self, sample: usize) -> Option<&Truth> {
        self.labels.as_ref()?.truths.get(*self.samples.get(sample)?)
    }

    /// How outputs are decoded, where the task has a decoding.
    pub fn decoder(&self) -> Option<&Decode> {
        self.decoder.as_ref()
    }

    /// The metric: the description's, else the task's default.
    pub fn metric(&self) -> &str {
        self.metric.as_deref().unwrap_or_else(|| crate::defaults::metric(self.task, self.has_labels()))
    }

    /// The tolerance of the description, if it has one.
    pub fn tolerance(&self) -> Option<Tolerance> {
        self.tolerance
    }

    /// Samples as the model takes them: one tensor `[samples, …]` per input, in the order of [`Dataset::inputs`].
    ///
    /// # Errors
    /// When the range leaves the samples in use.
    pub fn batch(&self, range: Range<usize>) -> Result<Vec<Tensor>, Error> {
        let samples = self.samples.get(range.clone());
        let samples = samples.ok_or(Error::NoSample { sample: range.end.saturating_sub(1), count: self.len() })?;
        self.inputs.iter().map(|input| input.batch(samples)).collect()
    }

    /// The given samples, in the given order.
    ///
    /// # Errors
    /// When one does not exist, or there are none.
    pub fn select(&self, samples: &[usize]) -> Result<Self, Error> {
        let pick =
            |&sample: &usize| self.samples.get(sample).copied().ok_or(Error::NoSample { sample, count: self.len() });
        let samples = samples.iter().map(pick).collect::<Result<Arc<[usize]>, _>>()?;
        if samples.is_empty() {
            return Err(Error::NoSample { sample: 0, count: 0 });
        }
        Ok(Self { samples, ..self.clone() })
    }

    /// At most `count` positions (at least one), spread evenly: files are often sorted by class.
    pub fn spread(&self, count: usize) -> Vec<usize> {
        let count = count.clamp(1, self.len().max(1));
        (0..count).map(|i| i * self.len() / count).collect()
    }

    /// Decodes a trial's outputs, each `[samples, …]`, and checks that they fit the labels.
    ///
    /// The outputs may be those of fewer samples than are in use, from the first on. Of the task `raw`, and of detection
    /// without a decoder, nothing is decoded.
    ///
    /// # Errors
    /// When they do not fit the description or the labels, or hold NaN.
    pub fn decode(&self, outputs: &[Tensor]) -> Result<Option<Vec<Prediction>>, Error> {
        let Some(decoder) = &self.decoder else { return Ok(None) };
        self.check_labels(decoder, outputs)?;
        decoder.decode(outputs).map(Some)
    }

    /// Labels that do not fit the outputs are reported with both shapes.
    fn check_labels(&self, decoder: &Decode, outputs: &[Tensor]) -> Result<(), Error> {
        let output = decoder.output();
        let (Some(labels), Some(tensor)) = (&self.labels, outputs.get(output)) else { return Ok(()) };
        let Some((positions, classes)) = decoder.positions(tensor.shape()) else { return Ok(()) };
        if positions.iter().product::<usize>() != labels.sample_shape.iter().product::<usize>() {
            let shape = |first: &str| {
                let axes = std::iter::once(first.into()).chain(labels.sample_shape.iter().map(ToString::to_string));
                format!("[{}]", axes.collect::<Vec<String>>().join(", "))
            };
            return Err(Error::LabelsDoNotFit {
                path: labels.path.clone(),
                labels: std::iter::once(self.len()).chain(labels.sample_shape.iter().copied()).collect(),
                output,
                found: tensor.shape().to_vec(),
                expected: format!("scores for the positions {}", shape("samples")),
            });
        }
        let Some(classes) = classes else { return Ok(()) };
        for sample in 0..tensor.samples().min(self.len()) {
            let Some(Truth::Classes(truth)) = self.truth(sample) else { continue };
            if let Some(&value) = truth.iter().find(|&&class| class != accuracy::IGNORED && class as usize >= classes) {
                return Err(Error::Label {
                    path: labels.path.clone(),
                    what: "labels",
                    sample,
                    value: format!("the class {value}"),
                    expected: format!("a class below {classes}: output {output} has shape {:?}", tensor.shape()),
                });
            }
        }
        Ok(())
    }
}

fn decoder(description: &Description, setting: &impl Fn(&str, String) -> Error) -> Result<Option<Decode>, Error> {
    let task = description.task;
    match &description.decode {
        None => Ok(Decode::default_for(task)),
        Some(decode) if !decode.suits(task) => {
            Err(setting("decode.method", format!("it does not suit the task {task:?}").to_lowercase()))
        }
        Some(decode) => match decode.check() {
            Ok(()) => Ok(Some(decode.clone())),
            Err((key, reason)) => Err(setting(key, reason)),
        },
    }
}

fn tolerance(accept: &Accept, setting: &impl Fn(&str, String) -> Error) -> Result<Option<Tolerance>, Error> {
    match (&accept.threshold, &accept.max_drop) {
        (Some(_), Some(_)) => Err(setting("accept", "`threshold` and `max_drop` exclude each other".into())),
        (Some(threshold), None) => Ok(Some(Tolerance::parse_threshold(&threshold.text())?)),
        (None, Some(drop)) => Ok(Some(Tolerance::parse_max_drop(&drop.text())?)),
        (None, None) => Ok(None),
    }
}
