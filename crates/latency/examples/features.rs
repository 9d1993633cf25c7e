//! Prints a network's row of `data/networks.tsv`: its folder, its name.

use latency::NetworkWork;
use op_graph::{Clustering, Support};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (folder, name) = (args.next().ok_or("name a folder")?, args.next().ok_or("name the network")?);
    let mut model = paddle_model::Model::load_dir(&folder)?;
    model.complete();
    let program = model.lite_program(&paddle_model::LiteOptions::default())?;
    let simulator = int8_sim::Simulator::new(program, int8_sim::Options::default())?;
    let program = simulator.program();
    let all = Clustering::form(&program.graph, &Support::TimVx.ops(&program.graph));
    let network = NetworkWork::of(program, simulator.shapes());
    let [cpu, npu] = [&Clustering::default(), &all].map(|clustering| network.features(program, clustering));
    print!("{name}");
    for work in [cpu.cpu, npu.npu] {
        print!("\t{:.4}\t{:.4}\t{:.3}\t{}", work.dense, work.depthwise, work.megabytes, work.ops);
    }
    println!("\t{:.4}", npu.crossing_megabytes);
    Ok(())
}
