//! A daemon that speaks adb's protocol as a real adbd does, legacy or modern, with the lies of each: adb's own client and
//! server talk to it over TCP. Services: `shell:` (a terminal: merged streams, `\r\n`, no exit code), `shell,v2,…:`, `sync:`.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

const CNXN: u32 = u32::from_le_bytes(*b"CNXN");
const OPEN: u32 = u32::from_le_bytes(*b"OPEN");
const OKAY: u32 = u32::from_le_bytes(*b"OKAY");
const WRTE: u32 = u32::from_le_bytes(*b"WRTE");
const CLSE: u32 = u32::from_le_bytes(*b"CLSE");

/// How old the daemon is; the two lie in different ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// Without `shell_v2`, as Buildroot and Rockchip images ship it.
    Legacy,
    /// With `shell_v2`.
    Modern,
}

impl Age {
    fn max_data(self) -> usize {
        if self == Self::Legacy { 4096 } else { 256 << 10 }
    }

    fn version(self) -> u32 {
        if self == Self::Legacy { 0x0100_0000 } else { 0x0100_0001 }
    }

    fn banner(self) -> &'static str {
        match self {
            Self::Legacy => "device::ro.product.name=board;ro.product.model=board;ro.product.device=board;",
            Self::Modern => {
                "device::ro.product.name=board;ro.product.model=board;ro.product.device=board;features=shell_v2"
            }
        }
    }
}

/// What tests do to a daemon while it serves.
#[derive(Debug, Default)]
struct Gate {
    frozen: Mutex<bool>,
    thawed: Condvar,
    dead: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    /// What its shells find in their environment besides.
    variables: Vec<(String, String)>,
}

impl Gate {
    /// Where a frozen daemon stands still.
    fn pass(&self) {
        let frozen = self.frozen.lock().unwrap();
        drop(self.thawed.wait_while(frozen, |frozen| *frozen).unwrap());
    }
}

/// A daemon that is a board.
#[derive(Debug)]
pub struct Adbd {
    /// Where it listens: `127.0.0.1:PORT` is its serial.
    pub port: u16,
    gate: Arc<Gate>,
}

impl Adbd {
    /// Listens on a free port of loopback.
    pub fn start(age: Age) -> Self {
        Self::start_with(age, &[])
    }

    /// The same, with these variables for what runs behind it.
    pub fn start_with(age: Age, variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let gate = Arc::new(Gate { variables, ..Gate::default() });
        let served = gate.clone();
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if served.dead.load(Ordering::SeqCst) {
                    return;
                }
                served.connections.lock().unwrap().push(connection.try_clone().unwrap());
                let gate = served.clone();
                thread::spawn(move || drop(serve(connection, age, &gate)));
            }
        });
        Self { port, gate }
    }

    /// Stands still: connections stay up, and nothing is answered any more.
    pub fn freeze(&self, frozen: bool) {
        *self.gate.frozen.lock().unwrap() = frozen;
        self.gate.thawed.notify_all();
    }

    /// Drops every connection, as a daemon that dies; it takes new ones, as one that init starts again.
    pub fn die(&self) {
        for connection in self.gate.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Adbd {
    fn drop(&mut self) {
        self.gate.dead.store(true, Ordering::SeqCst);
        self.freeze(false);
        self.die();
        // The listener wakes up, sees the end and closes the port.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

enum Signal {
    Data(Vec<u8>),
    Ready,
}

/// One service's two-way stream; writes wait for the other side's OKAY, as the protocol wants.
struct Stream {
    own: u32,
    other: u32,
    writer: Arc<Mutex<TcpStream>>,
    signals: Receiver<Signal>,
    unread: Vec<u8>,
    max_data: usize,
}

fn send(writer: &Mutex<TcpStream>, command: u32, arg0: u32, arg1: u32, data: &[u8]) -> io::Result<()> {
    let sum = data.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    let words = [command, arg0, arg1, data.len() as u32, sum, command ^ u32::MAX];
    let mut message: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    message.extend_from_slice(data);
    writer.lock().unwrap().write_all(&message)
}

fn serve(mut connection: TcpStream, age: Age, gate: &Arc<Gate>) -> io::Result<()> {
    let writer = Arc::new(Mutex::new(connection.try_clone()?));
    let mut streams: HashMap<u32, Sender<Signal>> = HashMap::new();
    let mut last_id = 0;
    loop {
        let mut header = [0; 24];
        connection.read_exact(&mut header)?;
        gate.pass();
        let word = |index: usize| u32::from_le_bytes(header[4 * index..4 * index + 4].try_into().unwrap());
        let (command, arg0, arg1) = (word(0), word(1), word(2));
        let mut data = vec![0; word(3) as usize];
        connection.read_exact(&mut data)?;
        match command {
            CNXN => send(&writer, CNXN, age.version(), age.max_data() as u32, age.banner().as_bytes())?,
            OPEN => {
                last_id += 1;
                let (signal, signals) = mpsc::channel();
                streams.insert(last_id, signal);
                let service = data.strip_suffix(b"\0").unwrap_or(&data).to_vec();
                let stream = Stream {
                    own: last_id,
                    other: arg0,
                    writer: writer.clone(),
                    signals,
                    unread: Vec::new(),
                    max_data: age.max_data(),
                };
                let gate = gate.clone();
                thread::spawn(move || drop(stream.provide(&service, age, &gate)));
            }
            WRTE => {
                if let Some(stream) = streams.get(&arg1)
                    && stream.send(Signal::Data(data)).is_ok()
                {
                    send(&writer, OKAY, arg1, arg0, b"")?;
                }
            }
            OKAY => drop(streams.get(&arg1).map(|stream| stream.send(Signal::Ready))),
            CLSE => drop(streams.remove(&arg1)),
            _ => return Ok(()),
        }
    }
}

impl Stream {
    fn provide(mut self, service: &[u8], age: Age, gate: &Gate) -> io::Result<()> {
        let known = |name: &[u8]| service.strip_prefix(name).map(<[u8]>::to_vec);
        let outcome = if let Some(command) = known(b"shell:") {
            self.accept()?;
            self.terminal(&command, gate)
        } else if let (Some(options), Age::Modern) = (known(b"shell,v2,"), age) {
            // `TERM=xterm,raw:command`
            let colon = options.iter().position(|byte| *byte == b':').unwrap();
            self.accept()?;
            self.shell_v2(&options[colon + 1..], gate)
        } else if service == b"sync:" {
            self.accept()?;
            self.sync(gate)
        } else {
            // What an adbd does with a service that it does not know, `exec:` on a legacy one included.
            return send(&self.writer, CLSE, 0, self.other, b"");
        };
        send(&self.writer, CLSE, self.own, self.other, b"")?;
        outcome
    }

    fn accept(&self) -> io::Result<()> {
        send(&self.writer, OKAY, self.own, self.other, b"")
    }

    fn write(&mut self, data: &[u8], gate: &Gate) -> io::Result<()> {
        for chunk in data.chunks(self.max_data) {
            gate.pass();
            send(&self.writer, WRTE, self.own, self.other, chunk)?;
            loop {
                match self.signals.recv().map_err(|_| io::ErrorKind::BrokenPipe)? {
                    Signal::Ready => break,
                    Signal::Data(data) => self.unread.extend(data),
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            if let Signal::Data(data) = self.signals.recv().map_err(|_| io::ErrorKind::BrokenPipe)? {
                self.unread.extend(data);
            }
        }
        let rest = self.unread.split_off(count);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    fn read_word(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.read(4)?.try_into().unwrap()))
    }

    /// Merged streams, `\n` as `\r\n`, and nobody learns the exit code.
    fn terminal(&mut self, command: &[u8], gate: &Gate) -> io::Result<()> {
        let (mut output, input) = io::pipe()?;
        let mut child = shell(command, gate).stdout(input.try_clone()?).stderr(input).spawn()?;
        let mut buffer = [0; 4096];
        loop {
            let read = output.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            let cooked: Vec<u8> = buffer[..read]
                .iter()
                .flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] })
                .collect();
            self.write(&cooked, gate)?;
        }
        child.wait().map(drop)
    }

    fn shell_v2(&mut self, command: &[u8], gate: &Gate) -> io::Result<()> {
        let mut child = shell(command, gate).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (packets, outbox) = mpsc::channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let errors = packets.clone();
        thread::spawn(move || forward(out, 1, &packets));
        thread::spawn(move || forward(err, 2, &errors));
        for packet in outbox {
            self.write(&packet, gate)?;
        }
        let code = child.wait()?.code().unwrap_or(255) as u8;
        self.write(&[3, 1, 0, 0, 0, code], gate)
    }

    fn sync(&mut self, gate: &Gate) -> io::Result<()> {
        loop {
            let id = self.read(4)?;
            let length = self.read_word()? as usize;
            let path = self.read(length)?;
            match id.as_slice() {
                b"STAT" => {
                    let about = fs::symlink_metadata(local(&path));
                    let words = about.map_or([0; 3], |about| [about.mode(), about.size() as u32, about.mtime() as u32]);
                    let answer: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                    self.write(&[b"STAT", answer.as_slice()].concat(), gate)?;
                }
                b"SEND" => {
                    let outcome = self.receive(&path)?;
                    self.finish(&outcome, gate)?;
                }
                b"RECV" => match fs::read(local(&path)) {
                    Ok(contents) => {
                        for chunk in contents.chunks(64 << 10) {
                            let head = [b"DATA".as_slice(), &(chunk.len() as u32).to_le_bytes()].concat();
                            self.write(&[head.as_slice(), chunk].concat(), gate)?;
                        }
                        self.write(b"DONE\0\0\0\0", gate)?;
                    }
                    Err(error) => self.finish(&Err(error), gate)?,
                },
                _ => return Ok(()),
            }
        }
    }

    /// `path,mode` and the contents; folders are made as needed.
    fn receive(&mut self, target: &[u8]) -> io::Result<io::Result<()>> {
        let comma = target.iter().rposition(|byte| *byte == b',').unwrap();
        let path = local(&target[..comma]);
        let mut file = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::File::create(&path));
        loop {
            let id = self.read(4)?;
            let length = self.read_word()?;
            if id != b"DATA" {
                break;
            }
            let data = self.read(length as usize)?;
            file = file.and_then(|mut file| file.write_all(&data).map(|()| file));
        }
        Ok(file.and_then(|file| {
            if file.metadata()?.is_file() { file.set_permissions(fs::Permissions::from_mode(0o644)) } else { Ok(()) }
        }))
    }

    fn finish(&mut self, outcome: &io::Result<()>, gate: &Gate) -> io::Result<()> {
        match outcome {
            Ok(()) => self.write(b"OKAY\0\0\0\0", gate),
            Err(error) => {
                let text = error.to_string();
                let head = [b"FAIL".as_slice(), &(text.len() as u32).to_le_bytes()].concat();
                self.write(&[head.as_slice(), text.as_bytes()].concat(), gate)
            }
        }
    }
}

fn shell(command: &[u8], gate: &Gate) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(std::ffi::OsStr::new(local(command).as_os_str())).stdin(Stdio::null());
    shell.envs(gate.variables.iter().map(|(name, value)| (name, value)));
    shell
}

fn forward(mut output: impl Read, id: u8, packets: &Sender<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = output.read(&mut buffer) {
        let head = [[id].as_slice(), &(read as u32).to_le_bytes()].concat();
        if packets.send([head.as_slice(), &buffer[..read]].concat()).is_err() {
            return;
        }
    }
}

fn local(bytes: &[u8]) -> std::path::PathBuf {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)).to_path_buf()
}

/// A private adb server on loopback, with keys in a folder of its own.
#[derive(Debug)]
pub struct AdbServer {
    /// Where clients find it.
    pub port: u16,
    home: tempfile::TempDir,
}

impl AdbServer {
    /// `None` after the skip was said: there is no adb on this machine.
    pub fn start(test: &str) -> Option<Self> {
        crate::require_program(test, "adb")?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { port, home: tempfile::tempdir().unwrap() };
        server.adb(&["start-server"]);
        Some(server)
    }

    /// What the client says on standard output.
    pub fn adb(&self, args: &[&str]) -> String {
        let mut adb = Command::new("adb");
        adb.env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .args(["-P", &self.port.to_string()])
            .args(args);
        // To a file: the server that the client leaves behind would hold a pipe open.
        let output = self.home.path().join("output");
        let file = fs::File::create(&output).unwrap();
        let _ = adb.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).status().unwrap();
        fs::read_to_string(output).unwrap()
    }
}

impl Drop for AdbServer {
    fn drop(&mut self) {
        self.adb(&["kill-server"]);
    }
}
