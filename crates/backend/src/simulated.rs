//! The embedded simulator as backends.

use std::sync::Arc;

use accuracy::Tensor;
use int8_sim::{Config, CpuFlavour, Refusal, Sample, Simulator};
use op_graph::{Clustering, Placement};

use crate::{Backend, Device, Prepared, Run, Trouble, Unusable};

/// Makes samples of per-sample input tensors (one per feed, each `[1, …]`). Backends that share them share activations.
pub fn stage(samples: Vec<Vec<Tensor>>) -> Arc<[Sample]> {
    let convert = |tensor: Tensor| int8_sim::Tensor::from_f32(tensor.shape().to_vec(), tensor.into_data());
    samples.into_iter().map(|tensors| Sample::new(tensors.into_iter().map(convert).collect())).collect()
}

/// A simulated device.
pub struct SimulatedBackend {
    simulator: Arc<Simulator>,
    cpu: CpuFlavour,
    samples: Arc<[Sample]>,
    device: Device,
    /// Do the ops of a placement stay on the NPU and compute in float32 there?
    float: bool,
}

impl SimulatedBackend {
    /// Paddle Lite on the ARM CPU: runs these samples with this flavour of CPU arithmetic.
    pub fn lite(simulator: Arc<Simulator>, cpu: CpuFlavour, samples: Arc<[Sample]>) -> Self {
        Self { simulator, cpu, samples, device: Device::Cpu, float: false }
    }

    /// The NPU through TIM-VX: runs these samples; ops forced to the CPU use this flavour of arithmetic.
    pub fn tim_vx(simulator: Arc<Simulator>, cpu: CpuFlavour, samples: Arc<[Sample]>) -> Self {
        Self { simulator, cpu, samples, device: Device::Npu, float: false }
    }

    /// The NPU where the mixed-precision file names a placement's ops, not the partition config: they stay on the NPU and compute
    /// in float32 there (spec/paddle-lite.md B4).
    pub fn tim_vx_in_float(simulator: Arc<Simulator>, cpu: CpuFlavour, samples: Arc<[Sample]>) -> Self {
        Self { float: true, ..Self::tim_vx(simulator, cpu, samples) }
    }

    fn config(&self, placement: &Placement) -> Config {
        let config = match self.device {
            Device::Cpu => Config::lite(),
            Device::Npu if self.float => Config::tim_vx(Placement::new()).with_mixed_float(placement.clone()),
            Device::Npu => Config::tim_vx(placement.clone()),
        };
        config.with_cpu(self.cpu)
    }
}

impl Backend for SimulatedBackend {
    fn name(&self) -> &'static str {
        self.device.backend()
    }

    fn simulated(&self) -> bool {
        true
    }

    fn usable(&self) -> Result<(), Unusable> {
        Ok(())
    }

    fn samples(&self) -> usize {
        self.samples.len()
    }

    fn prepare<'a>(&'a self, placement: &Placement) -> Result<Box<dyn Prepared + 'a>, Trouble> {
        let config = self.config(placement);
        let clustering = self.simulator.check(&config).map_err(|refusal| refused(&refusal))?;
        let clustering = (self.device == Device::Npu).then_some(clustering);
        Ok(Box::new(PreparedSimulation { simulated: self, config, clustering }))
    }
}

struct PreparedSimulation<'a> {
    simulated: &'a SimulatedBackend,
    config: Config,
    clustering: Option<Clustering>,
}

impl Prepared for PreparedSimulation<'_> {
    fn clustering(&self) -> Option<&Clustering> {
        self.clustering.as_ref()
    }

    fn run(&mut self, samples: &[usize]) -> Result<Run, Trouble> {
        let staged = &self.simulated.samples;
        let chosen: Option<Vec<Sample>> = samples.iter().map(|&sample| staged.get(sample).cloned()).collect();
        let missing = || format!("only {} samples are staged", staged.len());
        let chosen = chosen.ok_or_else(|| Trouble::Device { device: "simulator".to_owned(), detail: missing() })?;
        let run = self.simulated.simulator.run(&self.config, &chosen).map_err(|refusal| refused(&refusal))?;
        Ok(Run { outputs: joined(&run.outputs)? })
    }
}

/// The outputs of all samples, joined along their first axis.
fn joined(samples: &[Vec<int8_sim::Tensor>]) -> Result<Vec<Tensor>, Trouble> {
    let count = samples.first().map_or(0, Vec::len);
    (0..count)
        .map(|output| {
            let parts: Vec<&int8_sim::Tensor> = samples.iter().filter_map(|outputs| outputs.get(output)).collect();
            let mut shape = parts.first().map_or(Vec::new(), |first| first.shape().to_vec());
            match shape.first_mut() {
                Some(axis) => *axis *= parts.len(),
                None => shape.push(parts.len()),
            }
            let mut data = Vec::with_capacity(shape.iter().product());
            for part in parts {
                let values = part.as_f32().ok_or_else(|| Trouble::Refused(format!("output {output} is not float")))?;
                data.extend_from_slice(values);
            }
            Tensor::new(shape, data).map_err(|error| Trouble::Refused(format!("output {output}: {error}")))
        })
        .collect()
}

fn refused(refusal: &Refusal) -> Trouble {
    Trouble::Refused(refusal.to_string())
}
