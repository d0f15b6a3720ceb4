//! The attribute macros of [anyfork](https://docs.rs/anyfork). Use them through that crate.

mod executor;

use executor::Executor;
use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, ReturnType, Type};

/// Registers a function as an entry: a function that a new process can be told to run.
///
/// It is registered under its path, `my_crate::module::name`. The name then stands for the entry: hand it to `run`, `start` and
/// `call`. To call the function here, in this process, write `name()(parameters)`: `name()` is an `anyfork::Entry`.
///
/// An entry in a function or an `impl` block has the path of the module around it. Two of one name there compile; to start one of them is
/// an `AmbiguousEntry`.
///
/// **Parameters** take, in order: the process's socket (a first parameter of type `std::os::unix::net::UnixStream`, may
/// be left out), then the descriptors and arguments that were sent. A descriptor fits every type that is
/// `From<OwnedFd>`, an argument every type that is `FromStr`, and `OsString`, `PathBuf`, `Vec<u8>` and `anyfork::Blob`
/// without a conversion. As the last parameter, and only there, `Vec<T>` takes all the rest, and `anyfork::Inputs` takes it raw. For types of
/// your own there is `anyfork::Extract`. What does not fit is an error in the caller that names the entry, the position, what was
/// expected and what came.
///
/// **An `async fn`** says what it is run by; the runtime is built in the new process, after the fork:
///
/// - `#[entry(tokio)]` (anyfork's feature `tokio`): a runtime of one thread, with I/O and time enabled.
///   `#[entry(tokio(flavor = "multi_thread"))]`: one with as many threads as there are processors, or with
///   `worker_threads = 4` beside the flavor.
/// - `#[entry(smol)]` (feature `smol`): `async_io::block_on`, which is that of smol.
///
/// The descriptors that it takes are blocking, as std has them: make them non-blocking before a runtime gets them.
///
/// **Return** `()`, a `Result<(), E>` whose error is `Display` (it is written to standard error, and the exit code is 1), or
/// anything that is `std::process::Termination`. One that serves for ever returns `!`.
///
/// A socket that no parameter takes stays open until the process ends, so that the other end sees the end.
#[proc_macro_attribute]
pub fn entry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |function| entry_of(function, Executor::parse(arguments.into())?))
}

/// Runs a function in every process that is forked from a template, before its first order: to reseed random generators,
/// to draw new ids, to forget what belongs to the template.
///
/// The function takes nothing and returns nothing. The order of several such functions is that of the linker.
#[proc_macro_attribute]
pub fn after_fork(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |function| {
        if arguments.is_empty() {
            return after_fork_of(function);
        }
        Err(Error::new(Tokens::from(arguments).span(), "no arguments are known here"))
    })
}

fn expand(item: TokenStream, with: impl FnOnce(ItemFn) -> syn::Result<Tokens>) -> TokenStream {
    let expanded = syn::parse(item).and_then(with);
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}

fn entry_of(function: ItemFn, executor: Option<Executor>) -> syn::Result<Tokens> {
    refuse_special(&function)?;
    let types = parameter_types(&function)?;
    let executor = executor::check(&function, executor)?;
    let ItemFn { attrs, vis, sig, block, .. } = &function;
    let name = &sig.ident;
    // A function, because a constant could not be shadowed: `let worker = process.run(worker)?` has to work.
    // Inside it the name must mean the entry, so that an entry can start itself.
    let inner = syn::Signature { ident: quote::format_ident!("entry_function"), ..sig.clone() };
    let (docs, attributes): (Vec<_>, Vec<_>) = attrs.iter().partition(|attribute| attribute.path().is_ident("doc"));
    let output = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, output) => quote!(#output),
    };
    let values: Vec<_> = (0..types.len()).map(|index| quote::format_ident!("input_{index}")).collect();
    let extractions = types.iter().enumerate().map(|(index, ty)| extraction(ty, index + 1 == types.len()));
    let (called, blocking) = match executor {
        None => (inner.ident.clone(), Tokens::new()),
        Some(executor) => {
            let run = executor.run(quote!(entry_function(#(#values),*)))?;
            let blocking = quote!(fn entry_blocking(#(#values: #types),*) -> #output { #run });
            (quote::format_ident!("entry_blocking"), blocking)
        }
    };
    let call = quote!(#called(#(#values),*));
    let finished = match &sig.output {
        // No value can be asked how it ended.
        ReturnType::Type(_, output) if matches!(**output, Type::Never(_)) => call,
        // Where the type stands, for one that says nothing of the end.
        _ => quote_spanned!(output.span()=> (&&::anyfork::__private::Returned::new(#call)).finish()),
    };
    Ok(quote! {
        #(#docs)*
        #[allow(dead_code)]
        #vis const fn #name() -> ::anyfork::Entry<fn(#(#types),*) -> #output> {
            #(#attributes)*
            #inner #block
            #blocking

            fn bind(
                inputs: &mut ::anyfork::Inputs,
            ) -> ::core::result::Result<::anyfork::__private::Bound, ::anyfork::InputError> {
                #[allow(unused_imports)]
                use ::anyfork::__private::{extract_steps::*, outcome_steps::*};
                #(
                    #[allow(clippy::needless_borrow)]
                    let #values: #types = #extractions?;
                )*
                ::anyfork::__private::finish(inputs)?;
                #[allow(clippy::needless_borrow, clippy::unit_arg)]
                ::core::result::Result::Ok(::std::boxed::Box::new(move || {
                    #finished
                }))
            }

            #[::anyfork::__private::linkme::distributed_slice(::anyfork::__private::ENTRIES)]
            #[linkme(crate = ::anyfork::__private::linkme)]
            static REGISTRATION: ::anyfork::__private::Registration = ::anyfork::__private::Registration {
                name: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
                bind,
            };

            ::anyfork::Entry::new(::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)), #called)
        }
    })
}

/// Finds what a parameter gets. The compiler's complaints point at the parameter's type.
fn extraction(ty: &Type, is_last: bool) -> Tokens {
    let place = if is_last { quote!(Last) } else { quote!(Followed) };
    // The names are those of the macro, also if the type comes from another one.
    let at = ty.span().resolved_at(Span::call_site());
    quote_spanned!(at=> (&&&&&&&::anyfork::__private::Probe::<#ty, ::anyfork::__private::#place>::new()).extract(inputs))
}

fn after_fork_of(function: ItemFn) -> syn::Result<Tokens> {
    refuse_special(&function)?;
    if function.sig.asyncness.is_some() {
        return Err(Error::new(function.sig.asyncness.span(), "a function to run after a fork cannot be async"));
    }
    if !parameter_types(&function)?.is_empty() || !matches!(function.sig.output, ReturnType::Default) {
        return Err(Error::new(
            function.sig.span(),
            "a function to run after a fork takes nothing and returns nothing",
        ));
    }
    let name = &function.sig.ident;
    Ok(quote! {
        #function

        const _: () = {
            #[::anyfork::__private::linkme::distributed_slice(::anyfork::__private::AFTER_FORK)]
            #[linkme(crate = ::anyfork::__private::linkme)]
            static REGISTRATION: fn() = #name;
        };
    })
}

/// What cannot be called with values that come from another process.
fn refuse_special(function: &ItemFn) -> syn::Result<()> {
    let sig = &function.sig;
    let problem = if let syn::Safety::Unsafe(unsafety) = &sig.safety {
        Some((unsafety.span(), "an entry cannot be unsafe: nobody could keep its conditions"))
    } else if !sig.generics.params.is_empty() {
        Some((sig.generics.span(), "an entry cannot be generic: it is called by its name alone"))
    } else {
        sig.variadic.as_ref().map(|variadic| (variadic.span(), "an entry cannot be variadic"))
    };
    problem.map_or(Ok(()), |(span, message)| Err(Error::new(span, message)))
}

fn parameter_types(function: &ItemFn) -> syn::Result<Vec<&Type>> {
    function
        .sig
        .inputs
        .iter()
        .map(|parameter| match parameter {
            FnArg::Typed(typed) => match &*typed.ty {
                Type::Reference(reference) => {
                    Err(Error::new(reference.span(), "an entry's parameter must be owned: `String` instead of `&str`"))
                }
                Type::ImplTrait(opaque) => Err(Error::new(opaque.span(), "an entry's parameter needs a concrete type")),
                ty => Ok(ty),
            },
            receiver => Err(Error::new(receiver.span(), "an entry is a free function, not a method")),
        })
        .collect()
}
