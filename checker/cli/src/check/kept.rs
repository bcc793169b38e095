//! Searches kept in files, to go on with them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lockstep_explore::configuration::Configuration;
use lockstep_explore::search::{Checkpoint, Fingerprinter, Options, Saved};
use lockstep_world::World;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::arguments::Check;
use crate::failure::{End, Failure};

/// What of the waiting states stays in memory: this part of the memory limit, or so many bytes
/// without one. The rest of the memory is for what was visited, which can't go to the disk.
const QUEUE_PART: u64 = 16;
const QUEUE_BYTES: u64 = 1 << 30;

/// Where and how the searches of a run are kept.
pub(super) struct Kept {
    directory: PathBuf,
    resume: bool,
    every: Duration,
    /// This program, by its content: another one may count other states.
    program: u128,
    interrupt: Arc<AtomicBool>,
}

impl Kept {
    /// What was asked for, if anything was. From here on an interrupt ends a search, and a second
    /// one the process.
    pub(super) fn begin(asked: &Check) -> Result<Option<Self>, Failure> {
        let Some(directory) = &asked.checkpoint else {
            return Ok(None);
        };
        fs::create_dir_all(directory).map_err(|error| failed("make", directory, &error))?;
        let program = std::env::current_exe().and_then(fs::read);
        let program = program
            .map_err(|error| Failure::Bug(format!("failed to read this very program: {error}")))?;
        let interrupt = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let code = i32::from(End::Truncated.code());
            flag::register_conditional_shutdown(signal, code, Arc::clone(&interrupt))?;
            flag::register(signal, Arc::clone(&interrupt))?;
        }
        Ok(Some(Self {
            directory: directory.clone(),
            resume: asked.resume,
            every: Duration::from_millis(asked.checkpoint_every.0),
            program: Fingerprinter::default().of(&program),
            interrupt,
        }))
    }

    /// Whether somebody wants the run to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Has a search be kept, and reads what is there of it.
    pub(super) fn open(
        &self,
        configuration: &Configuration,
        options: &mut Options,
    ) -> Result<Option<Saved<World>>, Failure> {
        let file = self.file(configuration);
        let subject = format!("{:032x} {:?}", self.program, configuration.setup);
        options.interrupt = Some(Arc::clone(&self.interrupt));
        options.checkpoint = Some(Checkpoint {
            file: file.clone(),
            queue_bytes: options
                .limits
                .bytes
                .map_or(QUEUE_BYTES, |limit| limit / QUEUE_PART),
            name: configuration.name.clone(),
            subject: Fingerprinter::default().of(&subject),
            every: self.every,
        });
        if !file.exists() {
            return Ok(None);
        }
        let file = file.display();
        if !self.resume {
            return Err(Failure::input(format!(
                "{file} is there from an earlier run; --resume goes on with it"
            )));
        }
        let saved = configuration.open(options);
        saved
            .map(Some)
            .map_err(|refused| Failure::input(format!("failed to go on from {file}: {refused}")))
    }

    /// Nothing is left to go on with.
    pub(super) fn forget(&self, configuration: &Configuration) -> Result<(), Failure> {
        let file = self.file(configuration);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &file, &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn file(&self, configuration: &Configuration) -> PathBuf {
        let name = configuration.name.replace('/', "-");
        self.directory.join(format!("{name}.checkpoint"))
    }
}

fn failed(to: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("failed to {to} {}: {error}", path.display()))
}
