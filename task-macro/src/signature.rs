//! Reads the signature of a task's function, and refuses signatures that a task cannot have.
//!
//! Types are recognised by the last segment of their path as written: `TaskContext`,
//! `tasks::TaskContext`. Aliases are not recognised.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{
    Error, FnArg, GenericArgument, Pat, PatType, PathArguments, PathSegment, Result, ReturnType,
    Type, TypeReference,
};

/// Which attribute was used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Sync,
    Async,
}

/// The signature of a function that can be a task.
pub(crate) struct Signature<'a> {
    pub(crate) flavour: Flavour,
    /// The first parameter is the `TaskContext`.
    pub(crate) context: bool,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) output: Output<'a>,
}

/// The parameters after the context.
pub(crate) enum Arguments<'a> {
    /// `Vec<ArgValue>`: any arguments.
    Any,
    /// One parameter for each argument.
    Typed(Vec<Parameter<'a>>),
}

pub(crate) struct Parameter<'a> {
    pub(crate) name: String,
    pub(crate) ty: &'a Type,
}

/// What the function returns.
pub(crate) enum Output<'a> {
    /// The result, of a plain function or, once awaited, of an `async fn`.
    Value(&'a ReturnType),
    /// A future of another type.
    Future(&'a Type),
}

impl<'a> Signature<'a> {
    /// # Errors
    /// All reasons why the function cannot be a task, each at its place, with what to write instead.
    pub(crate) fn of(flavour: Flavour, sig: &'a syn::Signature) -> Result<Self> {
        let mut errors = Errors(None);
        refuse_qualifiers(sig, &mut errors);
        let output = errors.take(output(flavour, sig));

        let mut inputs = sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(parameter) => Some(parameter),
            FnArg::Receiver(receiver) => {
                errors.push(
                    receiver.span(),
                    "a method of a type cannot be a task: write a function outside of `impl`, \
                     and pass what it needs as arguments",
                );
                None
            }
        });
        let inputs: Vec<&PatType> = inputs.by_ref().collect();
        let (context, inputs) = match inputs.split_first() {
            Some((first, rest)) if is_named(&first.ty, "TaskContext") => (true, rest),
            _ => (false, &inputs[..]),
        };
        let arguments = match inputs {
            [only] if is_vec_of_arg_value(&only.ty) => Arguments::Any,
            _ => Arguments::Typed(typed(inputs, &mut errors)),
        };
        match (errors.0, output) {
            (None, Some(output)) => Ok(Self { flavour, context, arguments, output }),
            (Some(error), _) => Err(error),
            (None, None) => Err(Error::new(sig.span(), "this cannot be a task")),
        }
    }
}

/// Collects errors, to report all of them at once.
struct Errors(Option<Error>);

impl Errors {
    fn push(&mut self, span: Span, message: &str) {
        self.add(Error::new(span, message));
    }

    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }
}

fn refuse_qualifiers(sig: &syn::Signature, errors: &mut Errors) {
    if !sig.generics.params.is_empty() {
        errors.push(
            sig.generics.span(),
            "a task is called by its name, so it cannot be generic: \
             write the types out, and a function for each set of them",
        );
    } else if let Some(clause) = &sig.generics.where_clause {
        errors.push(clause.span(), "a task cannot have a `where` clause: nothing in it is generic");
    }
    if let Some(token) = &sig.unsafety {
        errors.push(
            token.span(),
            "a task cannot be `unsafe`, because any client may call it: write an `unsafe` block inside",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.push(abi.span(), "a task has Rust's own calling convention: remove `extern`");
    }
    if let Some(variadic) = &sig.variadic {
        errors.push(
            variadic.span(),
            "a task cannot be variadic: write `rest: Rest<T>` as its last parameter",
        );
    }
}

fn output(flavour: Flavour, sig: &syn::Signature) -> Result<Output<'_>> {
    let future = match &sig.output {
        ReturnType::Type(_, ty) if is_future(ty) => Some(&**ty),
        _ => None,
    };
    match (flavour, sig.asyncness, future) {
        (Flavour::Sync, Some(token), _) => Err(Error::new(
            token.span(),
            "this function is async: write `#[async_task]`, or remove `async`",
        )),
        (Flavour::Sync, None, Some(ty)) => {
            Err(Error::new(ty.span(), "this function returns a future: write `#[async_task]`"))
        }
        (Flavour::Async, None, None) => Err(Error::new(
            sig.fn_token.span(),
            "this function is not async: write `#[sync_task]`, or `async fn`, \
             or return `impl Future<Output = …> + Send`",
        )),
        (Flavour::Async, Some(_), Some(ty)) => Err(Error::new(
            ty.span(),
            "an `async fn` is a future already: write the type of its result here, or remove `async`",
        )),
        (Flavour::Async, None, Some(ty)) => Ok(Output::Future(ty)),
        (Flavour::Sync, None, None) | (Flavour::Async, Some(_), None) => {
            if let ReturnType::Type(_, ty) = &sig.output {
                refuse_unnamed(ty)?;
                refuse_text_as_error(ty)?;
            }
            Ok(Output::Value(&sig.output))
        }
    }
}

/// The result needs a named type, because the expansion repeats it.
fn refuse_unnamed(ty: &Type) -> Result<()> {
    if let Type::Never(never) = ty {
        return Err(Error::new(
            never.span(),
            "a task has to return: write the type of its result, or nothing",
        ));
    }
    match find(ty.to_token_stream(), &|token| is_ident(token, "impl") || is_ident(token, "_")) {
        Some(span) => Err(Error::new(
            span,
            "a task's result needs a named type, like `String` or `Json<Receipt>`",
        )),
        None => Ok(()),
    }
}

/// Text as the error type is a common mistake, for which the trait's message would be less helpful.
fn refuse_text_as_error(ty: &Type) -> Result<()> {
    let Some(PathSegment { ident, arguments: PathArguments::AngleBracketed(generic) }) =
        last_segment(ty)
    else {
        return Ok(());
    };
    let is_text = |ty: &Type| match ty {
        Type::Reference(reference) => is_named(&reference.elem, "str"),
        ty => is_named(ty, "String"),
    };
    match generic.args.get(1) {
        Some(GenericArgument::Type(error)) if ident == "Result" && is_text(error) => {
            Err(Error::new(
                error.span(),
                "text does not say whether to retry: write `TaskError`, \
             made by `TaskError::new(text)` or `TaskError::permanent(text)`",
            ))
        }
        _ => Ok(()),
    }
}

fn typed<'a>(inputs: &[&'a PatType], errors: &mut Errors) -> Vec<Parameter<'a>> {
    let mut optional_before = false;
    let mut parameters = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let ty = &*input.ty;
        if let Some(error) = refuse_type(ty) {
            errors.add(error);
        } else if is_named(ty, "Rest") {
            if index + 1 < inputs.len() {
                errors.push(
                    ty.span(),
                    "`Rest` takes all remaining arguments: make it the last parameter",
                );
            }
        } else if is_named(ty, "Option") {
            optional_before = true;
        } else if optional_before {
            errors.push(
                ty.span(),
                "a required parameter cannot follow an `Option`, which may be left out: \
                 put it before, or make it an `Option` too",
            );
        }
        let name = errors.take(name(&input.pat));
        parameters.push(Parameter { name: name.unwrap_or_default(), ty });
    }
    parameters
}

/// The parameter's name for messages: `order`, also for `mut order` and `Json(order)`.
fn name(pattern: &Pat) -> Result<String> {
    match pattern {
        Pat::Ident(name) => Ok(name.ident.unraw().to_string()),
        Pat::TupleStruct(wrapper) if wrapper.elems.len() == 1 => name(&wrapper.elems[0]),
        Pat::Wild(_) => Ok("_".to_owned()),
        _ => Err(Error::new(
            pattern.span(),
            "a task's parameter needs a name, which callers see when an argument is refused: \
             destructure it in the function's body",
        )),
    }
}

/// Refuses types for which a better message than the trait's is possible.
fn refuse_type(ty: &Type) -> Option<Error> {
    if is_named(ty, "TaskContext") {
        return Some(Error::new(ty.span(), "`TaskContext` has to be the first parameter"));
    }
    if let Type::Reference(reference) = ty {
        let message = match owned(reference) {
            owned if owned == "TaskContext" => {
                "write `TaskContext`: it is cheap to clone, and belongs to the attempt".to_owned()
            }
            owned => format!("arguments are passed by value: write `{owned}`"),
        };
        return Some(Error::new(ty.span(), message));
    }
    if let Type::ImplTrait(_) = ty {
        return Some(Error::new(
            ty.span(),
            "a task cannot be generic: write a type, like `String`",
        ));
    }
    let borrowed = find(ty.to_token_stream(), &|token| match token {
        TokenTree::Punct(punct) => matches!(punct.as_char(), '&' | '\''),
        _ => false,
    });
    borrowed.map(|span| {
        Error::new(
            span,
            "arguments are passed by value: write an owned type, like `String` for `&str`",
        )
    })
}

/// The owned type to write instead of a reference.
fn owned(reference: &TypeReference) -> String {
    match &*reference.elem {
        Type::Slice(slice) => format!("Vec<{}>", shown(&slice.elem)),
        elem if is_named(elem, "str") => "String".to_owned(),
        elem if is_named(elem, "TaskContext") => "TaskContext".to_owned(),
        elem => shown(elem),
    }
}

/// A type as written in source code, without the spaces between tokens.
fn shown(ty: &Type) -> String {
    ty.to_token_stream().to_string().replace(' ', "")
}

fn is_future(ty: &Type) -> bool {
    match ty {
        Type::ImplTrait(bounds) => {
            find(bounds.to_token_stream(), &|token| is_ident(token, "Future")).is_some()
        }
        _ => is_named(ty, "Pin") || is_named(ty, "BoxFuture"),
    }
}

fn is_vec_of_arg_value(ty: &Type) -> bool {
    let Some(PathSegment { ident, arguments: PathArguments::AngleBracketed(generic) }) =
        last_segment(ty)
    else {
        return false;
    };
    ident == "Vec"
        && matches!(generic.args.first(), Some(GenericArgument::Type(item)) if is_named(item, "ArgValue"))
}

fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        // A `$ty:ty` of a `macro_rules!`.
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

/// The span of the first matching token, at any depth.
fn find(tokens: TokenStream, wanted: &dyn Fn(&TokenTree) -> bool) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => find(group.stream(), wanted),
        token if wanted(&token) => Some(token.span()),
        _ => None,
    })
}
