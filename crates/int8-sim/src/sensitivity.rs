//! The error each unit causes, alone and in company, against the program on the CPU.

use op_graph::{OpId, Placement, Support};

use crate::{Config, CpuFlavour, Refusal, Run, Sample, Simulator};

/// What a unit does to the outputs; a refusal where the stack does not run the placement.
#[derive(Clone, Debug)]
pub struct UnitSensitivity {
    /// The error power with only this unit on the NPU.
    pub alone: Result<ErrorPower, Refusal>,
    /// The error power with every op but this unit's on the NPU.
    pub all_but: Result<ErrorPower, Refusal>,
}

/// The power of the difference to the CPU's outputs, per output and over all samples.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorPower {
    /// Signal power, one an output.
    pub signal: Vec<f64>,
    /// Error power, one an output.
    pub noise: Vec<f64>,
}

impl ErrorPower {
    fn between(reference: &Run, run: &Run) -> Self {
        let count = reference.outputs.first().map_or(0, Vec::len);
        let mut power = Self { signal: vec![0.0; count], noise: vec![0.0; count] };
        for (a, b) in reference.outputs.iter().zip(&run.outputs) {
            for (output, (a, b)) in a.iter().zip(b).enumerate() {
                let (a, b) = (a.as_f32().unwrap_or_default(), b.as_f32().unwrap_or_default());
                power.signal[output] += a.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
                power.noise[output] +=
                    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
            }
        }
        power
    }

    /// The lowest signal-to-noise ratio of any output in decibels; infinite where nothing differs.
    pub fn sqnr_db(&self) -> f64 {
        let ratio = |(signal, noise): (&f64, &f64)| {
            if *noise == 0.0 { f64::INFINITY } else { 10.0 * (signal / noise).log10() }
        };
        self.signal.iter().zip(&self.noise).map(ratio).fold(f64::INFINITY, f64::min)
    }
}

impl Simulator {
    /// The sensitivity of every unit. Work that the placements share is done once: a unit costs what comes after it.
    ///
    /// # Errors
    /// When the program does not run on the CPU.
    pub fn sensitivity(
        &self,
        units: &[Vec<OpId>],
        samples: &[Sample],
        cpu: CpuFlavour,
    ) -> Result<Vec<UnitSensitivity>, Refusal> {
        let reference = self.run(&Config::lite().with_cpu(cpu), samples)?;
        let movable = Support::TimVx.ops(&self.program().graph);
        let power = |forced: Placement| {
            let run = self.run(&Config::tim_vx(forced).with_cpu(cpu), samples)?;
            Ok(ErrorPower::between(&reference, &run))
        };
        let sensitivity = |unit: &Vec<OpId>| {
            let unit: Placement = unit.iter().copied().collect();
            UnitSensitivity { alone: power(movable.difference(&unit)), all_but: power(unit) }
        };
        Ok(units.iter().map(sensitivity).collect())
    }
}
