//! `report.html` in a real browser: of a search of every fixture model, and of a run of 1,000 ops and 500 trials with hostile names.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/browser.rs"]
mod browser;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use browser::Browser;
use serde_json::{Value, json};
use trial_store::{
    Answer, Event, GraphFile, GraphOp, GraphTensor, Indices, Manifest, Measurement, Purpose, Question, RunDir,
    RunStarted, Timestamp, TrialAnswered, TrialAsked, Verdict,
};

const MODELS: [&str; 5] =
    ["digits_seg", "digits_resnet", "digits_detect", "digits_mobilenet", "digits_mobilenet_unequal"];

/// The lowest contrast between text and what is behind it, over all text that is shown; WCAG's formula.
const LEAST_CONTRAST: &str = r#"
const channels = (text) => (text.match(/[\d.]+/g) || []).map(Number);
const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
let least = [99, ""];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!walk.currentNode.textContent.trim() || !element.checkVisibility() || element.closest("script,style,#canvas,noscript")) continue;
  let behind = element;
  while (behind && [0, undefined].includes(channels(getComputedStyle(behind).backgroundColor)[3]) && getComputedStyle(behind).backgroundColor.startsWith("rgba")) behind = behind.parentElement;
  const back = behind ? getComputedStyle(behind).backgroundColor : "rgb(255,255,255)";
  if (!back.startsWith("rgb")) continue; // a mixture of page and accent, checked by its parts
  const [a, b] = [light(channels(getComputedStyle(element).color).slice(0, 3)), light(channels(back).slice(0, 3))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < least[0]) least = [ratio, element.outerHTML.slice(0, 80)];
}
return least;
"#;

fn search(model: &str, out: &Path) -> PathBuf {
    let run = out.join(model);
    let status = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["search", "--model"])
        .arg(test_kit::fixtures().join("models").join(model).join("pl_old"))
        .arg("--out")
        .arg(&run)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    run.join("report.html")
}

#[test]
fn the_report_of_every_fixture_opens_without_an_error_and_copies_searches_and_zooms() {
    let Some(browser) = Browser::open("report in a browser", 1280) else { return };
    let folder = tempfile::tempdir().unwrap();
    for model in MODELS {
        let page = search(model, folder.path());
        browser.load(&page);
        check_interaction(&browser, &page);
        check_looks(&browser);
        assert_eq!(browser.console(), Vec::<String>::new(), "{model}");
    }
}

fn check_interaction(browser: &Browser, page: &Path) {
    let view = |browser: &Browser| browser.run("return document.getElementById('canvas').getAttribute('viewBox')");
    let before = view(browser);
    browser.click("#zoomin");
    assert_ne!(view(browser), before, "zoom");

    browser.type_into("#find", "conv2d");
    let found = browser
        .run("return [document.getElementById('found').textContent, document.getElementById('detail').textContent]");
    assert!(found[0].as_str().unwrap().starts_with("1 of "), "{found}");
    assert!(found[1].as_str().unwrap().starts_with("conv2d, op 1"), "{found}");
    browser.type_into("#find", "\u{e007}"); // Enter
    assert!(browser.run("return document.getElementById('found').textContent").as_str().unwrap().starts_with("2 of "));

    browser.run("document.getElementById('canvas').focus()");
    browser.type_into("#canvas", "n0");
    let boxes = "return document.querySelectorAll('#canvas rect').length";
    let open = browser.run(boxes);
    browser.click("#fold");
    assert!(browser.run(boxes).as_u64() < open.as_u64(), "folding leaves fewer boxes");

    browser.devtools(
        "Browser.grantPermissions",
        &json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}),
    );
    browser.click("#copy");
    let subgraph = fs::read_to_string(page.with_file_name("subgraph.txt")).unwrap();
    let copied = browser.run("return navigator.clipboard.readText()");
    assert_eq!(copied, Value::String(subgraph), "what the copy button copied");
}

fn check_looks(browser: &Browser) {
    for theme in ["light", "dark"] {
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        browser.devtools("Emulation.setEmulatedMedia", &feature);
        let least = browser.run(LEAST_CONTRAST);
        assert!(least[0].as_f64().unwrap() >= 4.5, "{theme}: {least}");
    }
    browser.devtools(
        "Emulation.setDeviceMetricsOverride",
        &json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true}),
    );
    let wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]");
    assert_eq!(wide, json!([390, 390]), "nothing sticks out on a phone");
    browser.devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
}

/// A run of so many ops in a grid of residual blocks, each name an attack on the page.
fn large_run(folder: &Path, ops: u32, trials: u32) -> PathBuf {
    let hostile = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">&'";
    let name = |index: u32| format!("{hostile}{index}");
    let inputs = |op: u32| if op % 4 == 3 { vec![op - 1, op - 3] } else { op.checked_sub(1).into_iter().collect() };
    let graph = GraphFile {
        ops: (0..ops)
            .map(|op| GraphOp {
                record: format!("conv2d:{}:{}", name(op), name(op + 1)),
                op_type: if op % 7 == 0 { hostile.to_owned() } else { "conv2d".to_owned() },
                inputs: inputs(op),
                outputs: vec![op],
                unit: Some(op),
                candidate: true,
                risks: Vec::new(),
            })
            .collect(),
        tensors: (0..ops)
            .map(|tensor| GraphTensor {
                name: name(tensor),
                producer: Some(tensor),
                consumers: (tensor + 1..ops.min(tensor + 4)).filter(|&op| inputs(op).contains(&tensor)).collect(),
                dims: vec![1, 64, 56, 56],
                scale: Some(0.125),
                weight: false,
            })
            .collect(),
    };
    let clock = || Timestamp::from_millis(0);
    let manifest = Manifest::new(hostile, 1);
    let run = RunDir::create(&folder.join("run"), manifest.clone(), clock).unwrap();
    run.write("graph.json", &serde_json::to_vec(&graph).unwrap()).unwrap();
    run.write("subgraph.txt", name(1).as_bytes()).unwrap();
    run.append(Event::RunStarted(RunStarted { manifest, ops, units: ops, boards: vec![name(0)], workers: 1 })).unwrap();
    for trial in 1..=trials {
        let cpu_ops: Indices = (0..ops).filter(|op| (op / 3 + trial) % 5 == 0 || (op * trial) % 11 == 0).collect();
        let question = Question { backend: "timvx".into(), cpu_ops, samples: 8, repeat: 0 };
        run.append(Event::TrialAsked(TrialAsked::new(trial, question, Purpose::Search))).unwrap();
        let verdict = if trial % 3 == 0 { Verdict::Pass } else { Verdict::Fail };
        let measured = Measurement { score: Some(f64::from(trial) / 1000.0), ..Measurement::default() };
        run.append(Event::TrialAnswered(TrialAnswered::new(trial, Answer::measured(verdict, measured)))).unwrap();
    }
    run.path().to_owned()
}

#[test]
fn a_thousand_ops_and_five_hundred_trials_with_hostile_names_fit_and_run_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = large_run(folder.path(), 1000, 500);
    let status = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("report").arg(&run).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let page = run.join("report.html");
    let size = fs::metadata(&page).unwrap().len();
    assert!(size < 5_000_000, "{size} bytes");

    let Some(browser) = Browser::open("large report in a browser", 1280) else { return };
    browser.load(&page);
    assert_eq!(browser.run("return document.title"), "npu-bisect: run");
    assert_eq!(browser.run("return document.images.length"), 0);
    browser.click("#unfold");
    browser.type_into("#find", "onerror");
    assert_eq!(browser.run("return document.getElementById('found').textContent"), "1 of 1000");
    let load = browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd");
    eprintln!("{size} bytes, loaded in {load} ms");
    assert_eq!(browser.console(), Vec::<String>::new());
}
