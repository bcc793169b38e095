//! `ha-lrm` on a store with a gate, whose file `LOCKSTEP_GATE` names.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use lockstep_node::{cli, lrm};
use lockstep_tests::gate::Gated;

fn main() -> ExitCode {
    cli::lrm_main(|settings| {
        let embedded = cli::embedded(settings);
        let gate = PathBuf::from(env::var_os("LOCKSTEP_GATE").unwrap_or_default());
        let gated: lrm::Opener = Arc::new(move |past| {
            let (store, gate) = (embedded(past)?, gate.clone());
            Ok(Box::new(Gated { store, gate }))
        });
        gated
    })
}
