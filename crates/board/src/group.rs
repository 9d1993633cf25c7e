//! A child process together with everything it starts, so that both end together.

use std::{
    io,
    process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use process_wrap::std::{ChildWrapper, CommandWrap};

use crate::process::{Ending, ProcessError};

/// How long a killed process may take to disappear before it counts as stuck in the kernel.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// The longest pause between two looks at a running process. Callers that hear of its end by other means (its output
/// closed) look sooner.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A process group (a job object on Windows) that is killed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    child: Box<dyn ChildWrapper>,
    ended: Option<ExitStatus>,
}

impl Group {
    pub(crate) fn spawn(command: Command) -> io::Result<Self> {
        let mut command = CommandWrap::from(command);
        #[cfg(unix)]
        command.wrap(process_wrap::std::ProcessGroup::leader());
        #[cfg(windows)]
        command.wrap(process_wrap::std::JobObject);
        Ok(Self { child: command.spawn()?, ended: None })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin().take()
    }

    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout().take()
    }

    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr().take()
    }

    /// How the leader ended, or `None` while it runs.
    pub(crate) fn poll(&mut self) -> io::Result<Option<Ending>> {
        if self.ended.is_none() {
            // Not the wrapper's own `try_wait`: it waits for the whole group and loses the leader's status where other members become this
            // process's children, as all orphans do in a container whose first process this is.
            self.ended = self.child.inner_mut().try_wait()?;
        }
        Ok(self.ended.map(Ending::from))
    }

    /// Kills every member that is left and reaps the leader.
    pub(crate) fn kill(&mut self) -> Result<Ending, ProcessError> {
        // An error means that there is nobody left to kill.
        let _ = self.child.start_kill();
        let stuck = Instant::now() + KILL_GRACE;
        let mut pause = Duration::from_micros(100);
        loop {
            match self.poll() {
                Ok(Some(ending)) => {
                    // Orphans of the group that became this process's children; whether there are any does not matter.
                    let _ = self.child.try_wait();
                    return Ok(ending);
                }
                Ok(None) if Instant::now() < stuck => thread::sleep(pause),
                Ok(None) => return Err(ProcessError::Unkillable { pid: self.id() }),
                Err(source) => return Err(ProcessError::Wait { pid: self.id(), source }),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Members that outlive the leader are killed too; a process stuck in the kernel is all that can remain.
        let _ = self.kill();
    }
}
