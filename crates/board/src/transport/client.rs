//! What the transports share: running a client program, and files inside one stream of bytes.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::Trouble;
use crate::{
    process::{Command, Ending},
    remote::{Nonce, RemotePath, Reply, quote, unwrap},
};

/// How much of a client's messages people get to see.
const MESSAGE_BYTES: u64 = 2000;

/// Runs a client program to its end and finds the reply in what it delivered.
pub(super) fn reply(board: &str, nonce: &Nonce, command: &Command) -> Result<Reply, Trouble> {
    let scratch = tempfile::tempdir().map_err(Trouble::file(&std::env::temp_dir()))?;
    let finished = command.run(&scratch.path().join("stdout"), &scratch.path().join("stderr"))?;
    let stdout = finished.stdout.read().map_err(Trouble::file(&finished.stdout.path))?;
    unwrap(nonce, &stdout).ok_or_else(|| match finished.ending {
        Ending::TimedOut => Trouble::Silent { board: board.to_owned(), after: finished.wall },
        Ending::Cancelled => Trouble::Cancelled,
        // A client that could not even reach the board tells people why, nearly always there.
        ending => {
            let stderr = tail(&finished.stderr.path).unwrap_or_default();
            Trouble::NoReply { board: board.to_owned(), ending, stderr }
        }
    })
}

/// The end of what a client wrote for people.
pub(super) fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(MESSAGE_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(MESSAGE_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// A script that stores its standard input in a file and tells how many bytes the file then has.
pub(super) fn store_input(remote: &RemotePath) -> Vec<u8> {
    let path = quote(remote.as_bytes());
    [b"{ cat >", path.as_slice(), b" && wc -c <", path.as_slice(), b"; } 2>&1"].concat()
}

/// Checks what [`store_input`] told.
pub(super) fn check_stored(board: &str, local: &Path, told: &[u8]) -> Result<(), Trouble> {
    let sent = local.metadata().map_err(Trouble::file(local))?.len();
    let stored = std::str::from_utf8(told).ok().and_then(|text| text.trim().parse::<u64>().ok());
    if stored == Some(sent) {
        return Ok(());
    }
    let reason = format!("of the {sent} bytes of {} it stored {stored:?}", local.display());
    Err(Trouble::Damaged { board: board.to_owned(), reason })
}

/// A script that writes files to its standard output, each after a line with its length.
pub(super) fn stream_files(files: &[(RemotePath, PathBuf)], max_bytes: u64) -> Vec<u8> {
    for_each_file(files, max_bytes, b"echo \"$n\" && cat \"$f\" || exit 66\n")
}

/// A script that writes a line with the length of each file.
pub(super) fn measure_files(files: &[(RemotePath, PathBuf)], max_bytes: u64) -> Vec<u8> {
    for_each_file(files, max_bytes, b"echo \"$n\"\n")
}

/// Does something with each file `$f` of length `$n`, once it is known to be a regular one and within the limit.
fn for_each_file(files: &[(RemotePath, PathBuf)], max_bytes: u64, action: &[u8]) -> Vec<u8> {
    let mut script = format!("left={max_bytes}\n").into_bytes();
    for (remote, _) in files {
        script.extend_from_slice(b"f=");
        script.extend_from_slice(&quote(remote.as_bytes()));
        script.extend_from_slice(
            b"\n[ -f \"$f\" ] && [ ! -h \"$f\" ] || { echo \"no file $f\"; exit 66; }\n\
              n=$(wc -c <\"$f\") && n=$((n)) && left=$((left - n)) || exit 66\n\
              [ \"$left\" -ge 0 ] || { echo \"too large: $f\"; exit 67; }\n",
        );
        script.extend_from_slice(action);
    }
    script
}

/// Takes apart what [`stream_files`] wrote.
pub(super) fn unpack_files(board: &str, files: &[(RemotePath, PathBuf)], mut stream: &[u8]) -> Result<(), Trouble> {
    let damaged = |reason: String| Trouble::Damaged { board: board.to_owned(), reason };
    for (remote, local) in files {
        let line_end = stream.iter().position(|&byte| byte == b'\n').ok_or_else(|| damaged(format!("no {remote}")))?;
        let length = std::str::from_utf8(&stream[..line_end]).ok().and_then(|text| text.trim().parse::<usize>().ok());
        let rest = &stream[line_end + 1..];
        let Some((contents, rest)) = length.and_then(|length| rest.split_at_checked(length)) else {
            return Err(damaged(format!("{remote} arrived in part")));
        };
        write(local, contents)?;
        stream = rest;
    }
    if stream.is_empty() { Ok(()) } else { Err(damaged("more bytes arrived than were announced".into())) }
}

fn write(path: &Path, contents: &[u8]) -> Result<(), Trouble> {
    File::create(path).and_then(|mut file| file.write_all(contents)).map_err(Trouble::file(path))
}

/// Bytes as an argument; where arguments are text, lossily.
pub(super) fn os_string(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec());
    #[cfg(not(unix))]
    String::from_utf8_lossy(bytes).into_owned().into()
}
