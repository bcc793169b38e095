//! `ha-checker fence`: the commands that fence devices give.

use lockstep_model::format::fence::{Command, FenceConfig};

use crate::cases::{Case, NODES, Shown};

/// The directory that the names of files have in expectations, wherever the files lie.
const DIRECTORY: &str = "fence_cfgs";

/// The text that a configuration of fence devices gives.
pub(crate) fn show(case: &Case<'_>) -> Result<Shown, String> {
    Ok(match FenceConfig::read(case.path, case.text) {
        Ok((devices, warnings)) => Shown {
            output: tries(&devices),
            warnings,
        },
        Err(errors) => {
            let message = errors.message(&format!("{DIRECTORY}/{}", case.name));
            Shown {
                output: format!("[FenceConfig] {message}\n"),
                warnings: errors.warnings,
            }
        }
    })
}

/// Every try with the commands for each node, until no node has any.
fn tries(devices: &FenceConfig) -> String {
    let mut of_nodes = NODES.map(|node| (node, devices.tries(node)));
    let mut text = String::new();
    for attempt in 0.. {
        text.push_str(&format!("[try] {attempt}\n"));
        let mut is_last = true;
        for (node, tries) in &mut of_nodes {
            let mut commands = tries.next().unwrap_or_default();
            commands.sort_by(|a: &Command, b| a.number.cmp_number(&b.number));
            for command in &commands {
                text.push_str(&format!("[{node}-cmd] {}\n", command.line));
            }
            if commands.is_empty() {
                text.push_str(&format!("[{node}-cmd] none\n"));
            }
            is_last &= commands.is_empty();
        }
        if is_last {
            break;
        }
    }
    text
}
