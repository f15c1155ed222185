//! `#[subscriber]`: reads its options, finds the method for each event, and writes the code beside it.
//!
//! The macro does not know which events exist; the server checks the names when it starts.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{
    Attribute as Attr, Error, FnArg, Ident, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, LitStr,
    Result, Signature, Token, Type, parenthesized,
};

use crate::attribute::{flag, is_word, parse_key};

/// `models::MAX_NAME_BYTES`.
const MAX_NAME_BYTES: usize = 80;
/// The prefix of methods for one kind of event.
const PREFIX: &str = "handle_";
const REPLACE_WITH_MANUAL: &str = "a `manual` subscriber replaces another one by `replace_subscriber(…)` of the builder of \
    `TaskSystem`: remove `replace` here";
const EXAMPLE: &str = "#[subscriber(events(\"task.completed\", \"task.failed\"))]";

/// The options of the attribute.
#[derive(Default)]
struct Attribute {
    events: Vec<LitStr>,
    name: Option<LitStr>,
    replace: bool,
    manual: bool,
}

impl Attribute {
    fn parse(tokens: TokenStream) -> Result<Self> {
        let mut attribute = Self::default();
        let read = |input: ParseStream<'_>| {
            let mut seen: Vec<Ident> = Vec::new();
            while !input.is_empty() {
                let key = parse_key(input)?;
                if seen.contains(&key) {
                    return Err(Error::new(key.span(), format!("`{key}` is given twice")));
                }
                attribute.read_value(&key, input)?;
                seen.push(key);
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            if attribute.manual && attribute.replace {
                let at = seen.iter().find(|key| *key == "replace").map(Ident::span);
                return Err(Error::new(at.unwrap_or_else(Span::call_site), REPLACE_WITH_MANUAL));
            }
            Ok(())
        };
        read.parse2(tokens)?;
        if attribute.events.is_empty() {
            let message = format!(
                "no events are given: write `{EXAMPLE}`, or `events(\"*\")` for all events"
            );
            return Err(Error::new(Span::call_site(), message));
        }
        Ok(attribute)
    }

    fn read_value(&mut self, key: &Ident, input: ParseStream<'_>) -> Result<()> {
        match key.to_string().as_str() {
            "events" => self.events = events(key, input)?,
            "name" => {
                input.parse::<Token![=]>()?;
                self.name = Some(input.parse()?);
            }
            "replace" => self.replace = flag(input)?,
            "manual" => self.manual = flag(input)?,
            _ => {
                let message = format!(
                    "`{key}` is no attribute of a subscriber; there are `events`, `name`, `replace`, `manual`"
                );
                return Err(Error::new(key.span(), message));
            }
        }
        Ok(())
    }

    /// The given name, else `own`.
    fn name(&self, own: String, at: Span) -> Result<String> {
        let (name, at) = match &self.name {
            Some(name) => (name.value(), name.span()),
            None => (own, at),
        };
        if is_word(&name) && name.len() <= MAX_NAME_BYTES {
            return Ok(name);
        }
        let message = format!(
            "`{name}` cannot be the name of a subscriber, which has 1 to {MAX_NAME_BYTES} ASCII letters, \
             digits, `_`, `-` or `.`: write `name = \"…\"`"
        );
        Err(Error::new(at, message))
    }
}

fn events(key: &Ident, input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let wrong = |span| {
        Error::new(
            span,
            "expected names of events: write `events(\"task.completed\", \"task.failed\")`",
        )
    };
    if !input.peek(syn::token::Paren) {
        return Err(wrong(key.span()));
    }
    let inside;
    parenthesized!(inside in input);
    let events: Punctuated<LitStr, Token![,]> =
        Punctuated::parse_terminated(&inside).map_err(|error| wrong(error.span()))?;
    let mut all: Vec<LitStr> = Vec::new();
    for event in events {
        if event.value().is_empty() {
            return Err(wrong(event.span()));
        }
        if all.iter().any(|known| known.value() == event.value()) {
            let message = format!("{:?} is listed twice", event.value());
            return Err(Error::new(event.span(), message));
        }
        all.push(event);
    }
    Ok(all)
}

/// The code beside the function or the `impl` block.
pub(crate) fn expand(tokens: TokenStream, item: &Item) -> Result<TokenStream> {
    match item {
        Item::Fn(function) => of_function(&Attribute::parse(tokens)?, function),
        Item::Impl(block) => of_impl(&Attribute::parse(tokens)?, block),
        other => Err(Error::new_spanned(
            other,
            "a subscriber is an async function, or an `impl` block with a method for each kind of event: \
             put the attribute on one",
        )),
    }
}

fn of_function(attribute: &Attribute, function: &ItemFn) -> Result<TokenStream> {
    let ident = &function.sig.ident;
    check_handler(&function.sig, None)?;
    let name = attribute.name(ident.unraw().to_string(), ident.span())?;
    if attribute.manual {
        return Err(Error::new(
            ident.span(),
            "`manual` is for types, whose values are passed to the builder: a function has no value to pass",
        ));
    }
    let handled = quote!(__rt::IntoHandled::into_handled(#ident(__event).await));
    let subscriber =
        subscriber(attribute, &name, &quote!(__Subscriber), &TokenStream::new(), &handled);
    let register = register(attribute, &quote!(__Subscriber));
    let cfgs = cfgs(&function.attrs);
    Ok(quote! {
        #(#cfgs)*
        const _: () = {
            use ::task_scheduler::__private as __rt;
            #[derive(Default)]
            struct __Subscriber;
            #subscriber
            #register
        };
    })
}

fn of_impl(attribute: &Attribute, block: &ItemImpl) -> Result<TokenStream> {
    if let Some((_, path, _)) = &block.trait_ {
        return Err(Error::new_spanned(
            path,
            "put the attribute on the type's own `impl` block, without a trait",
        ));
    }
    if !block.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &block.generics,
            "a subscriber is one value, so its type cannot be generic: write concrete types",
        ));
    }
    let ty = &*block.self_ty;
    let name = attribute.name(own_name(ty), ty.span())?;
    let handlers = Handlers::of(block)?;
    handlers.check(&attribute.events)?;

    let routes = handlers.routed.iter().map(|method| {
        let ident = &method.sig.ident;
        let route = route(method);
        let cfgs = cfgs(&method.attrs);
        quote! {
            #(#cfgs)*
            if __rt::routes_to(__event.name(), #route) {
                return __rt::IntoHandled::into_handled(<#ty>::#ident(self, __event).await);
            }
        }
    });
    let listed = handlers.routed.iter().map(|method| {
        let (cfgs, route) = (cfgs(&method.attrs), route(method));
        quote!(#(#cfgs)* #route)
    });
    let rest = handlers.rest.iter().map(|method| {
        let cfgs = cfgs(&method.attrs);
        quote! {
            #(#cfgs)*
            let __handled = __rt::IntoHandled::into_handled(<#ty>::handle(self, __event).await);
        }
    });
    let rest = quote! {
        let __handled: ::core::result::Result<(), __rt::SubscriberError> =
            ::core::result::Result::Ok(());
        #(#rest)*
        __handled
    };
    let subscriber = subscriber(
        attribute,
        &name,
        &quote!(#ty),
        &quote!(#(#listed),*),
        &quote!(#(#routes)* #rest),
    );
    let register = register(attribute, &quote_spanned!(ty.span()=> #ty));
    let cfgs = cfgs(&block.attrs);
    Ok(quote! {
        #(#cfgs)*
        const _: () = {
            use ::task_scheduler::__private as __rt;
            #subscriber
            #register
        };
    })
}

/// The `cfg` attributes of an item.
fn cfgs(attrs: &[Attr]) -> Vec<&Attr> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}

fn subscriber(
    attribute: &Attribute,
    name: &str,
    ty: &TokenStream,
    routes: &TokenStream,
    handled: &TokenStream,
) -> TokenStream {
    let events = &attribute.events;
    quote! {
        impl __rt::Subscriber for #ty {
            fn name(&self) -> &str {
                #name
            }

            fn filter(&self) -> __rt::EventFilter {
                __rt::filter_of(&[#(#events),*])
            }

            fn routes(&self) -> &'static [&'static str] {
                &[#routes]
            }

            // As `async_trait` expands it, but with full paths.
            fn handle<'life0, 'life1, 'async_trait>(
                &'life0 self,
                __event: &'life1 __rt::Announced,
            ) -> __rt::Handling<'async_trait>
            where
                'life0: 'async_trait,
                'life1: 'async_trait,
                Self: 'async_trait,
            {
                ::std::boxed::Box::pin(async move { #handled })
            }
        }
    }
}

fn register(attribute: &Attribute, ty: &TokenStream) -> TokenStream {
    if attribute.manual {
        return TokenStream::new();
    }
    let replace = attribute.replace;
    quote! {
        fn __make() -> ::std::sync::Arc<dyn __rt::Subscriber> {
            ::std::sync::Arc::new(<#ty as ::core::default::Default>::default())
        }

        __rt::ctor::declarative::ctor! {
            #[ctor(unsafe)]
            fn __register() {
                __rt::collect_subscriber(__rt::SubscriberRegistration {
                    make: __make,
                    replace: #replace,
                    declared_at: __rt::Location { file: ::core::file!(), line: ::core::line!() },
                });
            }
        }
    }
}

/// The methods that handle events.
struct Handlers<'a> {
    /// `handle_task_completed`.
    routed: Vec<&'a ImplItemFn>,
    /// `handle`; there may be several with exclusive `cfg`s.
    rest: Vec<&'a ImplItemFn>,
}

impl<'a> Handlers<'a> {
    fn of(block: &'a ItemImpl) -> Result<Self> {
        let mut handlers = Self { routed: Vec::new(), rest: Vec::new() };
        for item in &block.items {
            let ImplItem::Fn(method) = item else { continue };
            let name = method.sig.ident.to_string();
            if name == "handle" {
                check_handler(&method.sig, Some("&self, "))?;
                handlers.rest.push(method);
            } else if name.starts_with(PREFIX) {
                check_handler(&method.sig, Some("&self, "))?;
                handlers.routed.push(method);
            }
        }
        Ok(handlers)
    }

    /// Checks that each event has a method and each method has an event.
    fn check(&self, events: &[LitStr]) -> Result<()> {
        let mut errors: Option<Error> = None;
        let mut add = |error: Error| match &mut errors {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        };
        for event in events.iter().filter(|_| self.rest.is_empty()) {
            let name = event.value();
            let message = match name.ends_with('*') {
                true => format!(
                    "`{name}` needs `async fn handle(&self, event: &Announced)`, for the events that have no \
                     method of their own"
                ),
                false if self.routed.iter().any(|method| covers(&name, &route(method))) => continue,
                false => format!(
                    "`{name}` has no handler: write `async fn {PREFIX}{}(&self, event: &Announced)`, or \
                     `async fn handle(&self, event: &Announced)` for every event without one of its own",
                    routed(&name)
                ),
            };
            add(Error::new(event.span(), message));
        }
        for method in &self.routed {
            let route = route(method);
            if !events.iter().any(|event| covers(&event.value(), &route)) {
                let message = format!(
                    "`{PREFIX}{route}` is for an event that is not listed: add \"{}\" to `events(…)`, or give \
                     it a name that does not begin with `{PREFIX}`",
                    route.replacen('_', ".", 1)
                );
                add(Error::new(method.sig.ident.span(), message));
            }
        }
        errors.map_or(Ok(()), Err)
    }
}

/// The route of a method: `task_completed` for `handle_task_completed`.
fn route(method: &ImplItemFn) -> String {
    let name = method.sig.ident.to_string();
    name.strip_prefix(PREFIX).unwrap_or(&name).to_owned()
}

/// The route of an event: `task_completed` for `task.completed`.
fn routed(event: &str) -> String {
    event.replace(['.', '-'], "_")
}

/// Whether the pattern matches an event of this route.
fn covers(pattern: &str, route: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => route.starts_with(&routed(start)),
        None => routed(pattern) == route,
    }
}

/// Checks the signature of a handler; `receiver` is the text before the event.
fn check_handler(sig: &Signature, receiver: Option<&str>) -> Result<()> {
    let expected = format!("async fn {}({}event: &Announced)", sig.ident, receiver.unwrap_or(""));
    let wrong = |span, why: &str| Err(Error::new(span, format!("{why}: write `{expected}`")));
    if sig.asyncness.is_none() {
        return wrong(sig.fn_token.span, "a handler is asynchronous");
    }
    if !sig.generics.params.is_empty() {
        return wrong(sig.generics.span(), "a handler cannot be generic");
    }
    let mut inputs = sig.inputs.iter();
    if receiver.is_some() {
        match inputs.next() {
            Some(FnArg::Receiver(this))
                if this.reference.is_some() && this.mutability.is_none() => {}
            Some(other) => {
                return wrong(other.span(), "a handler takes `&self`");
            }
            None => return wrong(sig.ident.span(), "a handler takes `&self` and the event"),
        }
    }
    match (inputs.next(), inputs.next()) {
        (Some(FnArg::Typed(event)), None) if matches!(*event.ty, Type::Reference(_)) => Ok(()),
        (Some(FnArg::Typed(event)), None) => wrong(event.ty.span(), "a handler borrows the event"),
        (_, Some(more)) => wrong(more.span(), "a handler takes the event and nothing else"),
        (Some(other), None) => wrong(other.span(), "a function has no `self`"),
        (None, None) => wrong(sig.ident.span(), "a handler takes the event"),
    }
}

/// The name of a type's subscriber: `notification_subscriber` for `NotificationSubscriber`.
fn own_name(ty: &Type) -> String {
    let Type::Path(path) = ty else { return String::new() };
    let Some(last) = path.path.segments.last() else { return String::new() };
    let mut name = String::new();
    let written = format_ident!("{}", last.ident).to_string();
    for c in written.trim_start_matches("r#").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_called_as_modules_are() {
        for (ty, expected) in [
            ("NotificationSubscriber", "notification_subscriber"),
            ("crate::mail::Alerts", "alerts"),
            ("r#Type", "type"),
        ] {
            assert_eq!(own_name(&syn::parse_str(ty).expect("a type")), expected);
        }
    }

    #[test]
    fn a_pattern_covers_the_methods_of_the_events_that_it_means() {
        for (pattern, route, expected) in [
            ("task.completed", "task_completed", true),
            ("task.*", "task_completed", true),
            ("*", "task_completed", true),
            ("custom.order-paid", "custom_order_paid", true),
            ("task.completed", "task_failed", false),
            ("queue.*", "task_failed", false),
        ] {
            assert_eq!(covers(pattern, route), expected, "{pattern} {route}");
        }
    }
}
