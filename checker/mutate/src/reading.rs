//! What pieces of code mean, as far as their form tells.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of syntax trees are syn's, and open"
)]

use quote::ToTokens;
use syn::{Attribute, BinOp, Block, Expr, ReturnType, Signature, Stmt, UnOp};

/// An expression without its parentheses and negations.
pub(crate) fn core_of(expression: &Expr) -> &Expr {
    match expression {
        Expr::Paren(inner) => core_of(&inner.expr),
        Expr::Group(inner) => core_of(&inner.expr),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => core_of(&unary.expr),
        other => other,
    }
}

/// Whether a condition binds names by patterns, so that it stands in no other place.
pub(crate) fn binds(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(chain) if matches!(chain.op, BinOp::And(_)) => {
            binds(&chain.left) || binds(&chain.right)
        }
        _ => false,
    }
}

/// Whether it asks if a rule is broken by a mutant made by hand.
pub(crate) fn is_broken_rule(expression: &Expr) -> bool {
    match core_of(expression) {
        Expr::MethodCall(call) => call.method == "broken",
        _ => false,
    }
}

/// Whether two values are compared.
pub(crate) fn is_comparison(expression: &Expr) -> bool {
    match expression {
        Expr::Binary(binary) => matches!(
            binary.op,
            BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_)
        ),
        _ => false,
    }
}

/// Whether this is code of tests.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.meta.to_token_stream().to_string();
        text == "test" || (text.starts_with("cfg") && text.contains("test"))
    })
}

/// Whether a function only watches over the protocol: a machine's invariants.
pub(crate) fn is_no_protocol(signature: &Signature) -> bool {
    let output = signature.output.to_token_stream().to_string();
    output.contains("Violation")
}

/// Whether a function answers yes or no.
pub(crate) fn says_bool(signature: &Signature) -> bool {
    match &signature.output {
        ReturnType::Default => false,
        ReturnType::Type(_, of) => of.to_token_stream().to_string() == "bool",
    }
}

/// Whether a function returns nothing.
pub(crate) fn says_nothing(signature: &Signature) -> bool {
    matches!(signature.output, ReturnType::Default)
}

/// The value of a block, if it isn't one of a statement that chooses.
pub(crate) fn tail_of(block: &Block) -> Option<&Expr> {
    match block.stmts.last()? {
        Stmt::Expr(tail, None) => Some(tail),
        Stmt::Expr(_, Some(_)) | Stmt::Local(_) | Stmt::Item(_) | Stmt::Macro(_) => None,
    }
}

/// Whether a method's closure decides.
pub(crate) fn is_predicate(method: &str) -> bool {
    const PREDICATES: &[&str] = &[
        "all",
        "any",
        "filter",
        "find",
        "is_none_or",
        "is_ok_and",
        "is_some_and",
        "position",
        "retain",
        "skip_while",
        "take_if",
        "take_while",
    ];
    PREDICATES.contains(&method)
}

/// Whether a method answers yes or no, by its name.
pub(crate) fn asks(method: &str) -> bool {
    let is_question = ["is_", "has_", "may_", "wants_", "needs_", "are_"];
    let known = ["all", "any", "contains", "contains_key"];
    is_question.iter().any(|start| method.starts_with(start)) || known.contains(&method)
}

/// What effects are collected in, by the name of the variable or field.
const OUTBOXES: &[&str] = &["changes", "compares", "effects", "out", "puts"];

/// Whether this is a call that emits an effect or hands the outbox on to what may. What is only
/// said to people is no effect.
pub(crate) fn calls_on_outbox(expression: &Expr) -> bool {
    let is_outbox = |argument: &Expr| match argument {
        Expr::Path(path) => path
            .path
            .get_ident()
            .is_some_and(|name| OUTBOXES.iter().any(|outbox| name == outbox)),
        _ => false,
    };
    match expression {
        Expr::MethodCall(call) => {
            let name = call.method.to_string();
            if name.starts_with("say") {
                return false;
            }
            let receiver = call.receiver.to_token_stream().to_string();
            let parts: Vec<&str> = receiver.split([' ', '.']).collect();
            let said = parts.contains(&"events") || parts.contains(&"broken");
            let collected = ["push", "push_back", "extend", "insert", "append"];
            let emits = collected.contains(&&*name)
                && parts.iter().any(|part| OUTBOXES.contains(part))
                && !said;
            let changes = ["change", "set_node"].contains(&&*name);
            emits || changes || call.args.iter().any(is_outbox)
        }
        Expr::Call(call) => call.args.iter().any(is_outbox),
        Expr::Try(inner) => calls_on_outbox(&inner.expr),
        _ => false,
    }
}
