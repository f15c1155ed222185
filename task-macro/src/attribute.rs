//! Reads the options of an attribute: `#[sync_task(queue = "mail", retries = 5)]`, and checks them at
//! compile time. The limits repeat those of the main crate's `models`, which a macro cannot import.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Expr, ExprLit, Ident, ItemFn, Lit, LitBool, LitInt, LitStr, Meta, Result, Token};

use crate::duration;
use crate::signature::Flavour;

/// `models::MAX_METHOD_BYTES`.
const MAX_METHOD_BYTES: usize = 255;
/// `models::MAX_QUEUE_NAME_BYTES`.
const MAX_QUEUE_NAME_BYTES: usize = 100;
/// `models::MAX_RETRIES`.
const MAX_RETRIES: u32 = 1_000;
/// `models::MAX_BACKOFF`.
const MAX_BACKOFF: Duration = Duration::from_secs(24 * 3600);
/// `models::MAX_TIMEOUT`.
const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Each option with an example, for messages.
const EXAMPLES: [(&str, &str); 12] = [
    ("name", "name = \"charge\""),
    ("namespace", "namespace = \"payments\""),
    ("version", "version = \"2.1.0\""),
    ("queue", "queue = \"billing\""),
    ("priority", "priority = 5"),
    ("retries", "retries = 5"),
    ("backoff", "backoff = \"2s\""),
    ("timeout", "timeout = \"30s\""),
    ("durability", "durability = \"ephemeral\""),
    ("inline", "inline"),
    ("replace", "replace"),
    ("description", "description = \"Charges an order\""),
];

/// The checked options; `None` for an option that is not set.
#[derive(Default)]
pub(crate) struct Attribute {
    /// The option, else the function's name.
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) priority: Option<i32>,
    pub(crate) retries: Option<u32>,
    pub(crate) backoff: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) durability: Option<Durability>,
    pub(crate) inline: bool,
    pub(crate) replace: bool,
    /// The option, else the function's doc comment.
    pub(crate) description: String,
}

#[derive(Clone, Copy)]
pub(crate) enum Durability {
    Durable,
    Ephemeral,
}

impl Attribute {
    pub(crate) fn parse(flavour: Flavour, function: &ItemFn, tokens: TokenStream) -> Result<Self> {
        let ident = &function.sig.ident;
        let mut attribute = Self {
            name: ident.unraw().to_string(),
            description: doc_comment(function),
            ..Self::default()
        };
        let mut named_at = ident.span();
        let read = |input: ParseStream<'_>| {
            let mut seen: Vec<Ident> = Vec::new();
            while !input.is_empty() {
                let key = parse_key(input)?;
                if seen.contains(&key) {
                    return Err(Error::new(key.span(), format!("`{key}` is given twice")));
                }
                if key == "name" {
                    named_at = key.span();
                }
                attribute.read_value(flavour, &key, input)?;
                seen.push(key);
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        read.parse2(tokens)?;

        if !is_word(&attribute.name) {
            let message = format!(
                "`{}` cannot be the name of a method, which has ASCII letters, digits, `_`, `-` and `.` only: \
                 write `name = \"…\"`",
                attribute.name
            );
            return Err(Error::new(named_at, message));
        }
        let whole = attribute.name.len()
            + attribute.namespace.as_ref().map_or(0, |namespace| namespace.len() + 1)
            + attribute.version.as_ref().map_or(0, |version| version.len() + 1);
        if whole > MAX_METHOD_BYTES {
            let message = format!(
                "`namespace/name@version` is {whole} bytes long; at most {MAX_METHOD_BYTES} are accepted"
            );
            return Err(Error::new(named_at, message));
        }
        Ok(attribute)
    }

    fn read_value(&mut self, flavour: Flavour, key: &Ident, input: ParseStream<'_>) -> Result<()> {
        match key.to_string().as_str() {
            "name" => self.name = text(key, input)?.value(),
            "namespace" => self.namespace = Some(word(key, input)?),
            "version" => self.version = Some(version(key, input)?),
            "queue" => self.queue = Some(queue(key, input)?),
            "priority" => self.priority = Some(priority(key, input)?),
            "retries" => self.retries = Some(retries(key, input)?),
            "backoff" => self.backoff = Some(backoff(key, input)?),
            "timeout" => self.timeout = Some(timeout(key, input)?),
            "durability" => self.durability = Some(durability(key, input)?),
            "inline" if flavour == Flavour::Async => {
                return Err(Error::new(
                    key.span(),
                    "`inline` is for `#[sync_task]`: an async handler runs on the async runtime",
                ));
            }
            "inline" => self.inline = flag(input)?,
            "replace" => self.replace = flag(input)?,
            "description" => self.description = text(key, input)?.value(),
            _ => {
                let keys: Vec<_> = EXAMPLES.iter().map(|(key, _)| format!("`{key}`")).collect();
                let message =
                    format!("`{key}` is no attribute of a task; there are {}", keys.join(", "));
                return Err(Error::new(key.span(), message));
            }
        }
        Ok(())
    }
}

pub(crate) fn parse_key(input: ParseStream<'_>) -> Result<Ident> {
    input.call(Ident::parse_any).map_err(|error| {
        Error::new(
            error.span(),
            "expected attributes like `name = \"charge\", retries = 5, inline`",
        )
    })
}

/// Reads the `=` of an attribute that needs a value.
fn equals(key: &Ident, input: ParseStream<'_>) -> Result<()> {
    if input.parse::<Option<Token![=]>>()?.is_some() {
        return Ok(());
    }
    Err(Error::new(key.span(), format!("`{key}` needs a value: write `{}`", example(key))))
}

fn example(key: &Ident) -> &'static str {
    EXAMPLES.iter().find(|(known, _)| key == known).map_or("", |(_, example)| example)
}

fn text(key: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    equals(key, input)?;
    input.parse().map_err(|error| {
        Error::new(error.span(), format!("expected text: write `{}`", example(key)))
    })
}

fn word(key: &Ident, input: ParseStream<'_>) -> Result<String> {
    let text = text(key, input)?;
    if is_word(&text.value()) {
        return Ok(text.value());
    }
    let message =
        format!("expected ASCII letters, digits, `_`, `-` and `.` only, like `{}`", example(key));
    Err(Error::new(text.span(), message))
}

fn version(key: &Ident, input: ParseStream<'_>) -> Result<String> {
    let text = text(key, input)?;
    match semver::Version::parse(&text.value()) {
        Ok(version) => Ok(version.to_string()),
        Err(why) => {
            let message = format!(
                "{:?} is no semantic version ({why}): write three numbers, like `{}`",
                text.value(),
                example(key)
            );
            Err(Error::new(text.span(), message))
        }
    }
}

fn queue(key: &Ident, input: ParseStream<'_>) -> Result<String> {
    let text = text(key, input)?;
    if is_word(&text.value()) && text.value().len() <= MAX_QUEUE_NAME_BYTES {
        return Ok(text.value());
    }
    let message = format!(
        "expected 1 to {MAX_QUEUE_NAME_BYTES} ASCII letters, digits, `_`, `-` or `.`, like `{}`",
        example(key)
    );
    Err(Error::new(text.span(), message))
}

fn priority(key: &Ident, input: ParseStream<'_>) -> Result<i32> {
    equals(key, input)?;
    let wrong = |error: Error| {
        Error::new(
            error.span(),
            "expected a whole number of 32 bits, like `priority = 5` or `priority = -5`",
        )
    };
    let minus = input.parse::<Option<Token![-]>>()?.is_some();
    let number: LitInt = input.parse().map_err(wrong)?;
    let sign = if minus { "-" } else { "" };
    // The sign and the digits are parsed together, because 2147483648 alone does not fit.
    let read = number
        .suffix()
        .is_empty()
        .then(|| format!("{sign}{}", number.base10_digits()).parse().ok());
    read.flatten().ok_or_else(|| wrong(Error::new(number.span(), "")))
}

fn retries(key: &Ident, input: ParseStream<'_>) -> Result<u32> {
    equals(key, input)?;
    let wrong = |error: Error| {
        Error::new(
            error.span(),
            format!("expected a whole number from 0 to {MAX_RETRIES}, like `retries = 5`"),
        )
    };
    let number: LitInt = input.parse().map_err(wrong)?;
    match number.base10_parse() {
        Ok(retries) if retries <= MAX_RETRIES => Ok(retries),
        _ => Err(wrong(Error::new(number.span(), ""))),
    }
}

fn backoff(key: &Ident, input: ParseStream<'_>) -> Result<Duration> {
    let (value, text) = duration(key, input)?;
    if value <= MAX_BACKOFF {
        return Ok(value);
    }
    Err(Error::new(text.span(), "a backoff is at most `24h`"))
}

fn timeout(key: &Ident, input: ParseStream<'_>) -> Result<Duration> {
    let (value, text) = duration(key, input)?;
    if value.is_zero() {
        return Err(Error::new(
            text.span(),
            "a timeout of zero fails every attempt: write a timeout from `1ms` to `168h`",
        ));
    }
    if value <= MAX_TIMEOUT {
        return Ok(value);
    }
    Err(Error::new(text.span(), "a timeout is at most `168h` (7 days)"))
}

fn duration(key: &Ident, input: ParseStream<'_>) -> Result<(Duration, LitStr)> {
    let text = text(key, input)?;
    match duration::parse(&text.value()) {
        Some(value) => Ok((value, text)),
        None => {
            let message = format!(
                "{:?} is no duration: write a whole number and a unit, like `500ms`, `30s`, `5m` or `2h`",
                text.value()
            );
            Err(Error::new(text.span(), message))
        }
    }
}

fn durability(key: &Ident, input: ParseStream<'_>) -> Result<Durability> {
    let text = text(key, input)?;
    match text.value().as_str() {
        "durable" => Ok(Durability::Durable),
        "ephemeral" => Ok(Durability::Ephemeral),
        _ => Err(Error::new(text.span(), "expected \"durable\" or \"ephemeral\"")),
    }
}

/// `inline`, `inline = true` or `inline = false`.
pub(crate) fn flag(input: ParseStream<'_>) -> Result<bool> {
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Ok(true);
    }
    let value: LitBool =
        input.parse().map_err(|error| Error::new(error.span(), "expected `true` or `false`"))?;
    Ok(value.value)
}

/// The same as `models::is_word`.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// The function's doc comment, without the space after each `///`.
fn doc_comment(function: &ItemFn) -> String {
    let lines = function.attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> =
        lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}
