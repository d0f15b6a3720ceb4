//! What an async entry is run by.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, LitInt, LitStr, Path};

/// As the attribute's argument has it.
pub(crate) struct Executor {
    path: Path,
    kind: Kind,
}

enum Kind {
    Tokio,
    TokioThreads(Option<LitInt>),
    Smol,
}

impl Executor {
    /// From `tokio`, `tokio(flavor = "...", worker_threads = ...)` or `smol`; nothing is for functions that are not async.
    pub(crate) fn parse(arguments: Tokens) -> syn::Result<Option<Self>> {
        let mut executor = None;
        let parser = syn::meta::parser(|meta| {
            if executor.is_some() {
                return Err(meta.error("one runtime is enough"));
            }
            let kind = if meta.path.is_ident("smol") {
                Kind::Smol
            } else if meta.path.is_ident("tokio") {
                tokio(&meta)?
            } else {
                return Err(meta.error("not known here: an async entry is run by `tokio` or `smol`"));
            };
            executor = Some(Executor { path: meta.path, kind });
            Ok(())
        });
        parser.parse2(arguments)?;
        Ok(executor)
    }

    /// An expression that runs `future` to its end.
    pub(crate) fn run(&self, future: Tokens) -> syn::Result<Tokens> {
        let (name, is_there) = match self.kind {
            Kind::Tokio | Kind::TokioThreads(_) => ("tokio", cfg!(feature = "tokio")),
            Kind::Smol => ("smol", cfg!(feature = "smol")),
        };
        if !is_there {
            return Err(Error::new(self.path.span(), format!("this needs anyfork's feature `{name}`")));
        }
        Ok(match &self.kind {
            Kind::Tokio => quote!(::anyfork::__private::tokio::block_on(#future)),
            Kind::TokioThreads(None) => {
                quote!(::anyfork::__private::tokio::block_on_threads(::core::option::Option::None, #future))
            }
            Kind::TokioThreads(Some(threads)) => {
                quote!(::anyfork::__private::tokio::block_on_threads(::core::option::Option::Some(#threads), #future))
            }
            Kind::Smol => quote!(::anyfork::__private::smol::block_on(#future)),
        })
    }
}

fn tokio(meta: &ParseNestedMeta<'_>) -> syn::Result<Kind> {
    let mut flavor = None;
    let mut threads = None;
    if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|option| {
            if option.path.is_ident("flavor") {
                let value: LitStr = option.value()?.parse()?;
                match value.value().as_str() {
                    "current_thread" | "multi_thread" => flavor = Some(value),
                    _ => return Err(Error::new(value.span(), "a flavor is \"current_thread\" or \"multi_thread\"")),
                }
            } else if option.path.is_ident("worker_threads") {
                let value: LitInt = option.value()?.parse()?;
                if value.base10_parse::<usize>()? == 0 {
                    return Err(Error::new(value.span(), "at least one thread"));
                }
                threads = Some(value);
            } else {
                return Err(option.error("not known here: `flavor` and `worker_threads` are"));
            }
            Ok(())
        })?;
    }
    match (flavor.is_some_and(|flavor| flavor.value() == "multi_thread"), threads) {
        (true, threads) => Ok(Kind::TokioThreads(threads)),
        (false, None) => Ok(Kind::Tokio),
        (false, Some(threads)) => Err(Error::new(threads.span(), "`worker_threads` needs `flavor = \"multi_thread\"`")),
    }
}

/// Checks that a function has what runs it if it is async, and only then.
pub(crate) fn check(function: &ItemFn, executor: Option<Executor>) -> syn::Result<Option<Executor>> {
    match (function.sig.asyncness, executor) {
        (Some(asyncness), None) => Err(Error::new(
            asyncness.span(),
            "what is an async entry run by? Say `#[anyfork::entry(tokio)]` or `#[anyfork::entry(smol)]`",
        )),
        (None, Some(executor)) => {
            Err(Error::new(executor.path.span(), "a runtime is for an `async fn`; this function is not async"))
        }
        (_, executor) => Ok(executor),
    }
}
