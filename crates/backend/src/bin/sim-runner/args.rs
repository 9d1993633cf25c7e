//! The command line, which is `npu-runner`'s, and the inputs that it names.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use int8_sim::{Sample, Tensor};

use crate::{Failure, samples_of};

/// Where to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    Cpu,
    TimVx,
}

/// A file of float32 tensors, one a sample, one behind the other.
pub(crate) struct Input {
    file: PathBuf,
    shape: Vec<usize>,
}

/// What to run.
pub(crate) struct Args {
    pub(crate) device: Device,
    pub(crate) model: PathBuf,
    pub(crate) params: PathBuf,
    pub(crate) inputs: Vec<Input>,
    pub(crate) samples: Vec<usize>,
    /// What the trial takes beyond the simulation; boards are slower.
    pub(crate) pause: Duration,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut device, mut model, mut params) = (Device::TimVx, None, None);
        let (mut inputs, mut samples, mut pause) = (Vec::new(), Vec::new(), Duration::ZERO);
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--device" if value == "cpu" => device = Device::Cpu,
                "--device" if value == "timvx" => device = Device::TimVx,
                "--model" => model = Some(value.into()),
                "--params" => params = Some(value.into()),
                "--input" => inputs.push(Input::parse(&value)?),
                "--samples" => samples = ranges(&value)?,
                "--pause-ms" => pause = Duration::from_millis(number(&value)? as u64),
                _ => return Err(format!("{flag} {value} is not known")),
            }
        }
        let needed = |what: Option<PathBuf>, flag: &str| what.ok_or_else(|| format!("{flag} is needed"));
        Ok(Self {
            device,
            model: needed(model, "--model")?,
            params: needed(params, "--params")?,
            inputs,
            samples,
            pause,
        })
    }

    pub(crate) fn read_samples(&self) -> Result<Vec<Sample>, Failure> {
        let inputs = self.inputs.iter().map(|input| self.samples.iter().map(|&at| input.read(at)).collect());
        Ok(samples_of(inputs.collect::<Result<_, _>>()?))
    }
}

impl Input {
    /// `FILE=1,3,32,32`
    fn parse(text: &str) -> Result<Self, String> {
        let (file, shape) = text.rsplit_once('=').ok_or_else(|| format!("--input {text} has no shape"))?;
        Ok(Self { file: file.into(), shape: shape.split(',').map(number).collect::<Result<_, _>>()? })
    }

    fn read(&self, sample: usize) -> Result<Tensor, Failure> {
        let mut bytes = vec![0; self.shape.iter().product::<usize>() * size_of::<f32>()];
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start((sample * bytes.len()) as u64))?;
        file.read_exact(&mut bytes)?;
        let values = bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
        Ok(Tensor::from_f32(self.shape.clone(), values))
    }
}

/// `0-15,18`
fn ranges(text: &str) -> Result<Vec<usize>, String> {
    let mut samples = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        samples.extend(number(first)?..=number(last)?);
    }
    Ok(samples)
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
