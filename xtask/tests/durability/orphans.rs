//! What a killed tool leaves behind ends before the run goes on.
#![cfg(target_os = "linux")]

use std::{fs, io::Read, path::Path, process::Stdio};

use test_kit::eventually;

use crate::searches::{Search, ends_with, history};

/// The command line of a process; empty where there are only its remains, or while it becomes another program.
fn command_line(pid: &str) -> Vec<u8> {
    fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default()
}

fn lives(pid: &str) -> bool {
    !command_line(pid).is_empty()
}

#[test]
fn a_command_that_outlives_a_killed_tool_is_killed_by_resume_and_a_daemon_is_spared() {
    // The first call starts a daemon and a child, says who they are, and never ends; later ones answer.
    let mut search = Search::exec(
        "if mkdir \"$HANG.done\" 2> /dev/null; then\n\
         setsid sleep 1000 > /dev/null 2>&1 & daemon=$!\n\
         sleep 1000 & child=$!\n\
         echo \"$$ $child $daemon\" > \"$HANG\"\nwait\nfi",
    );
    let [pipe] = search.pipes(["hang"]);
    search.set("HANG", pipe.to_str().unwrap());
    let run = search.path("run");
    let mut tool = search.fresh(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut pids = String::new();
    fs::File::open(&pipe).unwrap().read_to_string(&mut pids).unwrap();
    let [command, child, daemon] = pids.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{pids:?}") };
    let sleeps = |pid| command_line(pid).starts_with(b"sleep\0");
    eventually("the daemon has a session of its own, and both sleep", || sleeps(child) && sleeps(daemon));
    tool.kill().unwrap();
    tool.wait().unwrap();
    assert!(lives(command) && lives(child), "the kernel ends orphans here, there is nothing to do");

    let said = ends_with(0, &mut search.resume(&run, &[]));
    assert!(said.contains("killed 2 process(es) that the run had left behind"), "{said}");
    assert!(!lives(command) && !lives(child));
    assert!(lives(daemon), "a daemon may be needed by more than this run");
    assert!(history(&run).trials.values().all(|trial| trial.answer.is_some()));
    let ended = std::process::Command::new("kill").args(["-9", daemon]).status().unwrap();
    assert!(ended.success());
}

/// In a container the session of everything here may be led by a process outside, which has no number in it.
#[test]
fn the_same_in_a_process_namespace_of_its_own() {
    let namespace = || {
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(["--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        unshare
    };
    if !namespace().arg("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("this machine makes no namespaces");
        return;
    }
    let test = "orphans::a_command_that_outlives_a_killed_tool_is_killed_by_resume_and_a_daemon_is_spared";
    ends_with(0, namespace().arg(std::env::current_exe().unwrap()).args(["--exact", test]));
}
