//! The work folder of one search on one board: pushed contents, trial folders, and cleaning up after them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::Artifact;
use crate::{
    digest::Sha256,
    remote::{Nonce, RemotePath, quote},
    transport::{Transport, Trouble, shell_ok},
};

/// How long a board may take for small commands.
const QUICK: Duration = Duration::from_secs(30);
/// How long leaving may take: people wait for it after Ctrl-C.
const FAREWELL: Duration = Duration::from_secs(10);
/// The slowest push that is still waited for, bytes a second: a tenth of what adb does over USB 2.
const SLOWEST_PUSH: u64 = 1 << 20;

/// What the supervisor uses on a board, besides its shell.
pub const TOOLS: [&str; 8] = ["setsid", "sleep", "mkdir", "mv", "ln", "wc", "cat", "head"];

/// Shell functions to tell whether a stored file ($1) has a hash ($2) and a size ($3). Without `sha256sum` the size decides.
const IS_STORED: &str = r#"
is_stored() {
  [ -f "$1" ] && [ "$(($(wc -c <"$1")))" = "$3" ] || return 1
  command -v sha256sum >/dev/null 2>&1 || return 0
  set -- "$2" $(sha256sum <"$1")
  [ "$1" = "$2" ]
}
"#;

/// Ends the job of this run, where one still holds the board, and removes the run's trials.
const RELEASE: &str = r#"
holder=; boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo none)
{ read -r holder its_boot shell guard <"$lock/holder"; } 2>/dev/null
job=0; { read -r job <"$lock/job"; } 2>/dev/null
if [ "$holder" = "$run" ]; then
  if [ "$its_boot" = "$boot" ]; then
    kill -9 "$shell" 2>/dev/null
    for id in $job $guard; do [ "$id" = 0 ] || kill -9 -"$id" 2>/dev/null; done
  fi
  rm -rf "$lock"
fi
rm -rf "$trials"
"#;

/// A board with the folder `{work}` in which this search works: `store/` holds contents under their hashes and is shared
/// with later searches, `{run}/` holds this search's trials and goes away with [`Site::close`].
#[derive(Clone, Debug)]
pub struct Site {
    transport: Arc<dyn Transport>,
    work: RemotePath,
    run: String,
}

impl Site {
    /// Makes the folders, and checks that the board has what the supervisor needs.
    ///
    /// # Errors
    /// The board does not answer, the folder cannot be made, `setsid` is missing, or `run` is no plain name.
    pub fn open(transport: &Arc<dyn Transport>, work: &RemotePath, run: &str) -> Result<Self, Trouble> {
        let refuse = |reason: &str| Trouble::Refused {
            board: transport.label(),
            what: format!("work in {work}"),
            code: 1,
            output: reason.to_owned(),
        };
        if !crate::remote::is_plain_name(run) || run == "store" || run == "lock" {
            return Err(refuse("the run's name may have letters, digits and `._-` only"));
        }
        let site = Self { transport: transport.clone(), work: work.clone(), run: run.to_owned() };
        site.prepare()?;
        Ok(site)
    }

    /// Makes the folders that are missing: all of them after a reboot, where they were in memory.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn prepare(&self) -> Result<(), Trouble> {
        let mut script = b"mkdir -p ".to_vec();
        script.extend_from_slice(&quote(self.store().as_bytes()));
        script.push(b' ');
        script.extend_from_slice(&quote(self.run_folder().as_bytes()));
        script.extend_from_slice(b" 2>&1 || exit 1\nfor tool in ");
        script.extend_from_slice(TOOLS.join(" ").as_bytes());
        script.extend_from_slice(
            b"; do command -v $tool >/dev/null 2>&1 || { echo \"$tool is not installed there\"; exit 69; }; done\n",
        );
        shell_ok(self.transport(), &format!("work in {}", self.work), &script, QUICK).map(drop)
    }

    /// The way to the board.
    pub fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// The search's name on the board.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Brings contents that are missing or damaged to the board; tells how many files that were.
    ///
    /// # Errors
    /// Something did not arrive whole, or a file of this machine changed since it was hashed.
    pub fn ensure(&self, artifacts: &[Artifact]) -> Result<usize, Trouble> {
        let wanted: BTreeMap<Sha256, &Artifact> =
            artifacts.iter().map(|artifact| (artifact.sha256, artifact)).collect();
        if wanted.is_empty() {
            return Ok(0);
        }
        let mut script = IS_STORED.as_bytes().to_vec();
        for (sha256, artifact) in &wanted {
            let path = quote(self.stored(*sha256).as_bytes());
            script.extend_from_slice(b"is_stored ");
            script.extend_from_slice(&path);
            script.extend_from_slice(format!(" {sha256} {} || echo {sha256}\n", artifact.bytes).as_bytes());
        }
        let bytes: u64 = wanted.values().map(|artifact| artifact.bytes).sum();
        let answer = shell_ok(self.transport(), "look at what is stored", &script, patience(bytes))?;
        let missing: BTreeSet<&str> = std::str::from_utf8(&answer).unwrap_or("").split_whitespace().collect();
        let missing: Vec<&Artifact> = wanted
            .into_iter()
            .filter(|(sha256, _)| missing.contains(sha256.to_string().as_str()))
            .map(|(_, artifact)| artifact)
            .collect();
        missing.iter().try_for_each(|artifact| self.store_one(artifact))?;
        Ok(missing.len())
    }

    /// Ends what this search still runs on the board and removes what it left there, except the stored contents.
    ///
    /// # Errors
    /// The board does not answer or cannot.
    pub fn close(&self) -> Result<(), Trouble> {
        let mut script = Vec::new();
        for (name, value) in
            [("lock", self.lock().as_bytes()), ("run", self.run.as_bytes()), ("trials", self.run_folder().as_bytes())]
        {
            script.extend_from_slice(name.as_bytes());
            script.push(b'=');
            script.extend_from_slice(&quote(value));
            script.push(b'\n');
        }
        script.extend_from_slice(RELEASE.as_bytes());
        shell_ok(self.transport(), "clean up", &script, FAREWELL).map(drop)
    }

    /// The same for a board in any state: one whose connection is frozen or broken, or that is just booting, gets a few seconds to come
    /// back. One that does not keeps its folder, and its jobs have a deadline.
    pub(crate) fn leave(&self) {
        let end = Instant::now() + FAREWELL;
        let mut pause = Duration::from_millis(100);
        loop {
            self.transport.reconnect();
            match self.close() {
                // Silence has lasted as long as all attempts may.
                Ok(()) | Err(Trouble::Silent { .. }) => return,
                Err(_) if Instant::now() + pause > end => return,
                Err(_) => thread::sleep(pause),
            }
            pause *= 2;
        }
    }

    /// Free space in the work folder, kB.
    ///
    /// # Errors
    /// The board does not answer, or its `df` is not understood.
    pub fn free_kb(&self) -> Result<u64, Trouble> {
        let script = [b"df -k ", quote(self.work.as_bytes()).as_slice()].concat();
        let answer = shell_ok(self.transport(), "ask for free space", &script, QUICK)?;
        let text = String::from_utf8_lossy(&answer);
        // `Filesystem 1K-blocks Used Available …`; a long device name has a line of its own, so count from the header.
        let words: Vec<&str> = text.lines().skip(1).flat_map(str::split_whitespace).collect();
        words.get(3).and_then(|word| word.parse().ok()).ok_or_else(|| Trouble::Damaged {
            board: self.transport.label(),
            reason: format!("its `df -k` said {text:?}"),
        })
    }

    fn store_one(&self, artifact: &Artifact) -> Result<(), Trouble> {
        let arriving = self.store().join(&format!("arriving-{}", Nonce::fresh()));
        self.transport.push(&artifact.source, &arriving, patience(artifact.bytes))?;
        let (from, to) = (quote(arriving.as_bytes()), quote(self.stored(artifact.sha256).as_bytes()));
        let mut script = IS_STORED.as_bytes().to_vec();
        script.extend_from_slice(b"is_stored ");
        script.extend_from_slice(&from);
        script.extend_from_slice(format!(" {} {}", artifact.sha256, artifact.bytes).as_bytes());
        for part in [b" && chmod 755 ", from.as_slice(), b" && mv ", &from, b" ", &to, b" || { rm -f ", &from] {
            script.extend_from_slice(part);
        }
        script.extend_from_slice(b"; exit 74; }\n");
        let what = format!("store {} whole", artifact.source.display());
        shell_ok(self.transport(), &what, &script, patience(artifact.bytes)).map(drop)
    }

    pub(super) fn store(&self) -> RemotePath {
        self.work.join("store")
    }

    pub(super) fn stored(&self, sha256: Sha256) -> RemotePath {
        self.store().join(&sha256.to_string())
    }

    pub(super) fn lock(&self) -> RemotePath {
        self.work.join("lock")
    }

    pub(super) fn run_folder(&self) -> RemotePath {
        self.work.join(&self.run)
    }
}

fn patience(bytes: u64) -> Duration {
    QUICK + Duration::from_secs(bytes / SLOWEST_PUSH)
}
