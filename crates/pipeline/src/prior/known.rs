//! A prior without a trial: what is known against each op on the NPU before anything runs (spec/numerics.md).

use int8_sim::deviations::{self, Certainty, Deviation, Harm};

use crate::{Subject, Units};

/// How suspect the known deviations of its ops make each unit: by the worst of them, and how sure it is; 0 where nothing is known.
pub fn known_deviations(subject: &Subject, units: &Units) -> Vec<f64> {
    let of_op = |&op: &op_graph::OpId| {
        let known = deviations::known(&subject.graph, subject.program.as_ref(), op);
        known.iter().map(suspicion).fold(0.0, f64::max)
    };
    units.iter().map(|ops| ops.iter().map(of_op).fold(0.0, f64::max)).collect()
}

fn suspicion(deviation: &Deviation) -> f64 {
    let harm = match deviation.harm {
        Harm::Wrong | Harm::Refused => 4.0,
        Harm::Saturates => 3.0,
        Harm::Coarse => 2.0,
        Harm::Rounding => 1.0,
    };
    let doubt = match deviation.certainty {
        Certainty::Measured => 0.0,
        Certainty::Read => 0.25,
        Certainty::Inferred => 0.5,
    };
    harm - doubt
}
