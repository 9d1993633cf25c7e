//! `cargo xtask search` with a program that knows nothing of the trial protocol: it is called once a sample, prints its result as
//! FastDeploy's demos do, finds the partition config beside the model, and ends well whatever happens.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod boards;

use boards::Lab;

/// The printed scores must be those of the CPU to so much: enough that the NPU alone fails.
const GOAL: [&str; 4] = ["--metric", "max_abs", "--threshold", "0.002"];

#[test]
fn a_demo_that_prints_its_results_is_searched_and_every_op_on_the_cpu_stands_for_the_cpu() {
    let lab = Lab::new();
    let data = lab.few_samples("digits_resnet", 3);
    let data = data.to_str().unwrap();
    for (command, device) in
        [("./runner demo {model} {input}", None), ("./runner demo {model} {input} {device}", Some("cpu"))]
    {
        let args = [&["--data", data, "--demo", command], &GOAL[..]].concat();
        let search = lab.search_boards("digits_resnet/pl_old", &lab.local(&["one"]), &args);
        assert_eq!(search.code, Some(0), "{command}: {}", search.said);
        assert_eq!(search.result["outcome"], "found", "{command}: {}", search.said);
        assert_eq!(search.result["verified"], true, "{command}: {}", search.said);
        assert!(!search.subgraph.is_empty(), "{device:?}");
        lab.nothing_is_left(&["one"]);
    }
}

#[test]
fn a_demo_that_cannot_predict_is_no_device_to_search_with() {
    let lab = Lab::new();
    let data = lab.few_samples("digits_resnet", 2);
    let args = ["--data", data.to_str().unwrap(), "--demo", "./runner demo {model} {model}"];
    let search = lab.search_boards("digits_resnet/pl_old", &lab.local(&["one"]), &args);
    assert_ne!(search.code, Some(0), "{}", search.said);
    assert!(search.said.contains("printed no result for sample 0"), "{}", search.said);
}
