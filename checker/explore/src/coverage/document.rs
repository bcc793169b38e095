//! The document about coverage, with its figures and its pictures.

use super::judgement::Coverage;

/// Every file, by its path in the directory of documents.
#[must_use]
pub fn files(coverage: &Coverage) -> Vec<(String, String)> {
    let _ = coverage;
    Vec::new()
}

/// Layers with their numbers of hosts: `l2/2,3 l4/2`.
#[must_use]
pub fn places(places: &[(&str, usize)]) -> String {
    let mut text = String::new();
    let mut last = "";
    for (layer, hosts) in places {
        match *layer == last {
            true => text.push_str(&format!(",{hosts}")),
            false if text.is_empty() => text.push_str(&format!("{layer}/{hosts}")),
            false => text.push_str(&format!(" {layer}/{hosts}")),
        }
        last = layer;
    }
    text
}
