//! Machine processes of the scale model, each a `clocklab machine`, as a person in many terminals would start them.

use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use clocklab::trace::{Footer, Header, Line, LogReader, Record};

/// The processes. Killed if dropped before their end.
#[derive(Debug)]
pub struct Fleet {
    children: Vec<Child>,
}

/// How machines are started.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub machines: u16,
    pub rates: &'a str,
    pub duration: Duration,
    /// Folder of run folders; the run is called `bench`.
    pub logs: &'a Path,
}

impl Fleet {
    /// Starts all machines, the smallest id first. The program is the one that cargo built for this measurement.
    pub fn start(order: &Order<'_>) -> Self {
        let base_port = super::free_base_port(order.machines).to_string();
        let machine = |id: u16| {
            Command::new(env!("CARGO_BIN_EXE_clocklab"))
                .args(["machine", "--quiet", "--run", "bench", "--seed", "7"])
                .args(["--id", &id.to_string(), "--machines", &order.machines.to_string()])
                .args(["--base-port", &base_port, "--rates", order.rates])
                .args(["--duration", &format!("{}ms", order.duration.as_millis())])
                .arg("--logs")
                .arg(order.logs)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("clocklab starts")
        };
        Self {
            children: (0..order.machines).map(machine).collect(),
        }
    }

    /// The processes' ids, machine 0 first.
    pub fn processes(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// Waits for the end of all, which must be a good one.
    pub fn join(mut self) {
        for (id, child) in self.children.iter_mut().enumerate() {
            let status = child.wait().expect("the machine's end");
            assert!(status.success(), "machine {id}: {status}");
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Both fail on a machine that has ended, which is the usual case.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Header and footer of a machine's log.
pub fn log_ends(logs: &Path, machine: u16) -> (Header, Footer) {
    let path = logs.join("bench").join(format!("machine-{machine}.log"));
    let file = BufReader::new(File::open(&path).expect("the log"));
    let mut log = LogReader::new(path.display().to_string(), file).expect("a log");
    let mut footer = None;
    while let Some(entry) = log.next_entry().expect("every line can be read") {
        if let Line::Record {
            record: Record::Ended(found),
            ..
        } = entry.what
        {
            footer = Some(found);
        }
    }
    (log.header().clone(), *footer.expect("a complete log"))
}

/// How many of the machines have begun their log: passed the start barrier.
pub fn started(logs: &Path) -> usize {
    let folder = fs::read_dir(logs.join("bench")).into_iter().flatten();
    let names = folder.filter_map(Result::ok).map(|entry| entry.file_name());
    names
        .filter(|name| name.as_encoded_bytes().starts_with(b"machine-"))
        .count()
}
