//! What an application is told of its request: the strings in the `environ` of PEP 3333. Each of their characters is an octet.

use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Where the request came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) server: SocketAddr,
    pub(crate) client: SocketAddr,
}

pub(crate) fn of_request(request: &Parts, ends: &Ends) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = of_header(&request.headers).collect();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("SERVER_SOFTWARE", concat!("anyfork-wsgi/", env!("CARGO_PKG_VERSION")).into());
    set("SERVER_PROTOCOL", format!("{:?}", request.version));
    set("SERVER_NAME", server_name(&request.headers, ends.server));
    set("SERVER_PORT", ends.server.port().to_string());
    set("REMOTE_ADDR", ends.client.ip().to_string());
    set("REMOTE_PORT", ends.client.port().to_string());
    set("REQUEST_METHOD", request.method.as_str().into());
    // The application has all of the server.
    set("SCRIPT_NAME", String::new());
    // `OPTIONS *` is about no path.
    let path: Vec<u8> = percent_decode_str(request.uri.path()).collect();
    set("PATH_INFO", if path == b"*" { String::new() } else { latin1(&path) });
    set("QUERY_STRING", latin1(request.uri.query().unwrap_or_default().as_bytes()));
    for (name, variable) in [(header::CONTENT_TYPE, "CONTENT_TYPE"), (header::CONTENT_LENGTH, "CONTENT_LENGTH")] {
        if let Some(value) = request.headers.get(name) {
            set(variable, latin1(value.as_bytes()));
        }
    }
    variables
}

/// The host as the client calls it, or else the server's address.
fn server_name(headers: &HeaderMap, server: SocketAddr) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.map_or_else(|| server.ip().to_string(), |host| host.host().to_owned())
}

/// `HTTP_NAME` for each field of the header that applications may see.
fn of_header(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    headers.keys().filter(|name| is_passed(name)).map(|name| {
        let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        let variable = format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_"));
        (variable, latin1(&values.join(separator)))
    })
}

fn is_passed(name: &HeaderName) -> bool {
    // Those that have variables of their own; those between server and client alone; and `Proxy`, whose variable is a setting of
    // many HTTP clients: who sent it would direct an application's own requests.
    let kept = [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        HeaderName::from_static("proxy"),
    ];
    // `A_B` would be taken for `A-B`.
    !kept.contains(name) && name.as_str().bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

fn latin1(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}
