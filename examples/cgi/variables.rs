//! What a script is told of its request: the meta-variables of RFC 3875, section 4.1.
//!
//! Two that are optional are missing: REMOTE_IDENT, which nobody has any more, and REMOTE_USER, as the server checks
//! no passwords.

use crate::target::Target;
use hyper::HeaderMap;
use hyper::header::{self, HeaderName};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Where the request came in.
pub(crate) struct Ends<'a> {
    pub(crate) server: SocketAddr,
    pub(crate) client: SocketAddr,
    pub(crate) documents: &'a Path,
}

/// The variables of a request with a body of that length.
pub(crate) fn of_request(request: &Parts, length: u64, target: &Target, ends: &Ends<'_>) -> Vec<(String, OsString)> {
    let mut variables: Vec<(String, OsString)> = Vec::with_capacity(32);
    let mut set = |name: &str, value: &[u8]| variables.push((name.to_owned(), OsStr::from_bytes(value).to_owned()));
    let client = ends.client.ip().to_string();
    set("GATEWAY_INTERFACE", b"CGI/1.1");
    set("SERVER_SOFTWARE", concat!("anyfork-cgi/", env!("CARGO_PKG_VERSION")).as_bytes());
    set("SERVER_PROTOCOL", format!("{:?}", request.version).as_bytes());
    set("SERVER_NAME", server_name(&request.headers, ends.server).as_bytes());
    set("SERVER_PORT", ends.server.port().to_string().as_bytes());
    set("REMOTE_ADDR", client.as_bytes());
    // Whoever has no name has his address here.
    set("REMOTE_HOST", client.as_bytes());
    set("REQUEST_METHOD", request.method.as_str().as_bytes());
    set("SCRIPT_NAME", &target.script_name);
    set("QUERY_STRING", target.query.as_bytes());
    if let Some(relative) = target.path_info.strip_prefix(b"/") {
        set("PATH_INFO", &target.path_info);
        // Not `join`, for which a second slash would begin a new path.
        set("PATH_TRANSLATED", &[ends.documents.as_os_str().as_bytes(), b"/", relative].concat());
    }
    if length > 0 {
        set("CONTENT_LENGTH", length.to_string().as_bytes());
        if let Some(sort) = request.headers.get(header::CONTENT_TYPE) {
            set("CONTENT_TYPE", sort.as_bytes());
        }
    }
    if let Some(scheme) = auth_scheme(&request.headers) {
        set("AUTH_TYPE", scheme);
    }
    variables.extend(of_header(&request.headers));
    variables
}

/// The host as the client calls it, or else the server's address.
fn server_name(headers: &HeaderMap, server: SocketAddr) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.map_or_else(|| server.ip().to_string(), |host| host.host().to_owned())
}

/// How the client says who it is. What it says, the password perhaps, is not for scripts.
fn auth_scheme(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(header::AUTHORIZATION)?.as_bytes().split(|octet| *octet == b' ').next()
}

/// `HTTP_NAME` for each field of the header that scripts may see.
fn of_header(headers: &HeaderMap) -> impl Iterator<Item = (String, OsString)> {
    headers.keys().filter(|name| is_passed(name)).map(|name| {
        let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        let variable = format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_"));
        (variable, OsString::from_vec(values.join(separator)))
    })
}

fn is_passed(name: &HeaderName) -> bool {
    // The secret ones; those that have variables of their own; those between server and client alone; and `Proxy`,
    // whose variable is a setting of many HTTP clients: who sent it would direct a script's own requests.
    let kept = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        HeaderName::from_static("proxy"),
    ];
    // `A_B` would be taken for `A-B`.
    !kept.contains(name) && name.as_str().bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}
