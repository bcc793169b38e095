//! Where the code can be broken, and what has to be written there so that it can be at run time.
//!
//! Every place becomes a call into `crate::mutant`, which knows what is broken now. Nothing is
//! printed anew: pieces are put around what stands there.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of syntax trees are syn's, and open"
)]

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ImplItemFn, ItemFn, ItemImpl, ItemMod, Pat, Signature, Stmt};

use crate::edit::Edits;
use crate::operator::Operator;
use crate::reading::{
    asks, binds, calls_on_outbox, core_of, is_broken_rule, is_comparison, is_for_tests,
    is_no_protocol, is_predicate, says_bool, tail_of,
};

/// One mutant: a place and a way to break it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mutant {
    /// The source file, from the workspace's root.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The function, after the type that it belongs to.
    pub function: String,
    /// How it is broken.
    pub operator: Operator,
    /// What is broken, in one line.
    pub snippet: String,
}

/// A `const fn`, which can't ask anybody whether it is broken.
#[derive(Clone, Debug)]
pub(crate) struct ConstFunction {
    pub(crate) name: String,
    /// Where the keyword stands, with the blank after it.
    pub(crate) keyword: Range<usize>,
    /// The names that it calls.
    pub(crate) calls: BTreeSet<String>,
    /// Whether a place to break is in it.
    pub(crate) has_places: bool,
}

/// What was found in one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) mutants: Vec<Mutant>,
    pub(crate) edits: Edits,
    pub(crate) constants: Vec<ConstFunction>,
}

/// The functions that return nothing, by name: what calls them can be left out.
pub(crate) type Units = BTreeSet<String>;

/// Finds the places of one file. The first mutant gets the number `first`.
///
/// # Errors
///
/// The file is no Rust.
pub(crate) fn find(file: &str, text: &str, first: u32, units: &Units) -> Result<Found, syn::Error> {
    let parsed = syn::parse_file(text)?;
    let mut finder = Finder {
        file,
        text,
        next: first,
        units,
        path: Vec::new(),
        negated: BTreeSet::new(),
        constant: None,
        found: Found::default(),
    };
    finder.visit_file(&parsed);
    Ok(finder.found)
}

struct Finder<'a> {
    file: &'a str,
    text: &'a str,
    next: u32,
    units: &'a Units,
    /// The type and the functions around the present place.
    path: Vec<String>,
    /// What has been negated, without its parentheses.
    negated: BTreeSet<(usize, usize)>,
    /// The `const fn` around the present place.
    constant: Option<ConstFunction>,
    found: Found,
}

fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

impl Finder<'_> {
    fn add(&mut self, operator: Operator, node: &impl Spanned) -> u32 {
        let id = self.next;
        self.next += 1;
        let words = self.text[range(node)].split_whitespace();
        self.found.mutants.push(Mutant {
            file: self.file.to_owned(),
            line: node.span().start().line,
            function: self.path.join("::"),
            operator,
            snippet: words.collect::<Vec<_>>().join(" "),
        });
        if let Some(constant) = &mut self.constant {
            constant.has_places = true;
        }
        id
    }

    /// A condition, unless a mutant made by hand is asked about in it alone.
    fn negate(&mut self, condition: &Expr) {
        let core = core_of(condition);
        if is_broken_rule(core) || matches!(core, Expr::Lit(_)) || binds(core) {
            return;
        }
        let key = range(core);
        if !self.negated.insert((key.start, key.end)) {
            return;
        }
        let id = self.add(Operator::Negated, condition);
        let call = format!("crate::mutant::guard({id}, ");
        self.found.edits.around(range(condition), call, ")");
    }

    fn shift(&mut self, name: &str, comparison: &syn::ExprBinary) {
        let id = self.add(Operator::LeftPlusOne, comparison);
        self.add(Operator::RightPlusOne, comparison);
        let edits = &mut self.found.edits;
        let (left, right) = (range(&comparison.left), range(&comparison.right));
        let call = format!("crate::mutant::{name}({id}, &(");
        edits.around(left.start..right.end, call, "))");
        edits.instead(left.end..right.start, "), &(");
    }

    /// An effect, or a call that emits some.
    fn drop(&mut self, call: &Expr, stretch: Range<usize>) {
        let id = self.add(Operator::Dropped, call);
        let check = format!("if crate::mutant::keep({id}) {{ ");
        self.found.edits.around(stretch, check, " }");
    }

    /// Whether it may be left out where its value would be used, because it has none.
    fn is_unit(&self, call: &Expr) -> bool {
        match call {
            Expr::MethodCall(call) => {
                let name = call.method.to_string();
                name == "push" || name == "push_back" || self.units.contains(&name)
            }
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) => {
                    let last = path.path.segments.last();
                    last.is_some_and(|last| self.units.contains(&last.ident.to_string()))
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        if is_no_protocol(signature) {
            return;
        }
        self.path.push(signature.ident.to_string());
        let outer = self.constant.take();
        if let Some(keyword) = &signature.constness {
            let start = range(keyword).start;
            self.constant = Some(ConstFunction {
                name: signature.ident.to_string(),
                keyword: start..start + "const ".len(),
                calls: BTreeSet::new(),
                has_places: false,
            });
        }
        if says_bool(signature)
            && let Some(tail) = tail_of(block)
        {
            self.negate(tail);
        }
        self.visit_block(block);
        self.found.constants.extend(self.constant.take());
        self.constant = outer;
        self.path.pop();
    }

    fn calls(&mut self, name: String) {
        if let Some(constant) = &mut self.constant {
            constant.calls.insert(name);
        }
    }

    /// A branch that only a mutant made by hand can enter is not looked at.
    fn arm(&mut self, arm: &syn::Arm, on_rule: bool) {
        let dead_literal = on_rule
            && matches!(&arm.pat, Pat::Lit(lit) if matches!(&lit.lit, syn::Lit::Bool(it) if it.value));
        let mut dead = dead_literal;
        if let Pat::Guard(guarded) = &arm.pat {
            self.negate(&guarded.guard);
            self.visit_expr(&guarded.guard);
            dead |= is_broken_rule(&guarded.guard);
        }
        if dead {
            return;
        }
        if calls_on_outbox(&arm.body) && self.is_unit(&arm.body) {
            self.drop(&arm.body, range(&arm.body));
        }
        self.visit_expr(&arm.body);
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let of = item.trait_.as_ref();
        let name = of.and_then(|of| of.0.segments.last());
        // How things are shown, and how the checker walks over them, is no protocol.
        let skipped = ["Visit", "VisitDeadline", "Display", "Debug", "Mutation"];
        if name.is_some_and(|name| skipped.iter().any(|other| name.ident == other)) {
            return;
        }
        if let syn::Type::Path(path) = &*item.self_ty
            && let Some(last) = path.path.segments.last()
        {
            self.path.push(last.ident.to_string());
            visit::visit_item_impl(self, item);
            self.path.pop();
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if is_comparison(expression) {
            self.negate(expression);
        }
        visit::visit_expr(self, expression);
    }

    fn visit_expr_if(&mut self, item: &'ast syn::ExprIf) {
        self.negate(&item.cond);
        self.visit_expr(&item.cond);
        let is_negative = matches!(&*item.cond, Expr::Unary(_));
        let on_rule = is_broken_rule(core_of(&item.cond));
        if !on_rule || is_negative {
            self.visit_block(&item.then_branch);
        }
        if let Some((_, other)) = &item.else_branch
            && !(on_rule && is_negative)
        {
            self.visit_expr(other);
        }
    }

    fn visit_expr_while(&mut self, item: &'ast syn::ExprWhile) {
        self.negate(&item.cond);
        visit::visit_expr_while(self, item);
    }

    fn visit_expr_match(&mut self, item: &'ast syn::ExprMatch) {
        let on_rule = is_broken_rule(&item.expr);
        let is_literal = |arm: &syn::Arm| matches!(&arm.pat, Pat::Lit(lit) if matches!(lit.lit, syn::Lit::Bool(_)));
        if item.arms.iter().all(is_literal) {
            self.negate(&item.expr);
        }
        self.visit_expr(&item.expr);
        for arm in &item.arms {
            self.arm(arm, on_rule);
        }
    }

    fn visit_expr_let(&mut self, item: &'ast syn::ExprLet) {
        let id = self.add(Operator::NeverMatches, item);
        let also = format!(" && crate::mutant::pass({id})");
        self.found.edits.around(range(item), String::new(), &also);
        self.visit_expr(&item.expr);
    }

    fn visit_expr_binary(&mut self, item: &'ast syn::ExprBinary) {
        if let BinOp::And(_) | BinOp::Or(_) = item.op {
            for side in [&item.left, &item.right] {
                // Of a chain only its links are negated, and the whole where it decides.
                if !matches!(&**side, Expr::Binary(inner) if is_same(&inner.op, &item.op)) {
                    self.negate(side);
                }
            }
        }
        let shifted = match item.op {
            BinOp::Lt(_) => Some("lt"),
            BinOp::Le(_) => Some("le"),
            BinOp::Gt(_) => Some("gt"),
            BinOp::Ge(_) => Some("ge"),
            _ => None,
        };
        if let Some(name) = shifted {
            self.shift(name, item);
        }
        visit::visit_expr_binary(self, item);
    }

    fn visit_expr_method_call(&mut self, item: &'ast syn::ExprMethodCall) {
        let name = item.method.to_string();
        if is_predicate(&name) {
            for argument in &item.args {
                if let Expr::Closure(closure) = argument {
                    match &*closure.body {
                        Expr::Block(block) => {
                            if let Some(tail) = tail_of(&block.block) {
                                self.negate(tail);
                            }
                        }
                        body => self.negate(body),
                    }
                }
            }
        }
        if name == "then" || name == "then_some" {
            self.negate(&item.receiver);
        }
        self.calls(name);
        visit::visit_expr_method_call(self, item);
    }

    fn visit_expr_call(&mut self, item: &'ast syn::ExprCall) {
        if let Expr::Path(path) = &*item.func
            && let Some(last) = path.path.segments.last()
        {
            self.calls(last.ident.to_string());
        }
        visit::visit_expr_call(self, item);
    }

    fn visit_local(&mut self, item: &'ast syn::Local) {
        let Some(init) = &item.init else {
            return;
        };
        match (&init.diverge, &item.pat) {
            // What is done when nothing matches is done first, whatever would match.
            (Some((_, otherwise)), _) => {
                let id = self.add(Operator::NeverMatches, &*init.expr);
                let text = &self.text[range(otherwise)];
                let check = format!("if !crate::mutant::pass({id}) {text} ");
                self.found.edits.around(range(item), check, "");
            }
            (None, Pat::Ident(_)) => {
                if let Expr::MethodCall(call) = core_of(&init.expr)
                    && asks(&call.method.to_string())
                {
                    self.negate(&init.expr);
                }
            }
            (None, _) => {}
        }
        visit::visit_local(self, item);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        for statement in &block.stmts {
            if let Stmt::Expr(call, semicolon) = statement
                && calls_on_outbox(call)
                && (semicolon.is_some() || self.is_unit(call))
            {
                self.drop(call, range(statement));
            }
            self.visit_stmt(statement);
        }
    }
}

/// Whether two operators of a chain are the same.
fn is_same(one: &BinOp, other: &BinOp) -> bool {
    matches!(
        (one, other),
        (BinOp::And(_), BinOp::And(_)) | (BinOp::Or(_), BinOp::Or(_))
    )
}
