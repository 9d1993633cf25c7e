//! The error of each op's result under a placement: where in the network it arises, and how it adds up.

use crate::{Config, Quant, Refusal, Sample, Simulator, Tensor, arena::NodeId, lower::Layer, program::results};

/// How far the result of an op is from what it is under the reference placement, over all samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LayerError {
    signal: f64,
    noise: f64,
    other: f64,
    product: f64,
}

impl LayerError {
    /// Signal-to-noise ratio in decibels; infinite where nothing differs.
    pub fn sqnr_db(&self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }

    /// The cosine of the angle between the two results, −1 to 1; 1 where both are zero.
    pub fn cosine(&self) -> f64 {
        let lengths = (self.signal * self.other).sqrt();
        if self.noise == 0.0 || lengths == 0.0 { 1.0 } else { self.product / lengths }
    }

    fn add(&mut self, reference: &[f64], values: &[f64]) {
        for (a, b) in reference.iter().zip(values) {
            self.signal += a * a;
            self.other += b * b;
            self.noise += (a - b) * (a - b);
            self.product += a * b;
        }
    }
}

impl Simulator {
    /// The error of the result of each op under `config`, against `reference`; by the op's position. None for an op whose result cannot
    /// be seen under both (the driver has fused it into a later one, or its result has another form there), and for one with several.
    ///
    /// # Errors
    /// What the stack answers where it does not run one of the placements.
    pub fn layer_errors(
        &self,
        reference: &Config,
        config: &Config,
        samples: &[Sample],
    ) -> Result<Vec<Option<LayerError>>, Refusal> {
        let count = self.program().ops.len();
        let (before, after) = (by_op(self.plan(reference)?.layers, count), by_op(self.plan(config)?.layers, count));
        let single = |layer: &Layer| results(&self.program().ops[layer.op.index()]).len() == 1;
        let pairs = before.into_iter().zip(after).filter_map(|(before, after)| Some((before.filter(single)?, after?)));
        let pairs: Vec<(Layer, Layer)> = pairs.collect();
        let nodes = |layer: fn(&(Layer, Layer)) -> &Layer| -> Vec<NodeId> {
            pairs.iter().map(|pair| layer(pair).node).collect()
        };
        let mut errors = vec![None; count];
        // One sample at a time: all activations of many would not fit into memory.
        for sample in samples.chunks(1) {
            let (before, after) =
                (self.values(&nodes(|pair| &pair.0), sample)?, self.values(&nodes(|pair| &pair.1), sample)?);
            for ((pair, before), after) in pairs.iter().zip(&before[0]).zip(&after[0]) {
                let (Some(before), Some(after)) = (reals(before, pair.0.quant), reals(after, pair.1.quant)) else {
                    continue;
                };
                if before.len() == after.len() {
                    errors[pair.0.op.index()].get_or_insert_with(LayerError::default).add(&before, &after);
                }
            }
        }
        Ok(errors)
    }
}

/// The last node of each op: an op may become several operations.
fn by_op(layers: Vec<Layer>, count: usize) -> Vec<Option<Layer>> {
    let mut by_op = vec![None; count];
    for layer in layers {
        by_op[layer.op.index()] = Some(layer);
    }
    by_op
}

fn reals(tensor: &Tensor, quant: Option<Quant>) -> Option<Vec<f64>> {
    match (tensor.as_f32(), tensor.as_codes(), quant) {
        (Some(values), ..) => Some(values.iter().map(|value| f64::from(*value)).collect()),
        (_, Some(codes), Some(quant)) => Some(codes.iter().map(|code| quant.value(*code)).collect()),
        _ => None,
    }
}
