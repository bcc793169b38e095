//! `ha-checker rules`: what becomes of affinity rules.

use std::collections::BTreeMap;

use lockstep_model::format::rules::{Demand, Rule, Rules};
use lockstep_model::format::section::Content as _;
use lockstep_model::format::{Sections, Warnings};
use lockstep_model::rules::compile::{Compiled, Partners, Priorities};
use lockstep_model::rules::translate;
use serde::Serialize;
use sha1::{Digest as _, Sha1};

use crate::cases::{Case, NODES, Shown, json};

/// The most bytes of section names in the list of errors, which has them anew for each error.
const ERROR_BYTES_MAX: usize = 64 << 20;

/// The rules after transformation, with what could not be read of them.
#[derive(Serialize)]
struct ConfigDocument<'a> {
    digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorDocument<'a>>,
    ids: BTreeMap<&'a str, RuleDocument<'a>>,
    order: BTreeMap<&'a str, u64>,
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    context: String,
    err: String,
    key: &'a str,
    section: &'a str,
}

/// A rule. Flags are numbers, sets are maps to 1.
#[derive(Serialize)]
struct RuleDocument<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    affinity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<BTreeMap<&'a str, NodeDocument<u64>>>,
    resources: BTreeMap<&'a str, u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<u8>,
    #[serde(rename = "type")]
    type_name: &'static str,
}

#[derive(Serialize)]
struct NodeDocument<P> {
    priority: P,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct CompiledDocument<'a> {
    node_affinity: BTreeMap<&'a str, NodesDocument<'a>>,
    resource_affinity: AffinityDocument<'a>,
}

#[derive(Serialize)]
struct NodesDocument<'a> {
    nodes: BTreeMap<&'a str, NodeDocument<i64>>,
}

#[derive(Serialize)]
struct AffinityDocument<'a> {
    negative: BTreeMap<&'a str, BTreeMap<&'a str, u8>>,
    positive: BTreeMap<&'a str, BTreeMap<&'a str, u8>>,
}

/// The text that a rules configuration gives.
pub(crate) fn show(case: &Case<'_>) -> Result<Shown, String> {
    let (rules, warnings): (Rules, Warnings) = Sections::read(case.path, case.text);
    let repeated = warnings.property_errors();
    let repeated: usize = repeated.map(|(_, section, ..)| section.len()).sum();
    if repeated > ERROR_BYTES_MAX {
        return Err("too many properties can't be read, expected a rules configuration".to_owned());
    }
    let translated = translate(rules, &NODES.into()).map_err(|error| error.to_string())?;
    let mut output = "--- Log ---\n".to_owned();
    for dropped in &translated.dropped {
        output.push_str(&format!("{dropped}\n"));
    }
    let config = config_document(case, &translated.rules, &warnings);
    let config = json::text(&config).map_err(|error| error.to_string())?;
    let compiled = compiled_document(&translated.compiled);
    let compiled = json::text(&compiled).map_err(|error| error.to_string())?;
    output.extend(["--- Config ---\n", &config]);
    output.extend(["--- Compiled Config ---\n", &compiled]);
    Ok(Shown { output, warnings })
}

fn config_document<'a>(
    case: &Case<'_>,
    rules: &'a Rules,
    warnings: &'a Warnings,
) -> ConfigDocument<'a> {
    let error = |(line, section, key, error)| ErrorDocument {
        // Wherever the file lies, as an expectation does not depend on that.
        context: format!("file rules_cfgs/{} line {line}", case.name),
        err: format!("{error}\n"),
        key,
        section,
    };
    let orders = rules.iter().map(|(id, _)| (id, rules.order(id)));
    ConfigDocument {
        digest: digest(case.text),
        errors: warnings.property_errors().map(error).collect(),
        ids: rules
            .iter()
            .map(|(id, rule)| (id, rule_document(rule)))
            .collect(),
        order: orders
            .filter_map(|(id, order)| Some((id, order?)))
            .collect(),
    }
}

/// SHA-1, in hexadecimal.
fn digest(text: &str) -> String {
    let bytes = Sha1::digest(text);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rule_document(rule: &Rule) -> RuleDocument<'_> {
    let (affinity, nodes, strict) = match &rule.demand {
        Demand::Nodes { nodes, strict } => {
            let nodes = nodes.iter().map(|(node, priority)| {
                let priority = *priority;
                (node.as_str(), NodeDocument { priority })
            });
            (None, Some(nodes.collect()), *strict)
        }
        Demand::Affinity(affinity) => (Some(affinity.name()), None, None),
    };
    RuleDocument {
        affinity,
        comment: rule.comment.as_deref(),
        disable: rule.disable.map(u8::from),
        nodes,
        resources: rule
            .resources
            .iter()
            .map(|name| (name.as_str(), 1))
            .collect(),
        strict: strict.map(u8::from),
        type_name: rule.type_name(),
    }
}

fn compiled_document(compiled: &Compiled) -> CompiledDocument<'_> {
    fn nodes(priorities: &Priorities) -> NodesDocument<'_> {
        let nodes = priorities.iter().map(|(node, priority)| {
            let priority = *priority;
            (node.as_str(), NodeDocument { priority })
        });
        NodesDocument {
            nodes: nodes.collect(),
        }
    }
    fn partners(partners: &Partners) -> BTreeMap<&str, BTreeMap<&str, u8>> {
        let others = partners.iter().map(|(resource, others)| {
            let others = others.iter().map(|other| (other.as_str(), 1));
            (resource.as_str(), others.collect())
        });
        others.collect()
    }
    let node_affinity = compiled.node_affinity.iter();
    CompiledDocument {
        node_affinity: node_affinity
            .map(|(resource, priorities)| (resource.as_str(), nodes(priorities)))
            .collect(),
        resource_affinity: AffinityDocument {
            negative: partners(&compiled.negative),
            positive: partners(&compiled.positive),
        },
    }
}
