//! Bytes as POSIX shell words and as file contents, so that no name can become a command.

use super::RemotePath;

/// Source bytes in one `printf`: where it is no builtin, its argument must stay far below the system's 128 KB.
const CHUNK: usize = 8 << 10;

/// One shell word that means exactly these bytes. NUL, which no argument can hold, is left out.
///
/// ```
/// assert_eq!(board::remote::quote(b"it's $HOME"), b"'it'\\''s $HOME'");
/// ```
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    quoted.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            0 => {}
            byte => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Shell lines that append these bytes, whatever they are, to a file; joined by `&&`, without a final line break.
pub fn append_to_file(path: &RemotePath, contents: &[u8]) -> Vec<u8> {
    let target = quote(path.as_bytes());
    let mut script = [b": >>", target.as_slice()].concat();
    for chunk in contents.chunks(CHUNK) {
        script.extend_from_slice(b" &&\nprintf '");
        for &byte in chunk {
            match byte {
                b'%' => script.extend_from_slice(b"%%"),
                // A `-` could start an option.
                b' ' | b'!'..=b'~' if !b"'\\-".contains(&byte) => script.push(byte),
                _ => script.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            }
        }
        script.extend_from_slice(b"' >>");
        script.extend_from_slice(&target);
    }
    script
}
