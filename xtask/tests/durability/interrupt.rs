//! Ctrl-C and SIGTERM: the first stops after the trials in flight, the second kills them; both leave the best verified answer.

use std::{
    fs,
    path::Path,
    process::{Child, Command},
    time::Instant,
};

use crate::{
    kill::SOON,
    resume::gated,
    searches::{Search, answer, ends_with, history, read_until, start},
};

const GOES_ON: &str = "--resume";
const STOPPING: &str = "stopping after the trials in flight";

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

fn is_alive(pid: &str) -> bool {
    // A zombie waits for its parent and does nothing.
    fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

#[test]
fn the_first_signal_stops_after_the_trials_in_flight_and_the_run_can_go_on() {
    for name in ["INT", "TERM"] {
        let (mut search, [started, go]) = gated();
        let run = search.path("run");
        let (mut child, mut stderr) = start(&mut search.fresh(&run));
        fs::read(&started).unwrap(); // trial 4 runs
        signal(&child, name);
        read_until(&mut stderr, STOPPING);
        fs::write(&go, "\n").unwrap();
        read_until(&mut stderr, GOES_ON);
        assert_eq!(child.wait().unwrap().code(), Some(130));

        let stopped = history(&run);
        assert_eq!(stopped.trials.len(), 4, "no trial was asked after the signal");
        assert!(stopped.trials[&4].answer.is_some(), "the trial in flight counts");
        let best = answer(&run);
        assert_eq!(
            (best.result["stop"].as_str(), best.result["outcome"].as_str()),
            (Some("interrupted"), Some("found"))
        );
        assert!(best.subgraph.contains("softmax:"), "the best answer so far passes");

        search.set("GATE", "open");
        ends_with(0, &mut search.resume(&run, &[]));
        assert_eq!(search.calls(), (1..=history(&run).trials.len() as u32).collect::<Vec<_>>(), "each ran once");
        assert_eq!(answer(&run), search.undisturbed());
    }
}

/// Writes the process ids of a stuck trial and of what it started, then hangs for good.
const STUCK: &str = "sleep 1000 & echo $$ $! > \"$PIDS\"; echo > \"$STARTED\"; wait";

fn check_killed(search: &mut Search, name: &str) {
    let [started] = search.pipes(["started"]);
    let pids = search.path("pids");
    search.set("STARTED", started.to_str().unwrap());
    search.set("PIDS", pids.to_str().unwrap());
    let run = search.path("run");
    let (mut child, mut stderr) = start(&mut search.fresh(&run));
    fs::read(&started).unwrap();
    signal(&child, name);
    read_until(&mut stderr, STOPPING);
    let second = Instant::now();
    signal(&child, name);
    read_until(&mut stderr, GOES_ON);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(second.elapsed() < SOON);
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.split_whitespace().filter(|pid| is_alive(pid)).count(), 0, "{pids} outlived the search");
    check_best(&run);

    search.set("GATE", "open");
    ends_with(0, &mut search.resume(&run, &[]));
    assert_eq!(answer(&run), search.undisturbed());
}

fn check_best(run: &Path) {
    let stopped = history(run);
    assert!(stopped.trials[&4].answer.is_none(), "the killed trial has no answer");
    let best = answer(run);
    assert_eq!(best.result["stop"], "interrupted");
    assert!(best.subgraph.contains("softmax:"), "the best answer so far passes");
}

#[test]
fn the_second_signal_kills_a_stuck_command_and_all_that_it_started() {
    for name in ["INT", "TERM"] {
        let stuck = format!("[ \"$GATE\" = open ] || [ \"$NPU_BISECT_TRIAL\" -lt 4 ] || {{ {STUCK}; }}");
        check_killed(&mut Search::exec(&stuck), name);
    }
}

#[test]
fn the_second_signal_kills_a_stuck_evaluator_and_all_that_it_started() {
    let script = format!(
        "n=0\nwhile read -r request; do\n n=$((n + 1))\n [ \"$GATE\" = open ] || [ $n -lt 4 ] || {{ {STUCK}; }}\n \
         case \"$request\" in *'\"softmax:'*) echo '{{\"pass\":true}}';; *) echo '{{\"pass\":false}}';; esac\ndone\n"
    );
    check_killed(&mut Search::evaluator(&script), "INT");
}

#[test]
fn a_signal_during_the_first_baseline_leaves_a_run_that_can_go_on() {
    let mut search = Search::exec(&format!("[ \"$GATE\" = open ] || {{ {STUCK}; }}"));
    let [started] = search.pipes(["started"]);
    search.set("STARTED", started.to_str().unwrap());
    search.set("PIDS", &search.path("pids").display().to_string());
    let run = search.path("run");
    let (mut child, mut stderr) = start(&mut search.fresh(&run));
    fs::read(&started).unwrap();
    signal(&child, "INT");
    read_until(&mut stderr, STOPPING);
    signal(&child, "INT");
    read_until(&mut stderr, GOES_ON);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!run.join("subgraph.txt").exists(), "nothing has passed yet");

    search.set("GATE", "open");
    ends_with(0, &mut search.resume(&run, &[]));
    assert_eq!(answer(&run), search.undisturbed());
}
