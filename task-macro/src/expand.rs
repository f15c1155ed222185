//! Writes the code beside an annotated function: a handler with the signature of all handlers, a check of
//! the arguments, and a constructor that registers both before `main`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ItemFn, ReturnType, Type, parse_quote};

use crate::attribute::{Attribute, Durability};
use crate::signature::{Arguments, Flavour, Output, Parameter, Signature};

/// Generated names start with two underscores, because the function's types are resolved in the same scope.
pub(crate) fn registration(
    attribute: &Attribute,
    signature: &Signature<'_>,
    function: &ItemFn,
) -> TokenStream {
    let cfgs = function.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    let check = check(&signature.arguments);
    let handler = handler(signature, function);
    let described = described(&signature.arguments);
    let defaults = defaults(attribute);
    let kind = match (signature.flavour, attribute.inline) {
        (Flavour::Async, _) => quote!(Async),
        (Flavour::Sync, false) => quote!(Sync),
        (Flavour::Sync, true) => quote!(Inline),
    };
    let Attribute { name, replace, description, .. } = attribute;
    let namespace = option(attribute.namespace.as_ref());
    let version = option(attribute.version.as_ref());
    quote! {
        #(#cfgs)*
        const _: () = {
            use ::task_scheduler::__private as __rt;

            #check
            #handler

            __rt::ctor::declarative::ctor! {
                #[ctor(unsafe)]
                fn __register() {
                    __rt::collect(__rt::Registration {
                        namespace: #namespace,
                        name: #name,
                        version: #version,
                        handler: __rt::Handler::#kind(__handler),
                        signature: #described,
                        defaults: #defaults,
                        description: #description,
                        replace: #replace,
                        declared_at: __rt::Location { file: ::core::file!(), line: ::core::line!() },
                    });
                }
            }
        };
    }
}

/// `fn __check`, for a typed method.
fn check(arguments: &Arguments<'_>) -> TokenStream {
    let Arguments::Typed(parameters) = arguments else {
        return TokenStream::new();
    };
    let checks = parameters
        .iter()
        .map(|Parameter { name, ty }| quote!(<#ty as __rt::FromArgs>::check(#name, &mut __args)?;));
    quote! {
        fn __check(__args: &[__rt::ArgValue]) -> ::core::result::Result<(), __rt::Error> {
            let mut __args = __rt::ArgumentCheck::new(__args);
            #(#checks)*
            __args.end()
        }
    }
}

/// `fn __handler`: converts the arguments, calls the function and converts what it returns.
fn handler(signature: &Signature<'_>, function: &ItemFn) -> TokenStream {
    let ident = &function.sig.ident;
    let context = signature.context.then(|| quote!(__ctx,));
    let (extract, passed) = match &signature.arguments {
        Arguments::Any => (TokenStream::new(), quote!(__args)),
        Arguments::Typed(parameters) => extract(parameters),
    };
    let returned = returned(signature, &quote!(#ident(#context #passed)));
    let parameters = quote!(__ctx: __rt::TaskContext, __args: ::std::vec::Vec<__rt::ArgValue>);
    let deprecated = function.attrs.iter().any(|attr| attr.path().is_ident("deprecated"));
    let expect = deprecated.then(|| quote!(#[expect(deprecated)]));
    match signature.flavour {
        Flavour::Sync => quote! {
            #expect
            fn __handler(#parameters) -> __rt::HandlerResult {
                #extract
                #returned
            }
        },
        Flavour::Async => quote! {
            #expect
            fn __handler(#parameters) -> __rt::HandlerFuture {
                ::std::boxed::Box::pin(async move {
                    #extract
                    #returned
                })
            }
        },
    }
}

/// The code that converts the arguments, and the names of the converted values.
fn extract(parameters: &[Parameter<'_>]) -> (TokenStream, TokenStream) {
    let names: Vec<_> = (0..parameters.len()).map(|i| format_ident!("__arg{i}")).collect();
    let takes = parameters.iter().zip(&names).map(|(Parameter { name, ty }, taken)| {
        quote!(let #taken = <#ty as __rt::FromArgs>::take(#name, &mut __args)?;)
    });
    let extract = quote! {
        let mut __args = __rt::Arguments::new(__args);
        #(#takes)*
        __args.end()?;
    };
    (extract, quote!(#(#names),*))
}

fn returned(signature: &Signature<'_>, call: &TokenStream) -> TokenStream {
    match (&signature.output, signature.flavour) {
        (Output::Value(ty), flavour) => {
            let ty: Type = match ty {
                ReturnType::Default => parse_quote!(()),
                ReturnType::Type(_, ty) => (**ty).clone(),
            };
            let awaited = (flavour == Flavour::Async).then(|| quote!(.await));
            quote!(<#ty as __rt::IntoReturn>::into_return(#call #awaited))
        }
        // The output type has no name here, so an error points at the whole type.
        (Output::Future(ty), _) => {
            quote_spanned!(ty.span()=> __rt::IntoReturn::into_return(#call.await))
        }
    }
}

/// The method's `Signature`.
fn described(arguments: &Arguments<'_>) -> TokenStream {
    let Arguments::Typed(parameters) = arguments else {
        return quote!(__rt::Signature::ANY);
    };
    let parameters = parameters
        .iter()
        .map(|Parameter { name, ty }| quote!(<#ty as __rt::FromArgs>::describe(#name)));
    quote! {
        __rt::Signature {
            parameters: ::core::option::Option::Some(::std::vec![#(#parameters),*]),
            check: __check,
        }
    }
}

fn defaults(attribute: &Attribute) -> TokenStream {
    let millis = |duration: std::time::Duration| {
        // At most a week, so it fits.
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        quote!(::core::time::Duration::from_millis(#millis))
    };
    let queue = match &attribute.queue {
        // Checked at compile time; a constructor must not panic.
        Some(queue) => quote!(__rt::QueueName::parse(#queue, "queue").ok()),
        None => quote!(::core::option::Option::None),
    };
    let priority = option(attribute.priority);
    let retries = option(attribute.retries);
    let backoff = option(attribute.backoff.map(millis));
    let timeout = option(attribute.timeout.map(millis));
    let durability = option(attribute.durability.map(|durability| match durability {
        Durability::Durable => quote!(__rt::Durability::Durable),
        Durability::Ephemeral => quote!(__rt::Durability::Ephemeral),
    }));
    quote! {
        __rt::MethodDefaults {
            queue: #queue,
            priority: #priority,
            retries: #retries,
            backoff: #backoff,
            timeout: #timeout,
            durability: #durability,
        }
    }
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
